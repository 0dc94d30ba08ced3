"""A batch of records standardised: each distinct value once, then joined back to its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial

import orjson
import polars as pl

from mdm.attributes import ADDRESS, ATTRIBUTES, NAME, STANDARD
from mdm.config import AttributeType, Config, Source
from staging import plain
from staging.addresses import Address, standardise_address
from staging.dates import standardise_date
from staging.emails import standardise_email
from staging.identifiers import standardise_gender, standardise_identifier, standardise_number
from staging.names import PersonName, standardise_name
from staging.organisations import standardise_organisation
from staging.outcome import EMPTY, PLACEHOLDER, Standard
from staging.phones import phone_standardiser
from staging.placeholders import Placeholders
from staging.plain import CERTAIN, Shortcut
from staging.text import clean, fold

Counts = Counter[tuple[str, str]]  # (attribute, outcome) -> values
_REASON = "reason"

#: What a batch gives to `staging.records` besides its keys, in the order of COPY.
RECORD_COLUMNS = (*ATTRIBUTES, "extra", *(f"std_{name}" for name in STANDARD), "std_extra")

_SHORTEST_TAX_ID = 4
_CODE = "^[A-Z]{2}$"
# Up to so many rows a batch goes through Python's functions row by row: each look at a column as a
# whole has a price of its own, which a night of a few records would pay hundreds of times.
_FEW_ROWS = 256
# What a clean value never holds: outer or double white space, or anything beyond printable ASCII;
# a "[" in front may be a JSON list.
_UNCLEAN = r"^[\s\[]|\s$|\s\s|[^\x20-\x7e]"


@dataclass(frozen=True, slots=True)
class _Group:
    """Attributes that are standardised together: `function` of their values gives `outputs`.

    An output named `reason` is why there is no value or a doubtful one. `standard` names the output
    that an attribute is compared with to say whether it was changed.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    function: Callable[..., Iterable[str | None]]
    standard: Mapping[str, str]
    shortcut: Shortcut | None = None


class Standardiser:
    """Standardises the records of one source; what it did is added up in `counts`."""

    def __init__(self, config: Config, source: Source, *, today: date) -> None:
        """Birth dates after `today` are none. Raises UnknownRegion for the source's region."""
        self.counts: Counts = Counter()
        self._listed = config.staging.placeholders
        self._placeholders = Placeholders(
            self._listed.any, self._listed.by_attribute, self._listed.also_names
        )
        self._attributes = tuple(source.fields)
        self._further = tuple(name for name in source.fields if name not in ATTRIBUTES)
        self._groups = self._grouped(config, source, today)

    def __call__(self, written: pl.DataFrame) -> pl.DataFrame:
        """The columns `RECORD_COLUMNS` for the attributes `written` by the source, row by row."""
        frame = written.select(self._cleaned(written[name]) for name in self._attributes)
        known = frame.select(self._without_placeholders(frame[name]) for name in self._attributes)
        standard: dict[str, pl.Series] = {}
        further: dict[str, pl.Series] = {}
        for group in self._groups:
            found = self._apply(group, known)
            if group.inputs[0] in self._further:
                further[group.inputs[0]] = found.to_series()
            else:
                standard |= {f"std_{column.name}": column for column in found}
        self.counts = +self.counts  # without what never happened
        columns = {name: frame[name] for name in ATTRIBUTES if name in self._attributes} | standard
        if self._further:
            columns["extra"] = _as_json(frame.select(self._further))
            columns["std_extra"] = _as_json(pl.DataFrame(further))
        nothing = pl.Series(values=[None] * len(frame), dtype=pl.String)
        return pl.DataFrame({name: columns.get(name, nothing) for name in RECORD_COLUMNS})

    def _grouped(self, config: Config, source: Source, today: date) -> list[_Group]:
        region, order = source.phone_region, source.date_order
        dates = partial(standardise_date, order=order, region=region, today=today)
        single: dict[str, Callable[[str], Standard]] = {
            "email": standardise_email,
            "phone": phone_standardiser(region),
            "date_of_birth": dates,
            "gender": standardise_gender,
            "tax_id": partial(standardise_identifier, shortest=_SHORTEST_TAX_ID),
            "customer_number": standardise_identifier,
            "organisation": _folding(standardise_organisation),
        }
        by_type: dict[AttributeType, Callable[[str], Standard]] = {
            "name": _folding(lambda value: standardise_name(value).name),
            "text": _folding(fold),
            "category": _folding(fold),
            "date": partial(dates, may_be_future=True),
            "number": standardise_number,
            "identifier": standardise_identifier,
        }
        single |= {name: by_type[config.attributes[name].type] for name in self._further}
        shortcuts = {
            "email": plain.emails,
            "phone": plain.phone_numbers(region),
            "date_of_birth": plain.dates_of_birth(today),
        }
        groups = [
            self._single(name, function, shortcuts.get(name))
            for name, function in single.items()
            if name in self._attributes
        ]
        for inputs, outputs, whole, shortcut in (
            (NAME, PersonName._fields, standardise_name, plain.person_names),
            (ADDRESS, Address._fields, standardise_address, plain.postal_addresses),
        ):
            present = [name for name in inputs if name in self._attributes]
            if present:
                standard = {name: "name" if name == "full_name" else name for name in present}
                groups.append(_Group(inputs, outputs, whole, standard, shortcut))
        return groups

    def _cleaned(self, column: pl.Series) -> pl.Series:
        """`column` in its own spelling, without stray white space and invisible characters."""
        if len(column) <= _FEW_ROWS:
            written = [value and clean(_flat(value)) for value in column]
            return pl.Series(column.name, written, pl.String)
        places = column.str.contains(_UNCLEAN).arg_true()
        if places.is_empty():
            return column
        unclean = column[places]
        distinct = unclean.unique()
        cleaned = pl.Series([clean(_flat(value)) for value in distinct], dtype=pl.String)
        new = unclean.replace_strict(distinct, cleaned, return_dtype=pl.String)
        return column.scatter(places, new)

    def _without_placeholders(self, column: pl.Series) -> pl.Series:
        """`column` with null where it says nothing; the placeholders and filled values counted."""
        name = column.name
        filled = len(column) - column.null_count()
        if filled:
            self.counts[name, "filled"] += filled
        found = self._placeholders.among(name, column)
        if not found:
            return column
        is_placeholder = column.is_in(found).fill_null(False)
        self.counts[name, "placeholder"] += int(is_placeholder.sum())
        return pl.select(pl.when(~is_placeholder).then(column).alias(name)).to_series()

    def _single(
        self, name: str, function: Callable[[str], Standard], shortcut: Shortcut | None
    ) -> _Group:
        """`function` for one attribute; a value may turn out a placeholder once standardised."""
        written = (*self._listed.any, *self._listed.by_attribute.get(name, ()))
        nothing = {found for value in written if (found := function(value).value) is not None}

        def standardise(value: str | None) -> Standard:
            if value is None:
                return EMPTY
            found = function(value)
            return PLACEHOLDER if found.value in nothing else found

        checked = plain.without(nothing, shortcut) if shortcut else None
        return _Group((name,), (name, _REASON), standardise, {name: name}, checked)

    def _apply(self, group: _Group, known: pl.DataFrame) -> pl.DataFrame:
        """The output columns of `group` for each row of `known`; what happened is counted."""
        keys = [name for name in group.inputs if name in known.columns]
        values = known.select(keys)
        if len(values) <= _FEW_ROWS:
            found = _row_by_row(group, values)
        elif group.shortcut is None:
            found = _one_by_one(group, values)
        else:
            found = group.shortcut(values)
            odd = (~found[CERTAIN]).arg_true()
            found = found.drop(CERTAIN)
            if len(odd):
                read = _one_by_one(group, values[odd])
                found = found.select(
                    column.scatter(odd, read[column.name]) for column in found.iter_columns()
                )
        self._count(group, known, found)
        return found

    def _count(self, group: _Group, known: pl.DataFrame, found: pl.DataFrame) -> None:
        """Adds up what became of the attributes of `group`."""
        for name, output in group.standard.items():
            self.counts[name, "changed"] += _true_n(known[name] != found[output])
        if _REASON in found.columns:
            for reason, n in found[_REASON].drop_nulls().value_counts().iter_rows():
                self.counts[group.inputs[0], reason] += n
            return
        for name, output in group.standard.items():
            lost = known[name].is_not_null() & found[output].is_null()
            self.counts[name, "nothing_left"] += _true_n(lost)
        if "country" in group.inputs:
            self.counts["country", "unknown"] += _true_n(~found["country"].str.contains(_CODE))
        if "street" in group.inputs:
            for name in ADDRESS:
                moved = found[name].is_not_null()
                if name in known.columns:
                    moved &= known[name].is_null()
                self.counts[name, "from_street"] += _true_n(moved)


def _row_by_row(group: _Group, values: pl.DataFrame) -> pl.DataFrame:
    """The output columns of `group` for each row of `values`, which are few."""
    absent = [None] * len(values)
    inputs = [values[name] if name in values.columns else absent for name in group.inputs]
    outputs = zip(*(group.function(*row) for row in zip(*inputs, strict=True)), strict=True)
    return pl.DataFrame(
        [
            pl.Series(name, column, pl.String)
            for name, column in zip(group.outputs, outputs, strict=True)
        ]
    )


def _one_by_one(group: _Group, values: pl.DataFrame) -> pl.DataFrame:
    """The output columns of `group` for each row of `values`, worked out per distinct row."""
    keys = values.columns
    distinct = values.unique()
    nothing = pl.lit(None, pl.String)
    inputs = distinct.select(name if name in keys else nothing.alias(name) for name in group.inputs)
    outputs = zip(*(group.function(*row) for row in inputs.iter_rows()), strict=True)
    table = distinct.with_columns(
        pl.Series(f"standard {name}", column, pl.String)
        for name, column in zip(group.outputs, outputs, strict=True)
    )
    joined = values.join(table, on=keys, how="left", nulls_equal=True, maintain_order="left")
    return joined.select(pl.col(f"standard {name}").alias(name) for name in group.outputs)


def _true_n(condition: pl.Series) -> int:
    return int(condition.sum() or 0)


def _as_json(frame: pl.DataFrame) -> pl.Series:
    """Per row the filled columns as a JSON object, null where there is none."""
    return pl.Series(
        [
            orjson.dumps(filled).decode()
            if (filled := {k: v for k, v in row.items() if v})
            else None
            for row in frame.iter_rows(named=True)
        ],
        dtype=pl.String,
    )


def _folding(function: Callable[[str], str | None]) -> Callable[[str], Standard]:
    """`function` with the reason `nothing_left` for a value that folds to nothing."""

    def standardise(value: str) -> Standard:
        folded = function(value)
        return Standard(folded) if folded is not None else Standard(None, "nothing_left")

    return standardise


def _flat(value: str) -> str:
    """A JSON list of plain values as one text, parted by commas; anything else as it is."""
    if not value.startswith("["):
        return value
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
    plain = [one for one in found if one is not None and not isinstance(one, (dict, list))]
    return ", ".join(one if isinstance(one, str) else orjson.dumps(one).decode() for one in plain)
