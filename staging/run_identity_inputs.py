"""Phase 4: records into identity inputs: one row per touchpoint, equal ones share a profile.

Matching works on profiles, so its cost follows distinct people and not events. A profile keeps its
id as long as any record has its content.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, CursorResult

from db.queries import query
from mdm.phases import Bar, PhaseReport, RunContext
from staging import shared_values
from staging.bulk_load import without_indexes

_FILE = "staging/identity_inputs.sql"


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
    is_whole, since = consumed is None, -1 if consumed is None else consumed
    with ctx.progress("making profiles", 5, "steps") as bar:
        number = _do(conn, "take_change_number").scalar_one()
        _do(conn, "let_workers_help")
        # Without a marker every record is looked at anyway.
        detail = shared_values.update(
            conn, ctx, consumed=consumed, change_seq=None if marker is None else number
        )
        bar.update()
        present = _present(conn)
        changed = _do(conn, "find_changed_records", consumed=since).scalar_one()
        bar.update()
        made = _make_first if marker is None else _make_changed
        detail |= made(conn, number, full=is_whole, bar=bar)
    _do(conn, "mark_consumed", consumed=present, run_id=ctx.run_id, config_hash=rules)
    if marker is None:
        _do(conn, "analyze")
    return PhaseReport(rows_in=changed, rows_out=changed, detail=detail)


def _present(conn: Connection) -> int:
    return int(_do(conn, "present").scalar_one())


def _make_first(conn: Connection, number: int, *, full: bool, bar: Bar) -> dict[str, int]:
    """Fills the empty layer: there is nothing to compare with, and `full` changes nothing."""
    with without_indexes(conn, "staging.profiles", "staging.identity_inputs"):
        _do(conn, "find_first_records")
        added = _do(conn, "add_first_profiles", change_seq=number).rowcount
        added += _do(conn, "add_first_curtailed_profiles", change_seq=number).rowcount
        bar.update()
        _do(conn, "add_first_inputs")
        bar.update()
    bar.update()
    return {"profiles_added": added, "profiles_retired": 0}


def _make_changed(conn: Connection, number: int, *, full: bool, bar: Bar) -> dict[str, int]:
    """Brings the layer up to date for the changed records, with `full` for all there is."""
    _do(conn, "find_left_profiles")
    added = _do(conn, "add_profiles", change_seq=number).rowcount
    _do(conn, "merge_inputs")
    bar.update()
    if full:
        _do(conn, "drop_inputs_of_nobody")
    _do(conn, "touch_all_profiles" if full else "touch_present_profiles")
    _do(conn, "recount_profiles")
    bar.update()
    retired = _do(conn, "retire_profiles", change_seq=number).rowcount
    bar.update()
    return {"profiles_added": added, "profiles_retired": retired}


def _do(conn: Connection, name: str, **values: object) -> CursorResult[Any]:
    return conn.execute(query(_FILE, name), values)


if __name__ == "__main__":
    from mdm.standalone import main

    main("identity_inputs")
