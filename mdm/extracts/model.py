"""What a reader is asked for, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

#: The longest JSON line of a record where nothing else is configured (`ingestion.max_line_bytes`).
LINE_LIMIT: Final = 16 << 20


@dataclass(frozen=True, kw_only=True)
class Options:
    """How an extract is to be read, where its name and content do not say.

    ``format`` overrides the ending, ``encoding`` what a CSV file looks like. ``json_path`` is where
    a JSON document holds its list, ``sheet`` a sheet's name, ``table`` or ``query`` what to read of
    a database file.
    """

    format: str | None = None
    encoding: str | None = None
    json_path: str | None = None
    sheet: str | None = None
    table: str | None = None
    query: str | None = None
    max_line_bytes: int = LINE_LIMIT


@dataclass(frozen=True, kw_only=True)
class Extract:
    """An extract being read: what was found out about it, and its records as they come.

    ``lines`` are JSON objects as bytes without line ends; of JSON lines they are the file's own
    bytes, good or bad (ingestion judges them). ``position`` tells how much of ``total`` is read, in
    ``unit``s; where it is None, every line is one unit. ``notes`` grow while lines are read: what
    had to be changed to fit into JSON.
    """

    description: str
    lines: Iterator[bytes]
    total: int | None = None
    unit: str = "rows"
    position: Callable[[], int] | None = None
    notes: list[str] = field(default_factory=list)
