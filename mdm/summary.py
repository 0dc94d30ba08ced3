"""The end of a run, as a person likes to read it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from db.queries import query
from mdm.config import Config
from mdm.pipeline import RunReport
from mdm.warehouse import Warehouse

_FILE = "mdm/summary.sql"
_REASONS = 5  # of a source, before the rest is added up
_TELLING = 20  # records of a source that do not fill an attribute by chance


def summary(warehouse: Warehouse, config: Config, report: RunReport) -> str:
    """What came in, what was refused, what became of the customers, and where to look next."""
    with warehouse.engine.connect() as conn:
        totals = conn.execute(query(_FILE, "totals")).one()
        largest = conn.execute(query(_FILE, "largest_customers")).all()
        live_n = {row.source: row.live_n for row in conn.execute(query(_FILE, "live_records"))}
        refused = conn.execute(query(_FILE, "refused_objects"), {"run_id": report.run_id}).all()
    by_name = {result.phase.name: result.report for result in report.phases}
    lines = [f"\nRun {report.run_id} done in {report.seconds:.1f} s"]
    if (ingestion := by_name.get("ingestion")) is not None:
        lines.append(
            f"  came in     {ingestion.rows_out:,} lines, {ingestion.rows_rejected:,} rejected"
        )
        lines += _arrivals(config, ingestion.detail)
        for row in refused:
            lines.append(f"              refused {row.object_key}: {row.reason}")
    if (staging := by_name.get("staging")) is not None:
        lines += _never_filled(config, staging.detail)
    if (identity := by_name.get("identity")) is not None:
        updated = by_name["gold"].detail.get("UPDATE", 0) if "gold" in by_name else 0
        told = _identity_line({**identity.detail, "updated": updated}, totals)
        lines.append(f"  customers   {told}")
    if "gold" in by_name:
        lines += _strange_sources(config, live_n)
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


def _arrivals(config: Config, detail: dict[str, Any]) -> list[str]:
    """Per source why lines were rejected, whose time counts, and what its contract has to say."""
    lines = []
    for source, counts in detail.items():
        reasons = sorted(counts["rejected"].items(), key=lambda item: (-item[1], item[0]))
        lines += [f"              {n:,} of {source}: {reason}" for reason, n in reasons[:_REASONS]]
        if rest := sum(n for _, n in reasons[_REASONS:]):
            lines.append(f"              {rest:,} of {source} for other reasons: mdm rejects list")
        if source in config.sources and (n := counts.get("event_time_unreadable")):
            field = config.sources[source].event_time
            lines.append(f"              {n:,} of {source}: no time in {field}; the lake's counts")
        told = counts.get("contract", {})
        if "stopped" in told:
            behind = f"{told['waiting_objects']:,} object(s) wait behind it"
            lines.append(f"  stopped     {source}, at the object refused below; {behind}")
        for change, paths in told.get("fields", {}).items():
            lines.append(f"  drift       {source}: {change} {', '.join(paths[:_REASONS])}")
        if "overdue_hours" in told:
            lines.append(f"  overdue     {source}: nothing for {told['overdue_hours']:,} hours")
    return lines


def _never_filled(config: Config, detail: dict[str, Any]) -> list[str]:
    """Attributes that none of a source's records fills: is the field spelt so in the source?"""
    return [
        f"  empty       {source}.{attribute}: none of {counts['read']:,} records fills {field!r}"
        for source, counts in detail.items()
        if counts["read"] >= _TELLING and source in config.sources
        for attribute, field in config.sources[source].fields.items()
        if not counts["values"].get(attribute, {}).get("filled")
    ]


def _strange_sources(config: Config, live_n: dict[str, int]) -> list[str]:
    """Sources that have no records, and records that have no source any more."""
    told = []
    if silent := [source for source in config.sources if source not in live_n]:
        told.append(
            f"  The lake holds no records of {', '.join(silent)} yet: mdm load FILE --source NAME"
        )
    told += [
        f"  kept        {n:,} records of {source}, which the configuration no longer names"
        for source, n in live_n.items()
        if source not in config.sources
    ]
    return told


def _identity_line(detail: dict[str, object], totals: Row[tuple[object, ...]]) -> str:
    told = f"{totals.customers_n:,} for {totals.records_n:,} records"
    words = ("new", "merged", "split", "deleted", "updated")
    changes = [f"{detail[word]:,} {word}" for word in words if detail.get(word)]
    return f"{told} ({', '.join(changes)})" if changes else f"{told} (no change)"


def _retries_line(report: RunReport) -> str:
    """What had to be done again, by phase; empty when nothing had to."""
    told = [f"{r.phase.name} {r.retries}" for r in report.phases if r.retries]
    told += [
        f"the lake in {r.phase.name} {r.lake_retries}" for r in report.phases if r.lake_retries
    ]
    return ", ".join(told)
