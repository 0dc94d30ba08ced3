"""Conflicts: attributes on which the records of a customer disagree, kept over time (phase 10).

Reads ``gold.survivorship_values`` of the customers phase 7 rebuilt since the last look; writes
``gold.customer_attribute_conflicts``. A conflict opens when it is first found and closes, with the
instant, when the records agree or the customer is gone; rows are never removed.
"""

from __future__ import annotations

from sqlalchemy import Connection

from db import bulk
from db.first_load import first_load
from db.queries import query
from gold import members, state
from mdm.phases import PhaseReport, RunContext

_FILE = "gold/conflicts.sql"


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """What was found: customers looked at, open conflicts among them, conflicts closed."""
    before = state.marks(conn, "conflicts")
    mark = before["touched_id"] if before else 0
    newest = int(conn.execute(query("gold/golden.sql", "newest_touch")).scalar_one())
    if newest <= mark:
        return PhaseReport(rows_in=0, rows_out=0)
    if not members.are_read(conn, since=mark):
        members.drop(conn, "gold_touched")
        conn.execute(query(_FILE, "create_looked"), {"touched_id": mark})
        bulk.execute(conn, "ANALYZE pg_temp.gold_touched")
        members.read(conn, ctx.config)
    members.drop(conn, "gold_found")
    sources = members.sources_in_order(conn, ctx.config)
    found = conn.execute(query(_FILE, "create_found"), {"sources": sources}).rowcount
    bulk.execute(conn, "ANALYZE pg_temp.gold_found (global_customer_id, position)")
    moment = {"as_of": ctx.as_of, "run_id": ctx.run_id}
    closed = conn.execute(query(_FILE, "close_conflicts"), moment).rowcount
    with first_load(conn, "gold.customer_attribute_conflicts", due=before is None):
        conn.execute(query(_FILE, "merge_conflicts"), moment)
    state.write(conn, "conflicts", run_id=ctx.run_id, marks={"touched_id": newest})
    looked = int(conn.execute(query(_FILE, "count_looked")).scalar_one())
    members.drop(conn, "gold_touched", "gold_member", "gold_winner", "gold_found")
    return PhaseReport(
        rows_in=looked, rows_out=found, detail={"conflicts": found, "conflicts_closed": closed}
    )


if __name__ == "__main__":
    from mdm.standalone import main

    main("quality")
