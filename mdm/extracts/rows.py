"""Typed rows of any reader as JSON lines, without loss.

Dates and times become ISO 8601, decimals and integers beyond 64 bits text, bytes base64, nested
values stay nested. JSON has no NaN: such a number is null.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import orjson

_OPTIONS = orjson.OPT_NON_STR_KEYS
_BINARY = "binary values are kept as base64 text"
_MAX_JSON_INT = 2**64
_MIN_JSON_INT = -(2**63)


class LineWriter:
    """Rows with the same column names as JSON lines; ``notes`` says what had to be changed."""

    def __init__(self, names: Sequence[str], notes: list[str]) -> None:
        self._names = tuple(names)
        self._notes = notes

    def lines(self, batches: Iterable[Sequence[Sequence[Any]]]) -> Iterator[bytes]:
        """One line per row."""
        for rows in batches:
            for row in rows:
                yield self.line(row)

    def line(self, row: Sequence[Any]) -> bytes:
        """One row as a JSON object."""
        record = dict(zip(self._names, row, strict=True))
        try:
            return orjson.dumps(record, default=self._plain, option=_OPTIONS)
        except TypeError:  # an integer beyond 64 bits does not reach `default`
            return orjson.dumps(self._spelled(record), default=self._plain, option=_OPTIONS)

    def _plain(self, value: Any) -> Any:
        if isinstance(value, Decimal):
            return format(value, "f")
        if isinstance(value, (bytes, bytearray, memoryview)):
            if _BINARY not in self._notes:
                self._notes.append(_BINARY)
            return base64.b64encode(bytes(value)).decode()
        if isinstance(value, timedelta):
            return str(value)
        if isinstance(value, (set, frozenset)):
            return sorted(value, key=str)
        return str(value)

    def _spelled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {str(key): self._spelled(entry) for key, entry in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._spelled(entry) for entry in value]
        if isinstance(value, str):
            return value.encode("utf-8", errors="replace").decode()  # half a surrogate pair
        if type(value) is int and not _MIN_JSON_INT <= value < _MAX_JSON_INT:
            return str(value)
        return value
