"""Lines in quarantine and refused objects: what waits, and having it judged again.

There is one way into raw. An object whose lines wait is marked, and the next ingestion reads it
anew under the rules of that day: its new version supersedes the old one in one transaction, so that
every line is again either a row or in quarantine, under its own number. Staging follows the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from db.queries import query
from mdm.errors import UsageError

_FILE = "ingestion/rejects.sql"


@dataclass(frozen=True)
class Choice:
    """Which rejects are meant: all, or those of a source, a reason (a part of it) or a run."""

    source: str | None = None
    reason: str | None = None
    run_id: int | None = None

    @property
    def bound(self) -> dict[str, object]:
        """The choice as parameters of a query."""
        return {"source": self.source, "reason": self.reason, "run_id": self.run_id}


def by_reason(conn: Connection, choice: Choice) -> Sequence[Row[Any]]:
    """Lines that wait, counted per source and reason."""
    return conn.execute(query(_FILE, "by_reason"), choice.bound).all()


def lines(conn: Connection, choice: Choice, *, limit: int) -> Sequence[Row[Any]]:
    """Single lines that wait, of the newest objects first."""
    return conn.execute(query(_FILE, "lines"), {**choice.bound, "limit": limit}).all()


def refused_objects(conn: Connection, choice: Choice) -> Sequence[Row[Any]]:
    """Objects that were refused as a whole."""
    return conn.execute(query(_FILE, "refused_objects"), choice.bound).all()


def find(conn: Connection, object_id: int, line_no: int) -> Row[Any]:
    """One rejected line with its bytes. Raises UsageError when it is none."""
    place = {"object_id": object_id, "line_no": line_no}
    row = conn.execute(query(_FILE, "show"), place).one_or_none()
    if row is None:
        raise UsageError(
            f"line {line_no} of object {object_id} is not in quarantine; mdm rejects list --lines"
        )
    return row


def waiting(
    conn: Connection, choice: Choice, *, object_ids: Sequence[int] = ()
) -> Sequence[Row[Any]]:
    """The objects that hold what is chosen, with their counts.

    Raises UsageError when nothing that waits is meant.
    """
    bound = {**choice.bound, "object_ids": list(object_ids) or None}
    found = conn.execute(query(_FILE, "waiting_objects"), bound).all()
    if not found:
        raise UsageError("nothing that is meant waits in quarantine; mdm rejects list shows it")
    return found


def ask_again(conn: Connection, object_ids: Sequence[int]) -> None:
    """Have objects read anew by the next ingestion; safe to repeat."""
    conn.execute(query(_FILE, "ask_again"), {"object_ids": list(object_ids)})


def still_asked(conn: Connection, object_ids: Sequence[int]) -> Sequence[Row[Any]]:
    """Which of the objects were not read anew yet, with their keys."""
    return conn.execute(query(_FILE, "still_asked"), {"object_ids": list(object_ids)}).all()


def stop_asking(conn: Connection, object_ids: Sequence[int]) -> None:
    """Leave objects as they are that the lake has no more."""
    conn.execute(query(_FILE, "stop_asking"), {"object_ids": list(object_ids)})


def present(conn: Connection, keys: Sequence[str]) -> Sequence[Row[Any]]:
    """What keys stand for now: object, state and counts."""
    return conn.execute(query(_FILE, "present"), {"keys": list(keys)}).all()
