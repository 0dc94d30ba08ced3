"""Phase 7: golden customers, by survivorship with the stewards' overrides on top.

Reads ``identity.customer_identity_map`` and ``staging.records`` (as ``gold.survivorship_values``),
identity events and overrides; writes ``gold.dim_customers``, ``gold.customer_lineage`` and, for the
phases behind, ``gold.customer_changes`` and ``gold.touched_customers``. Golden values are a pure
function of a customer's live records, the rules and the overrides in force at ``ctx.as_of``, so
rebuilding touched customers gives what rebuilding all of them would give.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy import Connection, TextClause, text

from db.first_load import first_load
from db.queries import load, query
from gold import guards, members, state, survivorship
from mdm.phases import PhaseReport, RunContext

_FILE, _MEMBERS = "gold/golden.sql", "gold/members.sql"
_TARGETS = ("gold.dim_customers", "gold.customer_lineage", "gold.customer_changes")
#: Consumed changes that take more room than this are emptied at once, fewer are deleted.
MANY_CHANGES_BYTES: Final = 8 * 1024 * 1024
#: Further attributes by their declared type; all others are free text to an override.
_KINDS = {"date": "date", "number": "number"}


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """What phase 7 did: customers rebuilt, rows changed, and the changes by type.

    Safe to repeat: with nothing new it reads a few indexes and writes nothing. Raises PublishHeld
    when a source looks broken (``gold.guards``), before anything of gold is touched.
    """
    conn.execute(query(_FILE, "lock_changes"))
    inputs = conn.execute(query(_FILE, "input_marks")).one()._asdict()
    before = state.marks(conn, "golden")
    digest = survivorship.digest(ctx.config)
    everyone = ctx.full or before is None or before["digest"] != digest
    guards.check_sources(conn, ctx, change_seq=inputs["change_seq"])

    touched_before = int(conn.execute(query(_FILE, "newest_touch")).scalar_one())
    touched = _touch(conn, ctx, inputs, before=None if everyone else before)
    detail: dict[str, Any] = {"full": everyone, "touched": touched}
    changed = 0
    if touched:
        many = {"many": MANY_CHANGES_BYTES}
        many_consumed = conn.execute(query(_FILE, "many_are_consumed"), many).scalar_one()
        conn.execute(query(_FILE, "clear_changes" if many_consumed else "drop_consumed"))
        conn.execute(query(_FILE, "forget_touches"))
        detail |= _rebuild(conn, ctx, everyone=everyone, before=before)
        conn.execute(query(_FILE, "log_touched"), {"run_id": ctx.run_id, "everyone": everyone})
        changed = sum(n for key, n in detail.items() if key.isupper())
    moved = {"digest": digest, **inputs}
    if touched or before is None or any(before.get(key) != value for key, value in moved.items()):
        marks = {**moved, "touched_before": touched_before, "as_of": ctx.as_of.isoformat()}
        state.write(conn, "golden", run_id=ctx.run_id, marks=marks)
    members.drop_work(conn)
    return PhaseReport(rows_in=touched, rows_out=changed, detail=detail)


def _touch(
    conn: Connection,
    ctx: RunContext,
    inputs: Mapping[str, Any],
    *,
    before: Mapping[str, Any] | None,
) -> int:
    """How many customers must be rebuilt, now listed in ``work_touched``."""
    members.drop_work(conn)
    conn.execute(query(_FILE, "create_touched"))
    if before is None:
        touched = conn.execute(query(_FILE, "touch_all")).rowcount
    else:
        touched = conn.execute(
            query(_FILE, "touch_news"),
            {
                "change_seq": before["change_seq"],
                "identity_event_id": before["identity_event_id"],
                "identity_run_id": before["identity_run_id"],
                "identity_moved": inputs["identity_run_id"] != before["identity_run_id"],
                "last_as_of": datetime.fromisoformat(before["as_of"]),
                "as_of": ctx.as_of,
                "stale_after": timedelta(days=ctx.config.quality.stale_after_days),
            },
        ).rowcount
    conn.execute(query(_FILE, "analyze_touched"))
    return touched


def _rebuild(
    conn: Connection, ctx: RunContext, *, everyone: bool, before: Mapping[str, Any] | None
) -> dict[str, int]:
    """The number of changes by type after the touched customers were built anew and brought in."""
    config = ctx.config
    rule_set_id = _register(conn, ctx)
    if everyone:
        conn.execute(query(_MEMBERS, "favour_many_cores"))
    sources = members.read(conn, config, everyone=everyone)
    conn.execute(query(_FILE, "create_chosen"), survivorship.rule_params(config))
    conn.execute(query(_FILE, "drop_golden"))
    conn.execute(query(_FILE, "create_golden"), {"sources": sources})
    extras = survivorship.extra_rules(config)
    if extras:
        conn.execute(
            query(_FILE, "add_extras"),
            {"attributes": list(extras), "rules": list(extras.values())},
        )
    conn.execute(query(_FILE, "apply_overrides"), {"as_of": ctx.as_of})
    with first_load(conn, *_TARGETS, due=before is None) as is_empty:
        moment = {"run_id": ctx.run_id, "as_of": ctx.as_of}
        bring, tell = (
            ("fill_golden", "fill_lineage") if is_empty else ("merge_golden", "merge_lineage")
        )
        conn.execute(
            _in_full(bring),
            {
                **moment,
                "identity_event_id": before["identity_event_id"] if before else 0,
                "expected": list(config.quality.expected),
                "stale_after": timedelta(days=config.quality.stale_after_days),
            },
        )
        if not is_empty:
            conn.execute(query(_FILE, "remove_vanished"), moment)
        conn.execute(query(_FILE, tell), {"rule_set_id": rule_set_id})
    if everyone:
        conn.execute(query(_FILE, "analyze_gold"))
    members.find_conflicts(conn, sources, golden="pg_temp.gold_golden")
    conn.execute(query(_FILE, "drop_golden"))
    conn.execute(query(_MEMBERS, "favour_no_more"))
    counted = conn.execute(query(_FILE, "count_changes"), {"run_id": ctx.run_id})
    return {row.change_type: row.n for row in counted}


@functools.cache
def _in_full(name: str) -> TextClause:
    """The query ``name``, with those that it shares with its like in their places."""
    queries = load(_FILE)
    statement = queries[name]
    for part in ("splits", "scored"):
        statement = statement.replace(f"{{{part}}}", f"\n{queries[part]}\n")
    return text(statement)


def _register(conn: Connection, ctx: RunContext) -> int:
    """The id of the present rule set, on record together with the attributes it knows."""
    attributes = ctx.config.attributes
    known = conn.execute(query(_FILE, "known_extras")).scalars().all()
    if list(known) != list(attributes):
        conn.execute(query(_FILE, "forget_extras"))
        conn.execute(
            query(_FILE, "register_extras"),
            {
                "attributes": list(attributes),
                "kinds": [_KINDS.get(a.type, "text") for a in attributes.values()],
            },
        )
    digest = survivorship.rule_set_digest(ctx.config)
    rules = orjson.dumps(survivorship.rule_set(ctx.config)).decode()
    conn.execute(
        query(_FILE, "register_rule_set"),
        {"digest": digest, "rules": rules, "run_id": ctx.run_id},
    )
    return int(conn.execute(query(_FILE, "rule_set_id"), {"digest": digest}).scalar_one())


if __name__ == "__main__":
    from mdm.standalone import main

    main("gold")
