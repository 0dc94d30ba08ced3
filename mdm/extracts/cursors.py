"""Incremental extracts: only what lies behind the highest cursor value that is in the lake.

The query is asked for rows at or behind that value, not only behind it: rows with the very same
value may have come later. Those that were loaded before are told by a digest of their content and
left out, so that a night without news puts nothing into the lake. The cursor moves after the
objects are there; what dies between is read once more, which is harmless to what comes after.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Self

import sqlalchemy
from sqlalchemy import (
    Connection,
    Select,
    bindparam,
    literal_column,
    make_url,
    or_,
    select,
    text,
)

from db.queries import query as named_query
from mdm.errors import BadInput
from mdm.extracts.databases import address, batches, connected, named_once
from mdm.extracts.model import Extract
from mdm.extracts.rows import LineWriter

_FILE = "mdm/extracts/cursors.sql"
#: Above this many records of one value their digests are not kept; they are loaded again instead.
_MAX_BOUNDARY = 10_000

_KINDS: Final[dict[str, tuple[type, Callable[[str], Any]]]] = {
    "instant": (datetime, datetime.fromisoformat),  # before date: a datetime is one, too
    "date": (date, date.fromisoformat),
    "integer": (int, int),
    "decimal": (Decimal, Decimal),
    "float": (float, float),
    "text": (str, str),
}


@dataclass(frozen=True)
class Cursor:
    """How far an extract has come: a value, and digests of the records that stand at it."""

    value: Any
    boundary: frozenset[str]


@dataclass
class IncrementalExtract:
    """One reading of a query behind its cursor. ``save`` is called when its objects are put."""

    source: str
    database: str
    query: str
    column: str
    since: Cursor | None
    extract: Extract | None = None
    _highest: Any = None
    _boundary: set[str] = field(default_factory=set)
    _without: set[str] = field(default_factory=set)

    @property
    def extract_id(self) -> str:
        """The fingerprint of database, query and cursor column."""
        words = (self.database, " ".join(self.query.split()), self.column)
        return hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]

    @classmethod
    def begin(
        cls, conn: Connection, *, source: str, url: str, query: str, column: str, anew: bool
    ) -> Self:
        """The extract with the cursor that the ledger holds of it; ``anew`` passes that over."""
        database = address(make_url(url))
        found = cls(source, database, query.strip().rstrip(";"), column, since=None)
        row = None
        if not anew:
            row = conn.execute(
                named_query(_FILE, "cursor"), {"source": source, "extract_id": found.extract_id}
            ).one_or_none()
        if row is not None:
            parse = _KINDS[row.value_type][1]
            found.since = Cursor(parse(row.value), frozenset(row.boundary))
        return found

    @contextlib.contextmanager
    def opened(self, url: str) -> Iterator[Extract]:
        """The rows at and behind the cursor, without those at it that the lake has already."""
        with connected(url) as (conn, shown):
            names, parts = self._rows(conn)
            if self.column not in names:
                raise BadInput(
                    shown,
                    problem=f"the query gives no column {self.column!r}",
                    hint=f"Columns: {', '.join(names)}.",
                )
            notes: list[str] = []
            writer = LineWriter(named_once(shown, names), notes)
            behind = "from the beginning" if self.since is None else "behind the last extract"
            self.extract = Extract(
                description=f"{shown}, {len(names)} columns, {behind} by {self.column}",
                lines=self._new_lines(parts, writer, names.index(self.column)),
                notes=notes,
            )
            yield self.extract

    def _rows(self, conn: Connection) -> tuple[list[str], Iterator[Sequence[Sequence[Any]]]]:
        if self.since is None:
            return batches(conn, text(self.query.replace(":", r"\:")))
        inner = text(self.query.replace(":", r"\:")).columns(sqlalchemy.column(self.column))
        rows = inner.subquery("extract_rows")
        wanted = rows.c[self.column]
        statement: Select[Any] = (
            select(literal_column("*"))
            .select_from(rows)
            # a record without a value would otherwise never be seen again
            .where(or_(wanted >= bindparam("since"), wanted.is_(None)))
        )
        return batches(conn, statement, {"since": self.since.value})

    def _new_lines(
        self, parts: Iterator[Sequence[Sequence[Any]]], writer: LineWriter, place: int
    ) -> Iterator[bytes]:
        known = self.since.boundary if self.since else frozenset()
        self._highest = self.since.value if self.since else None
        for rows in parts:
            for row in rows:
                line, value = writer.line(row), row[place]
                digest = None
                if value is None:
                    digest = _remember(self._without, line)
                elif self._highest is None or self._is_behind(value):
                    self._highest, self._boundary = value, set()
                    digest = _remember(self._boundary, line)
                elif value == self._highest:
                    digest = _remember(self._boundary, line)
                if digest not in known:
                    yield line

    def _is_behind(self, value: Any) -> bool:
        try:
            return bool(value > self._highest)
        except TypeError as error:
            raise BadInput(
                self.database,
                problem=f"values of {self.column} cannot be put in order: "
                f"{type(value).__name__} and {type(self._highest).__name__}",
                hint="CAST the column to one type in the query.",
            ) from error

    def save(self, conn: Connection, *, records: int) -> None:
        """Write the cursor to the ledger and commit; nothing where no record has a value."""
        if self._highest is None:
            return
        kind = next((kind for kind, (of, _) in _KINDS.items() if isinstance(self._highest, of)), "")
        if not kind:
            raise BadInput(
                self.database,
                problem=f"{self.column} is a {type(self._highest).__name__}, which has no order",
                hint="Use a time, a date, a number or a text.",
            )
        boundary = self._boundary | self._without
        conn.execute(
            named_query(_FILE, "move"),
            {
                "source": self.source,
                "extract_id": self.extract_id,
                "database": self.database,
                "query": self.query,
                "cursor_column": self.column,
                "value_type": kind,
                "value": _written(self._highest),
                "boundary": sorted(boundary) if len(boundary) <= _MAX_BOUNDARY else [],
                "records_n": records,
            },
        )
        conn.commit()


def _remember(digests: set[str], line: bytes) -> str:
    """The digest of ``line``, put to those of its value."""
    digest = hashlib.blake2b(line, digest_size=12).hexdigest()
    if len(digests) <= _MAX_BOUNDARY:
        digests.add(digest)
    return digest


def _written(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
