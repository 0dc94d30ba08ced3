"""The figures of each field: fill, distinct values, types, top values, shapes, extremes."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from mdm.profiling.content import Content, content_of
from mdm.profiling.sample import Sample

_TOP = 10
_BINS = 12
_SHOWN = 200  # characters of a value


@dataclass(frozen=True)
class Field:
    """What is known of one field of a source.

    ``filled`` counts values that are neither missing nor blank. ``shapes`` are values with each
    digit as 9 and each run of letters as A (capitals), a or Aa. ``smallest`` and ``largest`` are by
    number where all values are numbers, else by text. ``histogram`` has (from, to, count) of
    numbers, else of lengths.
    """

    path: str
    rows: int
    filled: int
    distinct: int
    types: dict[str, int]
    content: Content
    top: tuple[tuple[str, int], ...]
    shapes: tuple[tuple[str, int], ...]
    smallest: str | None
    largest: str | None
    shortest: int
    longest: int
    histogram_of: str
    histogram: tuple[tuple[float, float, int], ...]

    @property
    def fill(self) -> float:
        """The share of records with a value."""
        return self.filled / self.rows if self.rows else 0.0

    @property
    def is_key(self) -> bool:
        """Whether every record has a value and no two have the same."""
        return bool(self.rows) and self.filled == self.rows == self.distinct

    @property
    def examples(self) -> tuple[str, ...]:
        """Three of the values."""
        return tuple(value for value, _ in self.top[:3])


def fields_of(sample: Sample) -> list[Field]:
    """The figures of every field, in the order of first appearance."""
    return [_field(sample, path) for path in sample.paths]


def _field(sample: Sample, path: str) -> Field:
    values = sample.values(path)
    counts = _counted(values)
    numbers = _numbers(values)
    measured = numbers if numbers is not None else values.str.len_chars().cast(pl.Float64)
    smallest, largest = _extremes(values, numbers)
    lengths = values.str.len_chars()
    return Field(
        path=path,
        rows=sample.rows,
        filled=len(values),
        distinct=len(counts),
        types={kind: n for kind, n in sample.types(path).most_common() if kind != "null"},
        content=content_of(counts),
        top=_top(counts),
        shapes=_top(_counted(_shapes(values))),
        smallest=_cut(smallest),
        largest=_cut(largest),
        shortest=_whole(lengths.min()),
        longest=_whole(lengths.max()),
        histogram_of="values" if numbers is not None else "length",
        histogram=_histogram(measured),
    )


def _counted(values: pl.Series) -> pl.DataFrame:
    """Distinct values with their counts, most frequent first, then by value."""
    frame = pl.DataFrame({"value": values})
    return frame.group_by("value").len("n").sort(["n", "value"], descending=[True, False])


def _top(counts: pl.DataFrame) -> tuple[tuple[str, int], ...]:
    return tuple((str(_cut(value)), int(n)) for value, n in counts.head(_TOP).rows())


def _shapes(values: pl.Series) -> pl.Series:
    return (
        values.str.slice(0, _SHOWN)
        .str.replace_all(r"\p{Nd}", "9")
        .str.replace_all(r"\p{Lu}\p{Ll}+", "\x01")
        .str.replace_all(r"\p{Lu}+", "A")
        .str.replace_all(r"\p{L}+", "a")
        .str.replace_all("\x01", "Aa")
    )


def _numbers(values: pl.Series) -> pl.Series | None:
    """The values as numbers where all are, and not as ids are written (leading zeros)."""
    if not len(values) or values.str.contains(r"^\+|^-?0\d|[^0-9.eE+-]").any():
        return None
    numbers = values.cast(pl.Float64, strict=False)
    return None if numbers.is_null().any() or not numbers.is_finite().all() else numbers


def _extremes(values: pl.Series, numbers: pl.Series | None) -> tuple[object, object]:
    if numbers is None:
        return values.min(), values.max()
    low, high = numbers.arg_min(), numbers.arg_max()
    return values[low or 0], values[high or 0]


def _histogram(measured: pl.Series) -> tuple[tuple[float, float, int], ...]:
    if not len(measured):
        return ()
    low, high = float(measured.min()), float(measured.max())  # type: ignore[arg-type]
    if low == high:
        return ((low, high, len(measured)),)
    width = (high - low) / _BINS
    places = ((measured - low) / width).floor().clip(0, _BINS - 1).cast(pl.Int32)
    found = dict(places.value_counts().rows())
    return tuple(
        (low + place * width, low + (place + 1) * width, int(found.get(place, 0)))
        for place in range(_BINS)
    )


def _cut(value: object) -> str | None:
    if value is None:
        return None
    text = str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
