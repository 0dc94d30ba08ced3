"""``[sources.NAME.contract]``: what a source promises about its records and its files.

The rules are data here; ``ingestion.contracts`` holds every delivery against them.
docs/contracts.md tells what each key means.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from mdm.errors import MdmError
from mdm.section import Section, Share

FieldType = Literal["text", "integer", "number", "boolean", "date", "timestamp"]
NUMBERS = ("integer", "number")
MOMENTS = ("date", "timestamp")
Limit = StrictInt | StrictFloat | datetime | date
# a name in reports and in quarantine, so of one line
Path = Annotated[str, Field(min_length=1, pattern=r"^[^\x00-\x1f]+$")]
#: What the reason of a line in quarantine begins with when a contract put it there.
REASON = "contract: "


class SourcesStopped(MdmError):
    """Sources were stopped by their contracts; all others went on and were published."""

    exit_code = 3

    def __init__(self, stopped: dict[str, str]) -> None:
        self.stopped = stopped
        told = "; ".join(f"{source}: {why}" for source, why in stopped.items())
        super().__init__(
            f"Stopped by their contracts: {told}. The other sources went on. Deliver a corrected "
            "file or correct the contract, and run again; `mdm rejects list` shows what waits."
        )


class Rule(NamedTuple):
    """One promise of a contract: its name in reports and quarantine, and what it says."""

    name: str
    says: str


class Between(Section):
    """A number that lies between two bounds, both allowed; one of them may be missing."""

    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min ({self.min}) must not be above max ({self.max})")
        return self

    def __str__(self) -> str:
        if self.max is None:
            return f"at least {self.min:,}"
        return f"at most {self.max:,}" if self.min is None else f"{self.min:,} to {self.max:,}"


class FieldContract(Section):
    """What the values of one field promise. All but ``required`` speak of filled values only."""

    # a pattern may begin or end in white space on purpose
    model_config = ConfigDict(str_strip_whitespace=False)

    required: bool = False
    unique: bool = False
    type: FieldType | None = None
    pattern: str | None = None
    length: Between | None = None
    min: Limit | None = None
    max: Limit | None = None
    allowed: tuple[StrictStr | StrictBool | StrictInt | StrictFloat, ...] | None = None

    @field_validator("pattern")
    @classmethod
    def _pattern_is_one(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            import polars as pl  # only where a contract has a pattern: it takes a while

            try:
                pl.Series([""]).str.contains(pattern)
            except pl.exceptions.ComputeError as error:
                raise ValueError(
                    f"found {pattern!r}, not a regular expression of Rust's regex crate (which "
                    f"has no look-around and no back-references): {_cause(error)}"
                ) from error
        return pattern

    @field_validator("allowed")
    @classmethod
    def _something_is_allowed(cls, allowed: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        if allowed == ():
            raise ValueError("found an empty list; name at least one value or remove the key")
        return allowed

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        limits = [limit for limit in (self.min, self.max) if limit is not None]
        if limits and self.type in ("text", "boolean"):
            raise ValueError(
                f"min and max go with the types {', '.join(NUMBERS + MOMENTS)}, not {self.type}; "
                "the length of a text is bounded by length"
            )
        dated = [isinstance(limit, date) for limit in limits]
        if any(dated) and (not all(dated) or self.type in NUMBERS):
            raise ValueError("min and max must both be numbers or both be dates, as the type is")
        if limits and self.type in MOMENTS and not all(dated):
            raise ValueError(f"found a number; of a {self.type}, min and max are dates: 1900-01-31")
        return self

    @property
    def kind(self) -> FieldType | None:
        """The type of the values: as named, else what their bounds can be compared with."""
        limits = [limit for limit in (self.min, self.max) if limit is not None]
        if self.type is not None or not limits:
            return self.type
        return "timestamp" if isinstance(limits[0], date) else "number"

    def rules(self, path: str) -> Iterator[Rule]:
        """The rules for the values of the field at ``path``, in the order they are told in."""
        if self.required:
            yield Rule(f"{path}.required", f"{path} must be filled")
        if self.kind is not None:
            yield Rule(f"{path}.type", f"{path} must be of the type {self.kind}")
        if self.pattern is not None:
            yield Rule(f"{path}.pattern", f"{path} must match {self.pattern}")
        if self.length is not None:
            yield Rule(f"{path}.length", f"{path} must have {self.length} characters")
        if self.allowed is not None:
            listed = ", ".join(map(as_text, self.allowed))
            yield Rule(f"{path}.allowed", f"{path} must be one of: {listed}")
        if self.min is not None:
            yield Rule(f"{path}.min", f"{path} must not be below {self.min}")
        if self.max is not None:
            yield Rule(f"{path}.max", f"{path} must not be above {self.max}")


class Contract(Section):
    """The promises of one source; a table that is there but empty only watches its fields."""

    required: tuple[Path, ...] = ()
    unique: tuple[tuple[Path, ...], ...] = ()
    volume: Between | None = None
    freshness_hours: float | None = Field(default=None, gt=0)
    max_bad_share: Share | None = None
    extra_fields: Literal["keep", "refuse"] = "keep"
    fields: dict[Path, FieldContract] = Field(default={})

    @field_validator("unique", mode="before")
    @classmethod
    def _one_field_is_a_key(cls, unique: object) -> object:
        if isinstance(unique, (list, tuple)):
            return [[key] if isinstance(key, str) else key for key in unique]
        return unique

    @field_validator("unique")
    @classmethod
    def _no_key_is_empty(cls, unique: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        if () in unique:
            raise ValueError("found an empty list among them; each names the fields of one key")
        return unique

    @field_validator("fields", mode="before")
    @classmethod
    def _paths_are_quoted(cls, fields: object) -> object:
        if isinstance(fields, dict):
            for path, rules in fields.items():
                nested = isinstance(rules, dict) and [
                    key for key, value in rules.items() if isinstance(value, dict)
                ]
                if nested and (inner := set(nested) - {"length"}):
                    dotted = f"{path}.{min(inner)}"
                    raise ValueError(f"quote a dotted path: [….contract.fields.{dotted!r}]")
        return fields

    @property
    def by_field(self) -> dict[str, FieldContract]:
        """The rules per field, ``required`` of the contract itself among them."""
        found = dict(self.fields)
        for path in self.required:
            found[path] = found.get(path, FieldContract()).model_copy(update={"required": True})
        return found

    @property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """The fields, or combinations of fields, that are unique."""
        single = ((path,) for path, rules in self.fields.items() if rules.unique)
        return tuple(dict.fromkeys((*self.unique, *single)))

    def rules(self) -> Iterator[Rule]:
        """The rules for single lines, in the order they are told in."""
        for path, rules in self.by_field.items():
            yield from rules.rules(path)
        for key in self.keys:
            named = "+".join(key)
            yield Rule(f"{named}.unique", f"{named} must not be the same in two lines of a file")


def as_text(value: object) -> str:
    """A value as it is compared: JSON's spelling of booleans, everything else as Python writes."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cause(error: Exception) -> str:
    """What the regex crate says is wrong, without the pattern that it repeats."""
    return str(error).rpartition("error: ")[2].strip().partition("\n")[0]
