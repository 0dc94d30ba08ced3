"""Overrides at once: rebuild the customers they touch, with history, events and queue.

There is one code path for golden values: this calls phases 7 to 10, which find the customers whose
overrides came, moved or ran out by themselves and touch no others.
"""

from __future__ import annotations

from sqlalchemy import Connection

from gold import run_golden_cdc, run_golden_customers, run_golden_history, run_quality
from mdm.phases import PhaseReport, RunContext


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """Customers rebuilt, events written, and what phase 7 has to tell."""
    rebuilt = run_golden_customers.run(conn, ctx)
    run_golden_history.run(conn, ctx)
    told = run_golden_cdc.run(conn, ctx)
    run_quality.run(conn, ctx)
    return PhaseReport(rows_in=rebuilt.rows_in, rows_out=told.rows_out, detail=rebuilt.detail)


if __name__ == "__main__":
    from mdm.standalone import main

    main("gold", last="quality")
