"""The rules of a contract for single values, as a Pandera schema over text columns of Polars."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from ingestion.fields import CONTAINER, Document, column
from ingestion.lines import instant
from mdm.contracts import MOMENTS, NUMBERS, Contract, FieldContract, Limit, as_text

_WRITTEN = {
    "text": f"^[^{CONTAINER}]",
    "integer": r"^\s*[+-]?[0-9]+\s*$",
    "number": r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$",
    "boolean": r"^\s*(?i:true|false|yes|no|t|f|y|n|0|1)\s*$",
}
_MOMENT = pl.Datetime("us", "UTC")
_ISO_DAY = "^([1-9][0-9]{3}-[0-9]{2}-[0-9]{2})$"


class LineRules:
    """Finds the rules that records break. ``order`` is the source's date order."""

    def __init__(self, contract: Contract, *, order: str) -> None:
        self._fields = contract.by_field
        self._order = order
        self._rules = tuple(rule.name for rule in contract.rules())
        self._schema = pa.DataFrameSchema(
            {
                name: one
                for path, rules in self._fields.items()
                for name, one in _columns(path, rules).items()
            }
        )

    def broken(self, documents: Sequence[Document]) -> dict[int, list[str]]:
        """Per number of a document the names of the rules that it breaks, in the contract's order.

        Documents that keep all are not in it.
        """
        if not self._fields:
            return {}
        try:
            self._schema.validate(self._frame(documents), lazy=True)
        except pa.errors.SchemaErrors as errors:
            found = errors.failure_cases
        else:
            return {}
        rank = {name: number for number, name in enumerate(self._rules)}
        broken: dict[int, list[str]] = {}
        for index, field, check in found.select("index", "column", "check").iter_rows():
            name = f"{field}.required" if check == "not_nullable" else check
            broken.setdefault(index, []).append(name)
        return {index: sorted(names, key=rank.__getitem__) for index, names in broken.items()}

    def _frame(self, documents: Sequence[Document]) -> pl.DataFrame:
        columns = []
        for path, rules in self._fields.items():
            text = column(documents, path)
            columns.append(text)
            if rules.kind in MOMENTS:
                read = moments(text, self._order, is_date=rules.kind == "date")
                columns.append(read.alias(_value_of(path)))
            elif rules.kind in NUMBERS:
                plain = text.str.strip_chars().str.strip_prefix("+")
                columns.append(plain.cast(pl.Float64, strict=False).alias(_value_of(path)))
        return pl.DataFrame(columns)


def moments(text: pl.Series, order: str, *, is_date: bool) -> pl.Series:
    """The instants that ``text`` tells, null where it tells none.

    They are read as event times are: ISO 8601 or days in the order of the source; where it is not
    ``is_date``, seconds or milliseconds since 1970 too.
    """

    def read(value: str) -> datetime | None:
        if not (is_date and value.isdecimal()):
            return instant(value, order)
        try:
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        except ValueError:
            return None

    # nearly all days are written so, and polars reads them without a Python object each
    days = text.str.extract(_ISO_DAY).str.to_datetime("%Y-%m-%d", time_zone="UTC", strict=False)
    odd = text.filter(days.is_null()).unique().drop_nulls()
    if odd.is_empty():
        return days
    found = pl.Series([read(value.strip()) for value in odd], dtype=_MOMENT)
    told = text.replace_strict(odd, found, default=None, return_dtype=_MOMENT)
    return days.zip_with(days.is_not_null(), told)


def _columns(path: str, rules: FieldContract) -> dict[str, pa.Column]:
    """The columns of one field: its text, and its value where that is compared with bounds."""
    checks = []
    if rules.kind in MOMENTS:
        checks.append(pa.Check(_is_read, error=f"{path}.type"))
    elif rules.kind is not None:
        checks.append(pa.Check.str_contains(_WRITTEN[rules.kind], error=f"{path}.type"))
    if rules.pattern is not None:
        checks.append(pa.Check.str_contains(rules.pattern, error=f"{path}.pattern"))
    if rules.length is not None:
        shortest, longest = rules.length.min, rules.length.max
        checks.append(pa.Check.str_length(shortest, longest, error=f"{path}.length"))
    if rules.allowed is not None:
        checks.append(pa.Check.isin(list(map(as_text, rules.allowed)), error=f"{path}.allowed"))
    columns = {path: pa.Column(pl.String, checks, nullable=not rules.required)}
    if rules.kind in MOMENTS or rules.kind in NUMBERS:
        kind = _MOMENT if rules.kind in MOMENTS else pl.Float64
        columns[_value_of(path)] = pa.Column(kind, _bounds(path, rules), nullable=True)
    return columns


def _bounds(path: str, rules: FieldContract) -> list[pa.Check]:
    checks = []
    if rules.min is not None:
        checks.append(pa.Check.ge(_limit(rules.min), error=f"{path}.min"))
    if rules.max is not None:
        if isinstance(rules.max, date) and not isinstance(rules.max, datetime):
            behind = _limit(rules.max + timedelta(days=1))  # the last day belongs to it, whole
            checks.append(pa.Check.lt(behind, error=f"{path}.max"))
        else:
            checks.append(pa.Check.le(_limit(rules.max), error=f"{path}.max"))
    return checks


def _limit(limit: Limit) -> datetime | float:
    if not isinstance(limit, date):
        return limit
    moment = limit if isinstance(limit, datetime) else datetime.combine(limit, time.min)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _is_read(data: PolarsData) -> pl.LazyFrame:
    """Whether each text could be read as the value in its neighbour column."""
    read = pl.col(data.key).is_null() | pl.col(_value_of(data.key)).is_not_null()
    return data.lazyframe.select(read)


def _value_of(path: str) -> str:
    """The column of the values that the texts at ``path`` tell."""
    return CONTAINER + path
