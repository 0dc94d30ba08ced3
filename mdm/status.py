"""How the warehouse stands: last run, rows per layer, what waits, and where the bytes are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection

from db.queries import query

_FILE = "mdm/status.sql"
_TABLES_N: Final = 8


@dataclass(frozen=True)
class Status:
    """One look at the warehouse; counts are exact, sizes in bytes with indexes."""

    last_run: dict[str, Any] | None
    counts: dict[str, int]
    waiting_plan: int | None
    schema_bytes: dict[str, int]
    table_bytes: dict[str, int]


def look(conn: Connection) -> Status:
    """The status as this transaction sees it. Reads all layers, writes nothing."""
    last_run = conn.execute(query(_FILE, "last_run")).mappings().one_or_none()
    counts = dict(conn.execute(query(_FILE, "counts")).mappings().one())
    waiting_plan = counts.pop("waiting_plan")
    tables = conn.execute(query(_FILE, "largest_tables"), {"tables_n": _TABLES_N})
    return Status(
        last_run=None if last_run is None else dict(last_run),
        counts={name: int(n) for name, n in counts.items()},
        waiting_plan=waiting_plan,
        schema_bytes={row.name: row.size_bytes for row in conn.execute(query(_FILE, "sizes"))},
        table_bytes={row.name: row.size_bytes for row in tables},
    )
