"""The fields of JSON records: their values as text columns, and which fields there are at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from types import NoneType
from typing import Any

import orjson
import polars as pl

from mdm.contracts import as_text

Document = dict[str, Any]
#: In front of the text of an object or a list. No value has it: lines that hold it are refused.
CONTAINER = "\x00"
# What is watched is bounded, so that records keyed by their own ids cannot flood the ledger.
_MOST_FIELDS = 1000
_DEEPEST = 8
_LONGEST_PATH = 200


def column(documents: Sequence[Document], path: str) -> pl.Series:
    """The text of the field at ``path`` in each document, null where it is absent or blank.

    A path is read as ``[sources.NAME.fields]`` reads it: into objects, by number into lists, and as
    one key that has dots in its own name.
    """
    steps = path.split(".")
    if len(steps) == 1:
        values = [document.get(path) for document in documents]
    else:
        values = [_at(document, steps, path) for document in documents]
    types = set(map(type, values))
    if types <= {str, NoneType}:
        found = pl.Series(path, values, dtype=pl.String)
    elif types <= {int, NoneType}:
        found = pl.Series(path, values, dtype=pl.Int128).cast(pl.String)
    else:
        found = pl.Series(path, [_text(value) for value in values], dtype=pl.String)
    if (found.str.strip_chars() == "").any():
        return pl.select(pl.when(found.str.strip_chars() != "").then(found).alias(path)).to_series()
    return found


def _at(document: Document, steps: Sequence[str], path: str) -> Any:
    value: Any = document
    for step in steps:
        if type(value) is dict:
            value = value.get(step)
        elif type(value) is list and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            value = None
            break
    return document.get(path) if value is None else value


def _text(value: Any) -> str | None:
    if value is None or type(value) is str:
        return value
    if type(value) in (dict, list):
        return CONTAINER + orjson.dumps(value).decode()
    return as_text(value)


class Watch:
    """Counts in how many records each field is filled; a field is a dotted path of keys."""

    def __init__(self) -> None:
        self.records = 0
        self.filled: Counter[str] = Counter()
        #: Whether there were more fields than are watched.
        self.is_full = False

    def look(self, documents: Sequence[Document]) -> None:
        """Add the fields of ``documents``."""
        self.records += len(documents)
        self._look(documents, "", depth=1)

    def _look(self, documents: Sequence[Document], prefix: str, *, depth: int) -> None:
        # most records of a source have the same keys in the same order: each n-th value is a column
        for shape, alike in _by_shape(documents).items():
            flat = list(chain.from_iterable(map(dict.values, alike)))
            for number, key in enumerate(shape):
                values = flat[number :: len(shape)]
                path = prefix + key
                if not self._is_watched(path):
                    continue
                self.filled[path] += len(values) - values.count(None) - values.count("")
                if depth < _DEEPEST and dict in set(map(type, values)):
                    inner = [value for value in values if type(value) is dict]
                    self._look(inner, f"{path}.", depth=depth + 1)

    def _is_watched(self, path: str) -> bool:
        """Whether a field is counted; one seen for the first time is, while there is room."""
        if path not in self.filled:
            if len(self.filled) >= _MOST_FIELDS or len(path) > _LONGEST_PATH:
                self.is_full = True
                return False
            self.filled[path] = 0
        return True


def _by_shape(documents: Sequence[Document]) -> dict[tuple[str, ...], list[Document]]:
    """The documents by their keys in their order."""
    shapes = list(map(tuple, documents))
    if len(set(shapes)) == 1:
        return {shapes[0]: list(documents)}
    found: dict[tuple[str, ...], list[Document]] = {}
    for shape, document in zip(shapes, documents, strict=True):
        found.setdefault(shape, []).append(document)
    return found
