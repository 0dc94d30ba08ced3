"""Records as columns: every dotted path of the sampled JSON lines with its values as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson
import polars as pl

#: Nested deeper, or more different paths than this, is data used as keys; it is not looked into.
_MAX_DEPTH = 6
_MAX_PATHS = 500


@dataclass
class Sample:
    """Some records of a source: how many, their fields as columns, and lines that are none."""

    rows: int = 0
    bad_lines: int = 0
    left_out: set[str] = field(default_factory=set)
    _columns: dict[str, list[str | None]] = field(default_factory=dict)
    _types: dict[str, Counter[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, lines: Iterable[bytes], *, limit: int) -> Sample:
        """The first ``limit`` records of ``lines``; of a list only the first entry is looked at."""
        sample = cls()
        for line in lines:
            if sample.rows >= limit:
                break
            try:
                document = orjson.loads(line)
            except orjson.JSONDecodeError:
                document = None
            if type(document) is dict:
                sample.add(document)
            else:
                sample.bad_lines += 1
        return sample

    def add(self, document: dict[str, Any]) -> None:
        """One more record."""
        for path, value in _leaves(document):
            column = self._columns.get(path)
            if column is None:
                if len(self._columns) >= _MAX_PATHS:
                    self.left_out.add(path)
                    continue
                column = self._columns[path] = []
                self._types[path] = Counter()
            if len(column) > self.rows:
                continue  # a key with a dot and a nested one of the same path: the first counts
            column.extend([None] * (self.rows - len(column)))
            kind, written = _text(value)
            self._types[path][kind] += 1
            column.append(written)
        self.rows += 1

    @property
    def paths(self) -> tuple[str, ...]:
        """Every field, in the order of first appearance."""
        return tuple(self._columns)

    def types(self, path: str) -> Counter[str]:
        """How often the field is text, number, boolean or null."""
        return self._types[path]

    def values(self, path: str) -> pl.Series:
        """The filled values of a field as text, in the order of records."""
        series = pl.Series(path, self._columns[path], dtype=pl.String).drop_nulls()
        return series.filter(series.str.strip_chars() != "")


def _leaves(
    document: dict[str, Any], prefix: str = "", depth: int = 0
) -> Iterable[tuple[str, Any]]:
    for key, value in document.items():
        path = f"{prefix}{key}"
        if type(value) is list:
            value, path = (value[0], f"{path}.0") if value else (None, path)
        if type(value) is dict and value and depth < _MAX_DEPTH:
            yield from _leaves(value, f"{path}.", depth + 1)
        else:
            yield path, value


def _text(value: Any) -> tuple[str, str | None]:
    if value is None:
        return "null", None
    if type(value) is str:
        return "text", value
    if type(value) is bool:
        return "boolean", "true" if value else "false"
    if type(value) in (int, float):
        return "number", str(value)
    return "nested", orjson.dumps(value).decode()
