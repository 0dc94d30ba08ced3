"""Phase 10: conflicts, the review queue, figures and guesses: what people look at beside gold."""

from __future__ import annotations

from sqlalchemy import Connection

from gold import review, run_conflict_detection, run_enrichment, run_quality_metrics
from mdm.phases import PhaseReport, RunContext


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """What the four parts of phase 10 did, in one report."""
    parts = [
        part.run(conn, ctx)
        for part in (run_conflict_detection, review, run_quality_metrics, run_enrichment)
    ]
    detail: dict[str, object] = {}
    for part in parts:
        detail |= part.detail
    return PhaseReport(
        rows_in=sum(part.rows_in for part in parts),
        rows_out=sum(part.rows_out for part in parts),
        detail=detail,
    )


if __name__ == "__main__":
    from mdm.standalone import main

    main("quality")
