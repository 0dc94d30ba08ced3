"""How far each phase of gold has come in its inputs (``gold.layer_state``)."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import Connection

from db.queries import query

_FILE = "gold/golden.sql"


def marks(conn: Connection, layer: str) -> dict[str, Any] | None:
    """The marks ``layer`` left behind; None before its first run."""
    found: dict[str, Any] | None = conn.execute(
        query(_FILE, "read_marks"), {"layer": layer}
    ).scalar_one_or_none()
    return found


def write(conn: Connection, layer: str, *, run_id: int, marks: dict[str, Any]) -> None:
    """Record how far ``layer`` has come; writes nothing when that has not changed."""
    conn.execute(
        query(_FILE, "write_marks"),
        {"layer": layer, "run_id": run_id, "marks": orjson.dumps(marks).decode()},
    )
