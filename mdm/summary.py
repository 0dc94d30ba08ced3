"""The end of a run, as a person likes to read it."""

from __future__ import annotations

from sqlalchemy import Row

from db.queries import query
from mdm.config import Config
from mdm.pipeline import RunReport
from mdm.warehouse import Warehouse

_FILE = "mdm/summary.sql"


def summary(warehouse: Warehouse, config: Config, report: RunReport) -> str:
    """What came in, what was refused, what became of the customers, and where to look next."""
    with warehouse.engine.connect() as conn:
        totals = conn.execute(query(_FILE, "totals")).one()
        largest = conn.execute(query(_FILE, "largest_customers")).all()
        refused = conn.execute(query(_FILE, "refused_objects"), {"run_id": report.run_id}).all()
    by_name = {result.phase.name: result.report for result in report.phases}
    lines = [f"\nRun {report.run_id} done in {report.seconds:.1f} s"]
    if (ingestion := by_name.get("ingestion")) is not None:
        lines.append(
            f"  came in     {ingestion.rows_out:,} lines, {ingestion.rows_rejected:,} rejected"
        )
        for row in refused:
            lines.append(f"              refused {row.object_key}: {row.reason}")
    if (identity := by_name.get("identity")) is not None:
        lines.append(f"  customers   {_identity_line(identity.detail, totals)}")
    if not totals.records_n and "identity" in by_name:
        sources = ", ".join(config.sources)
        lines.append(f"  The lake holds no records of {sources} yet: mdm load FILE --source NAME")
    if len(largest) and largest[0].record_count > 1:
        sizes = ", ".join(f"{row.record_count}" for row in largest)
        lines.append(f"  largest     {sizes} records (gold.dim_customers by record_count)")
    lines.append(f"  to decide   {totals.review_n:,} rows in gold.steward_review_queue")
    if repeated := _retries_line(report):
        lines.append(f"  retried     {repeated}")
    if report.invariants:
        broken = sum(not finding.holds for finding in report.invariants)
        state = "every one kept" if not broken else f"{broken} BROKEN"
        lines.append(f"  invariants  {len(report.invariants)}, {state}")
    lines.append("  look        mdm psql   (gold.dim_customers, gold.customer_change_events)")
    scheme = "https" if warehouse.endpoints.s3_secure else "http"
    lines.append(
        f"  lake        {scheme}://{warehouse.endpoints.s3_endpoint}/{warehouse.lake.bucket}"
    )
    return "\n".join(lines)


def _identity_line(detail: dict[str, object], totals: Row[tuple[object, ...]]) -> str:
    told = f"{totals.customers_n:,} for {totals.records_n:,} records"
    words = {"new": "new", "merged": "merged", "split": "split", "deleted": "deleted"}
    changes = [f"{detail[key]:,} {word}" for key, word in words.items() if detail.get(key)]
    return f"{told} ({', '.join(changes)})" if changes else f"{told} (no change)"


def _retries_line(report: RunReport) -> str:
    """What had to be done again, by phase; empty when nothing had to."""
    told = [f"{r.phase.name} {r.retries}" for r in report.phases if r.retries]
    told += [
        f"the lake in {r.phase.name} {r.lake_retries}" for r in report.phases if r.lake_retries
    ]
    return ", ".join(told)
