"""Phase 8: SCD2 versions of golden customers.

Reads ``gold.customer_changes`` from its own high-water mark on, and ``gold.dim_customers`` for the
state the last change of a customer led to; writes ``gold.dim_customers_history`` and dates
``gold.customer_lineage_history``. Several changes of one customer that have piled up become several
versions, each valid from its own instant.
"""

from __future__ import annotations

from sqlalchemy import Connection

from db import bulk
from db.first_load import first_load
from db.queries import query
from gold import state
from mdm.phases import PhaseReport, RunContext

_FILE, _LINEAGE = "gold/history.sql", "gold/past_lineage.sql"
_DROP_PENDING = "DROP TABLE IF EXISTS pg_temp.gold_pending"


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """What phase 8 did: changes read, versions opened and closed; nothing when none is pending."""
    # what phase 7 wrote over, also where no golden value changed by it
    conn.execute(query(_LINEAGE, "date"), {"as_of": ctx.as_of, "run_id": ctx.run_id})
    before = state.marks(conn, "history")
    mark = before["change_id"] if before else 0
    newest = int(conn.execute(query(_FILE, "last_change")).scalar_one())
    if newest <= mark:
        return PhaseReport(rows_in=0, rows_out=0)
    bulk.execute(conn, _DROP_PENDING)
    pending = conn.execute(query(_FILE, "create_pending"), {"change_id": mark}).rowcount
    bulk.execute(conn, "ANALYZE pg_temp.gold_pending (global_customer_id, is_alive)")
    unlived = conn.execute(query(_FILE, "drop_unlived")).rowcount
    closed = conn.execute(query(_FILE, "close_versions")).rowcount
    with first_load(conn, "gold.dim_customers_history", due=before is None):
        opened = conn.execute(query(_FILE, "open_versions")).rowcount
    if before is None:
        bulk.execute(conn, "ANALYZE gold.dim_customers_history (global_customer_id, valid_to)")
    state.write(conn, "history", run_id=ctx.run_id, marks={"change_id": newest})
    bulk.execute(conn, _DROP_PENDING)
    return PhaseReport(
        rows_in=pending,
        rows_out=opened,
        detail={"opened": opened, "closed": closed, "replaced": unlived},
    )


if __name__ == "__main__":
    from mdm.standalone import main

    main("history")
