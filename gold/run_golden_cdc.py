"""Phase 9: change events, each change of meaning once, in the transaction of its change.

Reads ``gold.customer_changes`` from its own high-water mark on; writes
``gold.customer_change_events``. The event's number is the change's: no change can be told twice.

Following the events: keep the last ``event_seq`` you have applied and ask for greater ones in
their order. Numbers have gaps, but none is committed after a greater one, because phase 7 holds a
lock on the table of changes until its transaction ends.
"""

from __future__ import annotations

from sqlalchemy import Connection

from db.first_load import first_load
from db.queries import query
from gold import state
from mdm.phases import PhaseReport, RunContext

_FILE, _CHANGES = "gold/events.sql", "gold/history.sql"


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """What phase 9 did: the events written. Nothing pending, nothing written."""
    before = state.marks(conn, "events")
    mark = before["change_id"] if before else 0
    newest = int(conn.execute(query(_CHANGES, "last_change")).scalar_one())
    if newest <= mark:
        return PhaseReport(rows_in=0, rows_out=0)
    is_first = before is None and conn.execute(query(_CHANGES, "is_first")).scalar_one()
    with first_load(conn, "gold.customer_change_events", due=before is None):
        if is_first:
            written = conn.execute(query(_FILE, "write_first_events")).rowcount
        else:
            written = conn.execute(query(_FILE, "write_events"), {"change_id": mark}).rowcount
    if before is None:
        conn.execute(query(_FILE, "analyze_events"))
    state.write(conn, "events", run_id=ctx.run_id, marks={"change_id": newest})
    return PhaseReport(rows_in=written, rows_out=written)


if __name__ == "__main__":
    from mdm.standalone import main

    main("events")
