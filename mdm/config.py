"""``mdm.toml``: the one configuration, read once, checked, frozen and passed on.

Secrets and addresses are not here but in the environment (``mdm.settings``).
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from mdm.attributes import ATTRIBUTES
from mdm.config_errors import explain, no_such
from mdm.contracts import Contract
from mdm.errors import ConfigError
from mdm.section import Section, Share

_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,47}")
_TEMPLATE_PART = re.compile(r"\{([^{}]*)\}")
_PARTITION_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")

#: Tables of schema raw that are not a source's.
_TAKEN = (
    "extract_cursors",
    "lake_objects",
    "object_decisions",
    "object_fields",
    "quarantine",
    "rejected_lines",
    "source_fields",
)

FieldSpec = str | tuple[str, ...]


def _is_written_well(written: object) -> object:
    """A field, a template or a list of these, as it is. Raises ValueError with what is wrong."""
    if isinstance(written, list) and written:
        for one in written:
            _is_written_well(one)
        return written
    if not isinstance(written, str):
        raise ValueError(  # pydantic tells of ValueErrors
            f'a field in quotes, or a list: ["email", "contact.email"]; found {written!r}'
        )
    paths = _TEMPLATE_PART.findall(written)
    if set("{}") & set(_TEMPLATE_PART.sub("", written)):
        raise ValueError(f"a brace without its other half; found {written!r}")
    if not all(path.strip() for path in paths or [written]):
        raise ValueError(f"a field without a name; found {written!r}")
    return written


class Source(Section):
    """One system that sends customers: where its rows go and what its fields mean."""

    table: str
    record_id: str = Field(min_length=1)
    event_time: str | None = None
    phone_region: str | None = Field(default=None, pattern="^[A-Z]{2}$")
    date_order: Literal["DMY", "MDY", "YMD"] | None = None
    priority: int = 100
    producer: Literal["sales", "support", "marketing"] | None = None
    fields: dict[str, Annotated[FieldSpec, BeforeValidator(_is_written_well)]] = Field(min_length=1)
    contract: Contract | None = None

    @field_validator("table")
    @classmethod
    def _table_is_plain(cls, table: str) -> str:
        if not _IDENTIFIER.fullmatch(table) or table in _TAKEN:
            raise ValueError(
                "a table name has lower-case letters, digits and _, starts with a letter, "
                f"is at most 48 long and is none of {', '.join(_TAKEN)}; found {table!r}"
            )
        return table

    @field_validator("record_id", "event_time")
    @classmethod
    def _is_one_field(cls, written: str | None) -> str | None:
        if written is not None and "{" in written:
            raise ValueError(f"one field or dotted path, not a template; found {written!r}")
        return written

    @field_validator("phone_region")
    @classmethod
    def _region_is_known(cls, region: str | None) -> str | None:
        from phonenumbers import SUPPORTED_REGIONS  # not needed by commands without a region

        if region is not None and region not in SUPPORTED_REGIONS:
            raise ValueError(f"no such phone region, an ISO 3166 code such as GB; found {region!r}")
        return region


AttributeType = Literal["name", "text", "category", "date", "number", "identifier"]


class Attribute(Section):
    """A further field of the sources that counts as evidence and is kept in ``extra``."""

    type: AttributeType = "text"


class Demo(Section):
    """The demo producers: off unless the configuration says so."""

    enabled: bool = False
    records: int = Field(default=9000, ge=1)
    seed: int = 42


class Ingestion(Section):
    """How the lake is read."""

    max_bad_share: Share = 0.10
    lookback_hours: int = Field(default=72, ge=0)
    max_line_bytes: int = Field(default=16 * 1024 * 1024, ge=1024)


class Placeholders(Section):
    """Values that stand for "nothing known", compared folded: case and punctuation are nothing.

    Those in ``also_names`` are kept in a given, middle or family name where they are written as a
    name is: "Null", not "NULL", "null" or "N/A".
    """

    any: tuple[str, ...] = (
        "n/a", "na", "none", "null", "nil", "unknown", "not available", "not applicable",
        "not provided", "no data", "tbd", "test", "xxx", "-", "--", "?", ".",
    )  # fmt: skip
    by_attribute: dict[str, tuple[str, ...]] = Field(
        default={
            "email": (
                "test@test.com", "test@example.com", "none@none.com", "no@email.com", "na@na.com",
                "noemail@noemail.com", "noreply@example.com", "unknown@unknown.com", "a@a.com",
            ),
            "phone": (
                "0000000000", "1111111111", "9999999999", "1234567890", "0123456789", "000000",
                "123456", "1234567", "5555555555",
            ),
            "date_of_birth": ("1900-01-01", "1899-12-31", "1753-01-01", "0001-01-01", "9999-12-31"),
            "postcode": ("00000", "99999", "xxxxx"),
            "full_name": ("test test", "john doe test", "guest", "anonymous", "customer"),
        }
    )  # fmt: skip
    # People are called Na, Nil, Null and Test. "None" is not here: it is what programs write for
    # nothing, capital included.
    also_names: tuple[str, ...] = ("na", "nil", "null", "test")


class Staging(Section):
    """How values are standardised."""

    placeholders: Placeholders = Placeholders()


#: The rules of blocking, by the names that ``[matching] blocking`` may use.
BlockingRule = Literal[
    "tax_id", "customer_number", "identifiers", "email", "phone", "name_birth", "name_postcode",
    "full_name", "organisation", "street_number", "email_local", "birth_postcode", "birth_city",
    "initial_birth", "sound_city", "sounds", "sound_birth_year", "sound_area",
    "organisation_postcode", "street", "name_start", "organisation_words", "name_words", "texts",
    "birth", "name_starts", "phone_part", "number_start",
]  # fmt: skip


class Matching(Section):
    """How pairs are found, scored and decided. The defaults hold for all data."""

    model: Literal["probabilistic", "rules"] = "probabilistic"
    auto_merge: Share = 0.60
    review: Share = 0.20
    always_match: tuple[tuple[str, ...], ...] = ()
    never_match: tuple[tuple[str, ...], ...] = ()
    blocking: tuple[BlockingRule, ...] | None = None
    max_block_size: int = Field(default=100, ge=2)
    shared_by_names: int = Field(default=10, ge=3)
    pairs_per_profile: float = Field(default=12.0, gt=0)
    seed: int = 20_260_101

    @model_validator(mode="after")
    def _thresholds_in_order(self) -> Self:
        if self.review > self.auto_merge:
            raise ValueError(
                f"review ({self.review}) must not be above auto_merge ({self.auto_merge})"
            )
        return self


class Identity(Section):
    """How clusters become customers."""

    merge_flagged: bool = False


Rule = Literal["source_priority", "most_recent", "most_frequent", "most_complete", "longest"]


class Survivorship(Section):
    """Which source record's value becomes the golden one, per attribute."""

    default: Rule = "most_recent"
    source_priority: tuple[str, ...] = ()
    rules: dict[str, Rule] = Field(
        default={
            "full_name": "most_frequent",
            "date_of_birth": "most_frequent",
            "gender": "most_frequent",
            "tax_id": "most_frequent",
            "organisation": "most_frequent",
            "street": "most_recent",
        }
    )


class Quality(Section):
    """What counts as a good customer and what stops a run before gold is published."""

    expected: tuple[str, ...] = ("full_name", "email", "phone", "street", "postcode")
    stale_after_days: int = Field(default=730, ge=1)
    max_source_drop: Share = 0.90
    review_limit: int = Field(default=10_000, ge=1)


class Publish(Section):
    """Limits that turn a run into a plan that waits for a person. Off unless set."""

    max_merged_share: Share | None = None
    max_split_share: Share | None = None
    max_deleted_share: Share | None = None
    max_cluster_size: int | None = Field(default=None, ge=1)


class Enrichment(Section):
    """What may be guessed beside the golden values, never into them. Off unless set."""

    gender_inferred: bool = False


class Retention(Section):
    """How long `mdm vacuum` keeps what nothing needs any more, in days; not set: for good."""

    superseded_raw_days: int | None = Field(default=365, ge=1)
    plans_days: int | None = Field(default=90, ge=1)
    phase_runs_days: int | None = Field(default=730, ge=1)


class Config(Section):
    """The whole of ``mdm.toml``."""

    sources: dict[str, Source] = Field(min_length=1)
    attributes: dict[str, Attribute] = Field(default={})
    demo: Demo = Demo()
    ingestion: Ingestion = Ingestion()
    staging: Staging = Staging()
    matching: Matching = Matching()
    identity: Identity = Identity()
    survivorship: Survivorship = Survivorship()
    quality: Quality = Quality()
    publish: Publish = Publish()
    enrichment: Enrichment = Enrichment()
    retention: Retention = Retention()

    @property
    def known_attributes(self) -> tuple[str, ...]:
        """The fixed attributes, then the configured further ones."""
        return ATTRIBUTES + tuple(self.attributes)

    @property
    def digest(self) -> str:
        """SHA-256 of the configuration as understood: comments and key order do not count."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        if faults := list(self._faults()):
            raise ValueError("\n".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        """Where one section does not fit another."""
        tables: dict[str, str] = {}
        for name, source in self.sources.items():
            if not _PARTITION_SAFE.fullmatch(name):
                yield f"sources.{name}: a source name has letters, digits, '_', '.' and '-' only"
            if source.table in tables:
                yield (
                    f"sources.{name}.table: {source.table!r} is already the table of "
                    f"source {tables[source.table]!r}; each source has its own"
                )
            tables[source.table] = name
            yield from self._unknown(f"sources.{name}.fields", source.fields)
        for name in self.attributes:
            if name in ATTRIBUTES:
                yield f"attributes.{name}: this attribute is built in; remove the section"
            elif not _IDENTIFIER.fullmatch(name):
                yield f"attributes.{name}: use lower-case letters, digits and '_'"
        yield from self._unknown("survivorship.rules", self.survivorship.rules)
        yield from self._unknown("staging.placeholders", self.staging.placeholders.by_attribute)
        yield from self._unknown("quality.expected", self.quality.expected)
        for key in ("always_match", "never_match"):
            for rule in getattr(self.matching, key):
                yield from self._unknown(f"matching.{key}", rule)
        for name in self.survivorship.source_priority:
            if name not in self.sources:
                yield f"survivorship.source_priority: {no_such('source', name, self.sources)}"

    def _unknown(self, where: str, names: Iterable[str]) -> Iterator[str]:
        for name in names:
            if name not in self.known_attributes:
                told = no_such("attribute", name, self.known_attributes)
                yield f"{where}.{name}: {told}; a further one is named by [attributes.NAME]"


def load(path: Path) -> Config:
    """The checked configuration in ``path``.

    Raises ConfigError that names file, key, what was found and what is allowed, all faults at once.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: no such configuration file. Name one with --config FILE or MDM_CONFIG."
        ) from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8; save it in that encoding") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        raise ConfigError(explain(path, error, Config)) from error
