"""Phase 4: records into identity inputs: one row per touchpoint, equal ones share a profile.

Matching works on profiles, so its cost follows distinct people and not events. A profile keeps its
id as long as any record has its content.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, CursorResult

from db.queries import query
from mdm.phases import PhaseReport, RunContext

_FILE = "staging/identity_inputs.sql"


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """What changed; reads staging.records, writes staging.identity_inputs and staging.profiles.

    Only records that changed since the last time are looked at; with `--full`, or when a crash has
    emptied the layer, all of them, and the outcome is the same. Safe to repeat.
    """
    consumed = _do(conn, "consumed").scalar()
    present = _do(conn, "present").scalar_one()
    if consumed == present and not ctx.full:
        return PhaseReport(rows_in=0, rows_out=0)
    is_first = consumed is None
    with ctx.progress("making profiles", 5, "steps") as bar:
        since = -1 if is_first or ctx.full else consumed
        changed = _do(conn, "find_changed_records", consumed=since).scalar_one()
        bar.update()
        number = _do(conn, "take_change_number").scalar_one()
        _do(conn, "find_left_profiles")
        added = _do(conn, "add_profiles", change_seq=number).rowcount
        bar.update()
        _do(conn, "add_inputs" if is_first else "merge_inputs")
        bar.update()
        if ctx.full:
            _do(conn, "drop_inputs_of_nobody")
        if not is_first:
            _do(conn, "touch_all_profiles" if ctx.full else "touch_present_profiles")
            _do(conn, "recount_profiles")
        bar.update()
        retired = 0 if is_first else _do(conn, "retire_profiles", change_seq=number).rowcount
        bar.update()
    _do(conn, "mark_consumed", consumed=present, run_id=ctx.run_id)
    if is_first:
        _do(conn, "analyze")
    detail = {"profiles_added": added, "profiles_retired": retired}
    return PhaseReport(rows_in=changed, rows_out=changed, detail=detail)


def _do(conn: Connection, name: str, **values: object) -> CursorResult[Any]:
    return conn.execute(query(_FILE, name), values)


if __name__ == "__main__":
    from mdm.standalone import main

    main("identity_inputs")
