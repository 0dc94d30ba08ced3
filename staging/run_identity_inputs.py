"""Phase 4: records into identity inputs: one row per touchpoint, equal ones share a profile.

Matching works on profiles, so its cost follows distinct people and not events. A profile keeps its
id as long as any record has its content.
"""

from __future__ import annotations

from typing import Any

from psycopg2 import sql
from sqlalchemy import Connection, CursorResult

from db import binary_copy, bulk
from db.beside import line_beside
from db.queries import load, query
from mdm.phases import Bar, PhaseReport, RunContext
from staging import first_inputs, shared_values, value_keys
from staging.first_inputs import SQL
from staging.shared_values import Suspects

_EVIDENCE = bulk.identifier("staging", "evidence_records")


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """What changed; reads staging.records, writes staging.identity_inputs and staging.profiles.

    The shared-value register (``identity.shared_values``) is brought up to date before. Only
    records that changed since the last time are looked at; with `--full`, or when a crash has
    emptied the layer, all of them, and the outcome is the same. Safe to repeat.
    """
    rules = f"shared by {ctx.config.matching.shared_by_names} names"
    marker = _do(conn, "consumed").one_or_none()
    consumed = None
    if marker is not None and marker.config_hash == rules and not ctx.full:
        consumed = int(marker.change_seq)
        if consumed == _present(conn) and not shared_values.words_are_waiting(conn):
            return PhaseReport(rows_in=0, rows_out=0)
    with ctx.progress("making profiles", 4, "steps") as bar:
        if marker is None:
            changed, detail = first_inputs.make(conn, ctx, bar=bar)
            present = _present(conn)
        else:
            changed, present, detail = _follow(conn, ctx, consumed, bar=bar)
    _do(conn, "mark_consumed", consumed=present, run_id=ctx.run_id, config_hash=rules)
    return PhaseReport(rows_in=changed, rows_out=changed, detail=detail)


def _present(conn: Connection) -> int:
    return int(_do(conn, "present").scalar_one())


def _follow(
    conn: Connection, ctx: RunContext, consumed: int | None, *, bar: Bar
) -> tuple[int, int, dict[str, int]]:
    """Brings the layer up to date for what changed after ``consumed``, or for all there is.

    Gives back how many records changed, the number up to which, and what that did.
    """
    since = -1 if consumed is None else consumed
    # Two looks at the same records: nothing is written before both are done.
    with line_beside(conn) as other:
        looking = other.begin(_suspects, ctx, consumed)
        changed = _find(conn, "find_changed_records", since)
        suspects = looking.result()
    bar.update()
    number = _do(conn, "take_change_number").scalar_one()
    detail = shared_values.update(conn, ctx, suspects, change_seq=number, has_feed=True)
    if detail["records_moved_by_shared_values"]:
        changed -= _do(conn, "forget_moved_records", change_seq=number - 1).rowcount
        changed += _find(conn, "find_moved_records", number - 1)
    present = _present(conn)
    _do(conn, "find_made_profiles", change_seq=number)
    added = bulk.execute(conn, load(SQL)["add_profiles"], (True,), records=_EVIDENCE)
    bar.update()
    _do(conn, "merge_inputs", last=_do(conn, "last_input").scalar_one())
    bar.update()
    if consumed is None:
        _do(conn, "drop_inputs_of_nobody")
        _do(conn, "count_all_profiles")
    retired = _do(conn, "recount_profiles", change_seq=number).rowcount
    bar.update()
    return changed, present, detail | {"profiles_added": added, "profiles_retired": retired}


def _suspects(conn: Connection, ctx: RunContext, consumed: int | None) -> Suspects:
    """What the register is to judge anew of what changed after ``consumed``."""
    _do(conn, "let_workers_help")
    since = -1 if consumed is None else consumed
    select = load("staging/value_keys.sql")["select_keys"].format(consumed=since, more="")
    changed = binary_copy.read_rows(conn, select, value_keys.KINDS)
    return shared_values.suspects(conn, ctx, changed, is_whole=consumed is None)


def _find(conn: Connection, name: str, since: int) -> int:
    """How many records changed after ``since``: rows for ``pg_temp.changed_records``."""
    _do(conn, "let_workers_help")
    found = load(SQL)["changed_records"].format(fingerprint=load(SQL)["fingerprint"])
    return bulk.execute(conn, load(SQL)[name], (since,), changed_records=sql.SQL(found))


def _do(conn: Connection, name: str, **values: object) -> CursorResult[Any]:
    return conn.execute(query(SQL, name), values)


if __name__ == "__main__":
    from mdm.standalone import main

    main("identity_inputs")
