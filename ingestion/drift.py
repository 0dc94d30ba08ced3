"""The fields of a source with a contract over time, and how late it is."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from db.queries import query
from mdm.contracts import Contract
from mdm.phases import RunContext

if TYPE_CHECKING:
    from ingestion.fields import Watch

_FILE = "ingestion/drift.sql"


def record_fields(conn: Connection, object_id: int, watch: Watch) -> None:
    """Put the fields of an object on record (raw.object_fields, one row per field)."""
    conn.execute(
        query(_FILE, "record_fields"),
        {
            "object_id": object_id,
            "paths": list(watch.filled),
            "filled": list(watch.filled.values()),
            "records_n": watch.records,
        },
    )


def of_run(conn: Connection, ctx: RunContext, source: str, contract: Contract) -> dict[str, object]:
    """What a run has to say of a source beside its lines; only what there is.

    ``fields``: those its objects brought for the first time (new) and those they no longer have
    (vanished), against the run that delivered last. ``overdue_hours``: since when it delivers
    nothing, where that is longer than its freshness_hours.
    """
    told: dict[str, object] = {}
    fields: dict[str, list[str]] = {}
    for row in conn.execute(query(_FILE, "drift"), {"source": source, "run_id": ctx.run_id}):
        fields.setdefault(row.change, []).append(row.path)
    if fields:
        told["fields"] = fields
    if contract.freshness_hours is not None:
        delivered_at = conn.execute(
            query(_FILE, "newest_delivery"), {"source": source}
        ).scalar_one()
        if delivered_at is not None:
            silent = ctx.as_of - delivered_at
            if silent > timedelta(hours=contract.freshness_hours):
                told["overdue_hours"] = round(silent / timedelta(hours=1))
    return told
