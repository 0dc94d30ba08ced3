"""What a golden value was at an earlier instant, and who won it then.

The value comes from history, the winner from ``gold.customer_lineage_history`` (or the lineage that
still holds), and where the winner stood in the lake from raw: staging keeps the present line only.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg2 import sql
from sqlalchemy import Connection, Row

from db import bulk
from db.queries import load, query
from gold.reasons import Change, Override, Past, Sighting, override_of

_FILE, _LINEAGE = "gold/why.sql", "gold/past_lineage.sql"


class _Line(NamedTuple):
    """Where a record stood in the lake."""

    object_key: str | None
    line_no: int
    event_at: datetime
    run_id: int


def changes(conn: Connection, parameters: Mapping[str, Any]) -> list[Change]:
    """The events that set, changed or ended an attribute of a customer, in order."""
    return [Change(**row._asdict()) for row in conn.execute(query(_FILE, "changes"), parameters)]


def past(conn: Connection, asked_for: UUID, living: Mapping[str, Any], *, at: datetime) -> Past:
    """The value at ``at``: of the id that was asked for if it lived then, else of its survivor.

    ``living`` are the parameters of the attribute with the ``customer_id`` of today.
    """
    for customer_id in dict.fromkeys((asked_for, living["customer_id"] or asked_for)):
        own = {**living, "customer_id": customer_id, "at": at}
        version = conn.execute(query(_FILE, "version_at"), own).one_or_none()
        changed = changes(conn, own)
        if version is not None:
            break
    before = [change for change in changed if change.occurred_at <= at]
    after = [change for change in changed if change.occurred_at > at]
    lineage = None
    if version is not None:
        own["version_run_id"] = version.run_id
        lineage = conn.execute(query(_LINEAGE, "lineage_at"), own).one_or_none()
    return Past(
        at=at,
        customer_id=customer_id,
        version=version.version if version is not None else None,
        value=version.value if version is not None else None,
        valid_from=version.valid_from if version is not None else None,
        valid_to=version.valid_to if version is not None else None,
        rule=lineage.rule if lineage is not None and lineage.record_id is not None else None,
        winner=_winner(conn, lineage, version),
        override=_override(conn, own, version, lineage),
        set_by=before[-1] if before else None,
        ended_by=after[0] if after else None,
    )


def _override(
    conn: Connection, own: dict[str, Any], version: Row[Any] | None, lineage: Row[Any] | None
) -> Override | None:
    if version is None or lineage is not None:
        return override_of(lineage)
    # Of a time whose lineage was not kept: the word that was in force and says this very value.
    found = conn.execute(
        query(_FILE, "override_at"), {**own, "moment": version.valid_from, "run_id": version.run_id}
    ).one_or_none()
    if found is not None and (found.action == "REVOKE" or found.value != version.value):
        return None
    return override_of(found)


def _winner(
    conn: Connection, lineage: Row[Any] | None, version: Row[Any] | None
) -> Sighting | None:
    """The record whose value the rules chose then, on the line that it was read from then."""
    if lineage is None or lineage.record_id is None or version is None:
        return None
    line = _line(conn, lineage)
    outranked = lineage.override_id is not None
    return Sighting(
        value=None if outranked else version.value,
        record=f"{lineage.source}:{lineage.source_record_id}",
        event_at=line.event_at if line is not None else None,
        object_key=line.object_key if line is not None else None,
        line_no=line.line_no if line is not None else None,
        run_id=line.run_id if line is not None else None,
        verdict="outranked by the steward" if outranked else f"won by {lineage.rule}",
    )


def _line(conn: Connection, lineage: Row[Any]) -> _Line | None:
    """Object, line, time and run of the record's state then; None when raw no longer has it."""
    asked = {name: lineage._mapping[name] for name in ("record_id", "run_id")}
    current = conn.execute(query(_LINEAGE, "current_line"), asked).one_or_none()
    if current is not None:
        return _Line(*current)
    asked = {name: lineage._mapping[name] for name in ("source", "source_record_id", "run_id")}
    for table in conn.execute(query(_LINEAGE, "raw_tables")).scalars().all():
        with bulk.cursor(conn) as cur:
            statement = sql.SQL(load(_LINEAGE)["line_at"])
            cur.execute(statement.format(table=bulk.identifier("raw", table)), asked)
            found = cur.fetchone()
            if found is not None:
                return _Line(*found)
    return None
