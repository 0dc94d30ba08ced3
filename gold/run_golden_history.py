"""Phase 8: SCD2 versions of golden customers.

Reads ``gold.customer_changes`` from its own high-water mark on, and ``gold.dim_customers`` for the
state the last change of a customer led to; writes ``gold.dim_customers_history`` and dates
``gold.customer_lineage_history``. Several changes of one customer that have piled up become several
versions, each valid from its own instant.
"""

from __future__ import annotations

from sqlalchemy import Connection

from db.first_load import first_load
from db.queries import query
from gold import state
from mdm.phases import PhaseReport, RunContext

_FILE, _LINEAGE = "gold/history.sql", "gold/past_lineage.sql"


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """What phase 8 did: changes read, versions opened and closed; nothing when none is pending."""
    # what phase 7 wrote over, also where no golden value changed by it
    conn.execute(query(_LINEAGE, "date"), {"as_of": ctx.as_of, "run_id": ctx.run_id})
    before = state.marks(conn, "history")
    mark = before["change_id"] if before else 0
    newest = int(conn.execute(query(_FILE, "last_change")).scalar_one())
    if newest <= mark:
        return PhaseReport(rows_in=0, rows_out=0)
    if before is None and conn.execute(query(_FILE, "is_first")).scalar_one():
        report = _begin(conn)
    else:
        report = _go_on(conn, change_id=mark, due=before is None)
    if before is None:
        conn.execute(query(_FILE, "analyze_versions"))
    state.write(conn, "history", run_id=ctx.run_id, marks={"change_id": newest})
    return report


def _begin(conn: Connection) -> PhaseReport:
    """What the first versions of all customers came to."""
    with first_load(conn, "gold.dim_customers_history"):
        opened = conn.execute(query(_FILE, "open_first_versions")).rowcount
    return _report(opened, opened=opened)


def _go_on(conn: Connection, *, change_id: int, due: bool) -> PhaseReport:
    """What the changes after ``change_id`` came to, added to the versions there are."""
    conn.execute(query(_FILE, "drop_pending"))
    pending = conn.execute(query(_FILE, "create_pending"), {"change_id": change_id}).rowcount
    conn.execute(query(_FILE, "analyze_pending"))
    ended = conn.execute(query(_FILE, "end_versions")).one()
    with first_load(conn, "gold.dim_customers_history", due=due):
        opened = conn.execute(query(_FILE, "open_versions")).rowcount
    conn.execute(query(_FILE, "drop_pending"))
    return _report(pending, opened=opened, closed=ended.closed, replaced=ended.replaced)


def _report(pending: int, *, opened: int, closed: int = 0, replaced: int = 0) -> PhaseReport:
    detail = {"opened": opened, "closed": closed, "replaced": replaced}
    return PhaseReport(rows_in=pending, rows_out=opened, detail=detail)


if __name__ == "__main__":
    from mdm.standalone import main

    main("history")
