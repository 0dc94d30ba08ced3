"""What the three demo systems have in common: a system's description, and how values become
text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from anyascii import anyascii

from producers import noise
from producers.population import JUNIOR, NO_SUFFIX, Ints, Population
from producers.spelling import Batch, Habits, Spelled, spell
from producers.timeline import DELETED, Events

Document = dict[str, Any]
SUFFIXES = {JUNIOR: "Jr.", 2: "Sr."}


@dataclass(frozen=True, slots=True)
class Lines:
    """All that a system needs to write some of its records: parallel columns, one row per line."""

    ids: list[str]
    opened: Ints
    """Seconds since 1970, as `updated`."""
    updated: Ints
    spelled: Spelled
    choice: list[int]
    """A number per record for whatever a system leaves to chance."""


@dataclass(frozen=True, slots=True)
class System:
    """One of the systems that meet the population."""

    name: str
    number: int
    """Its place in `timeline.SYSTEMS`."""
    prefix: str
    id_field: str
    habits: Habits
    writes: tuple[str, ...]
    """What it keeps, of `spelling.ATTRIBUTES` and `spelling.ALSO`."""
    compose: Callable[[Lines], Iterator[Document]]
    stamp: Callable[[Ints], list[str]]
    """How it writes instants."""

    def record_id(self, tag: str, number: int) -> str:
        """The id of its record of this number, in the population of this tag."""
        return f"{self.prefix}-{tag}-{number:07d}"

    def documents(self, people: Population, events: Events, midnight: int) -> Iterator[Document]:
        """Yield the events as the system writes them; `midnight` = day 1, in seconds from 1970."""
        batch = Batch(events.person, events.variant, events.careful)
        key = noise.seed_key(people.seed, people.tag)
        lines = Lines(
            ids=[self.record_id(people.tag, number) for number in events.number.tolist()],
            opened=events.opened + midnight,
            updated=events.second + midnight,
            spelled=spell(people, batch, self.number, self.habits, self.writes),
            choice=noise.mix(key, "style", events.person, events.variant, self.number).tolist(),
        )
        deleted = set(np.flatnonzero(events.kind == DELETED).tolist())
        for row, document in enumerate(self.compose(lines)):
            if row in deleted:
                instant = self.stamp(lines.updated[row : row + 1])[0]
                yield {self.id_field: lines.ids[row], "_deleted": True, "updated_at": instant}
            else:
                yield document


def utc_stamps(seconds: Ints) -> list[str]:
    """Instants as 2026-03-01T14:05:09Z."""
    text: list[str] = np.datetime_as_string(seconds.astype("datetime64[s]")).tolist()
    return [instant + "Z" for instant in text]


def new_york_stamps(seconds: Ints) -> list[str]:
    """The same instants as a clock five hours behind shows them: 2026-03-01T09:05:09-05:00."""
    text: list[str] = np.datetime_as_string((seconds - 5 * 3600).astype("datetime64[s]")).tolist()
    return [instant + "-05:00" for instant in text]


def iso_dates(days: list[int | None]) -> list[str | None]:
    """Dates as 1980-05-17."""
    known = np.array([0 if day is None else day for day in days], dtype="datetime64[D]")
    text: list[str] = np.datetime_as_string(known).tolist()
    return [None if day is None else date for day, date in zip(days, text, strict=True)]


def american_date(iso: str | None) -> str | None:
    """The date as 05/17/1980."""
    return None if iso is None else f"{iso[5:7]}/{iso[8:]}/{iso[:4]}"


def german_date(iso: str | None) -> str | None:
    """The date as 17.05.1980."""
    return None if iso is None else f"{iso[8:]}.{iso[5:7]}.{iso[:4]}"


def national_phone(phone: int | str | None) -> str | None:
    """A US number as (415) 338-1234, another one as +44 7701 234567; placeholders as they are."""
    if not isinstance(phone, int):
        return phone
    digits = str(phone)
    if len(digits) == 11:
        return f"({digits[1:4]}) {digits[4:7]}-{digits[7:]}"
    return f"+{digits[:2]} {digits[2:6]} {digits[6:]}"


def e164_phone(phone: int | str | None) -> str | None:
    """The number as +14153381234; placeholders as they are."""
    return f"+{phone}" if isinstance(phone, int) else phone


def loose_phone(phone: int | str | None, choice: int) -> str | None:
    """The number as people type it: 415-338-1234, 415.338.1234, 4153381234 or 1 415 338 1234."""
    if not isinstance(phone, int):
        return phone
    digits = str(phone)
    if len(digits) != 11:
        return f"00{digits}" if choice % 2 else f"+{digits[:2]} (0){digits[2:]}"
    area, exchange, line = digits[1:4], digits[4:7], digits[7:]
    return (
        f"{area}-{exchange}-{line}",
        f"{area}.{exchange}.{line}",
        f"{area}{exchange}{line}",
        f"1 {area} {exchange} {line}",
    )[choice % 4]


def joined_name(spelled: Spelled, row: int, *, family_first: bool = False) -> str:
    """Given, middle and family name and suffix of a row in one text."""
    given, middle, family = spelled.given[row], spelled.middle[row], spelled.family[row]
    first = f"{given} {middle[0]}." if middle else given
    last = family
    if spelled.suffix[row] != NO_SUFFIX:
        last = f"{family} {SUFFIXES[int(spelled.suffix[row])]}"
    return f"{last}, {first}" if family_first else f"{first} {last}"


def ascii_text(text: str) -> str:
    """The text without accents, as an older system stores it."""
    return text if text.isascii() else anyascii(text)


def filled(document: Document) -> Document:
    """The document without its empty members."""
    if None not in document.values():
        return document
    return {name: value for name, value in document.items() if value is not None}
