"""Profiles as columns of integer codes: each distinct value is held, parsed and compared once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Codes = NDArray[np.int32]


@dataclass
class Column:
    """One attribute of all profiles: ``codes[i]`` points into ``values``; -1 is absent.

    Derived facts about the distinct values (lengths, phonetic keys, parts of a date …) are
    computed on first use and kept, by name, in ``cache``.
    """

    codes: Codes
    values: list[str]
    cache: dict[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def objects(self) -> NDArray[np.object_]:
        """The distinct values as an object array, for gathering by code."""
        array = np.empty(len(self.values), dtype=object)
        array[:] = self.values
        return array

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """How many profiles hold each distinct value."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.values))

    def derive(self, name: str, make: Callable[[list[str]], Any]) -> Any:
        """The derived table ``name`` of the distinct values, computed by ``make`` once."""
        if name not in self.cache:
            self.cache[name] = make(self.values)
        return self.cache[name]

    def strings(self, codes: Codes) -> list[str]:
        """The values that ``codes`` (all present) point at, as rapidfuzz wants them."""
        result: list[str] = self.objects[codes].tolist()
        return result


def encode_values(series: Sequence[pl.Series]) -> tuple[list[Codes], list[str]]:
    """Codes of several text columns over one common list of distinct values; blank is absent."""
    cleaned = [
        column.cast(pl.String).str.strip_chars().replace("", None).alias("value")
        for column in series
    ]
    values = pl.concat(cleaned).drop_nulls().unique().sort()
    table = pl.DataFrame({"value": values, "code": np.arange(len(values), dtype=np.int32)})
    codes = [
        column.to_frame()
        .join(table, on="value", how="left", maintain_order="left")["code"]
        .fill_null(-1)
        .to_numpy()
        .astype(np.int32)
        for column in cleaned
    ]
    return codes, values.to_list()


def encode(series: pl.Series) -> Column:
    """One text column as codes over its sorted distinct values."""
    (codes,), values = encode_values([series])
    return Column(codes, values)


def group_codes(values: Sequence[str]) -> Codes:
    """A number per equal value ("" is -1): for comparing derived keys by integer equality."""
    numbers: dict[str, int] = {}
    out = np.empty(len(values), dtype=np.int32)
    for i, value in enumerate(values):
        out[i] = numbers.setdefault(value, len(numbers)) if value else -1
    return out
