"""Profiles as columns of integer codes: each distinct value is held, parsed and compared once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

Codes = NDArray[np.int32]
_Values = TypeVar("_Values", bound=np.generic)


def pick(values: NDArray[_Values], places: NDArray[np.integer[Any]]) -> NDArray[_Values]:
    """``values[places]`` in half the time or less; no place may lie outside, -1 is the last."""
    return values.take(places, axis=0, mode="wrap")


@dataclass
class Column:
    """One attribute of all profiles: ``codes[i]`` points into ``text``; -1 is absent.

    ``text`` holds the distinct values in order. Derived facts about them (lengths, phonetic keys,
    parts of a date …) are computed on first use and kept, by name, in ``cache``.
    """

    codes: Codes
    text: pl.Series
    cache: dict[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def values(self) -> list[str]:
        """The distinct values as Python text, for what polars cannot do with them."""
        return self.text.to_list()

    @cached_property
    def objects(self) -> NDArray[np.object_]:
        """The distinct values as an object array, for gathering by code."""
        return as_objects(self.values)

    def derive(self, name: str, make: Callable[[pl.Series], Any]) -> Any:
        """What ``make`` says about the distinct values, computed once under ``name``."""
        if name not in self.cache:
            self.cache[name] = make(self.text)
        return self.cache[name]

    def codes_of(self, values: Sequence[str] | pl.Series) -> Codes:
        """The code of each of ``values``; -1 for what no row has."""
        wanted = pl.Series(values, dtype=pl.String)
        if not len(self.text):
            return np.full(len(wanted), -1, dtype=np.int32)
        places = self.text.search_sorted(wanted).clip(0, len(self.text) - 1)
        present = self.text.gather(places) == wanted
        return np.where(present.to_numpy(), places.to_numpy(), -1).astype(np.int32)

    def strings(self, codes: NDArray[np.integer[Any]]) -> list[str]:
        """The values that ``codes`` (all present) point at, as rapidfuzz wants them."""
        result: list[str] = pick(self.objects, codes).tolist()
        return result


def as_objects(values: Sequence[str]) -> NDArray[np.object_]:
    """Text as an array of references, which gathers by position without copying any letter."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def encode_values(series: Sequence[pl.Series]) -> tuple[list[Codes], pl.Series]:
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
    return codes, values


def encode(series: pl.Series) -> Column:
    """One text column as codes over its sorted distinct values."""
    (codes,), values = encode_values([series])
    return Column(codes, values)


def group_codes(keys: pl.Series) -> Codes:
    """A number per equal key ("" is -1): for comparing derived keys by integer equality."""
    ranks = keys.replace("", None).rank("dense").cast(pl.Int32) - 1
    return ranks.fill_null(-1).to_numpy()
