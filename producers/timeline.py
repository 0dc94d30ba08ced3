"""What happens to the population day by day: who buys, moves, marries, and which records are
corrected.

Day 1 is the whole history as the systems hold it; a later day has a tenth of its events. Day N is a
pure function of (seed, records, N): the few changes of the days before are replayed, which costs a
moment, and none of their records is written for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from producers import noise
from producers.population import (
    NONE,
    Flags,
    Ints,
    city_of,
    grow,
    later_emails,
    next_address,
    people_count,
    phone_numbers,
    population_tag,
)

SYSTEMS = ("sales", "support", "marketing")
"""A system's number is its place here. Their shares of all events:"""
SHARES = (0.4, 0.3, 0.3)
SALES, SUPPORT, MARKETING = range(3)

FIRST, CORRECTED, DELETED = 0, 1, 2
"""Kinds of lines: a record for the first time, the same record put right, a delete marker."""

SECONDS_PER_DAY = 86_400
LATER_DAY_SHARE = 0.1
_EVENTS_PER_ACTIVE_HOUR = 40
_HOUR_WEIGHTS = np.array(
    [2, 1, 1, 1, 1, 2, 4, 6, 9, 11, 12, 12, 11, 11, 12, 12, 11, 10, 9, 9, 8, 7, 5, 3], dtype=float
)


@dataclass(slots=True)
class Events:
    """Lines that the systems send on one day, as parallel arrays, ordered by system and time."""

    system: NDArray[np.int8]
    number: Ints
    """The record's number within its system, from 1, over all days."""
    person: Ints
    variant: NDArray[np.int8]
    careful: Flags
    kind: NDArray[np.int8]
    opened: Ints
    """When the record came to be, in seconds since the first day's midnight."""
    second: Ints
    """When this line was written: `opened`, or the time of the correction or deletion."""

    def __len__(self) -> int:
        return len(self.system)

    def take(self, rows: NDArray[np.int64] | Flags) -> Events:
        """The events at these rows."""
        return Events(*(getattr(self, name)[rows] for name in self.__slots__))

    @classmethod
    def join(cls, parts: list[Events]) -> Events:
        """All events of the parts, in their order."""
        return cls(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__)
        )


@dataclass(slots=True)
class Changes:
    """What one day did to the population: persons and record rows, for the file that tells the
    truth."""

    newcomers: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    movers: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    married: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    new_contacts: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    gone: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    """Persons whose last record was deleted."""


@dataclass(slots=True)
class Records:
    """Every record of every day so far: the latest state of each, by row in order of first
    delivery."""

    events: Events
    alive: Flags
    corrected: Flags


class Timeline:
    """The population and its records as of one day; `advance` goes to the next."""

    def __init__(self, seed: int, records: int) -> None:
        self.seed, self.size = seed, records
        self.tag = population_tag(seed, records)
        self.key = noise.seed_key(seed, self.tag)
        self.people = grow(seed, self.tag, people_count(records))
        self.day = 1
        self.changes = Changes()
        self.today = self._first_day()
        self.records = Records(
            self.today, np.ones(len(self.today), bool), np.zeros(len(self.today), bool)
        )

    @classmethod
    def at(cls, seed: int, records: int, day: int) -> Timeline:
        """The timeline as of that day, from 1."""
        timeline = cls(seed, records)
        while timeline.day < day:
            timeline.advance()
        return timeline

    def advance(self) -> None:
        """Let the next day happen: people change, then the systems write."""
        self.day += 1
        rng = np.random.default_rng([self.seed, noise.seed_key(self.tag), self.day, 1])
        size = max(12, round(self.size * LATER_DAY_SHARE))
        changes = Changes(
            newcomers=self._newcomers(max(2, size // 10)),
            movers=self._movers(max(1, size // 40), rng),
            married=self._marriages(max(1, size // 100), rng),
            new_contacts=self._new_contacts(max(1, size // 40), rng),
        )
        told = self._told_today(changes, rng)
        again = max(1, size - len(told))
        told = Events.join([told, self._repeat_events(again, rng)])
        self._number(told)
        corrections, deletions = self._second_thoughts(max(2, size // 20), max(1, size // 40), rng)
        known = self.records
        known.events = Events.join([known.events, told])
        known.alive = np.r_[known.alive, np.ones(len(told), bool)]
        known.corrected = np.r_[known.corrected, np.zeros(len(told), bool)]
        lines = Events.join([told, corrections, deletions])
        self.today = lines.take(np.lexsort((lines.number, lines.second, lines.system)))
        left = np.bincount(known.events.person[known.alive], minlength=len(self.people))
        touched = np.unique(deletions.person)
        changes.gone = touched[left[touched] == 0]
        self.changes = changes

    @cached_property
    def _popular(self) -> NDArray[np.float64]:
        ladder: NDArray[np.float64] = np.cumsum(self.people.activity)
        return ladder

    def _first_day(self) -> Events:
        rng = np.random.default_rng([self.seed, noise.seed_key(self.tag), 1, 1])
        people = len(self.people)
        more = max(0, self.size - people)
        weights = self.people.activity / self.people.activity.sum()
        person = np.repeat(np.arange(people), 1 + rng.multinomial(more, weights))[: self.size]
        rng.shuffle(person)
        sold, asked = (round(self.size * share) for share in SHARES[:2])
        system = np.repeat([SALES, SUPPORT, MARKETING], [sold, asked, self.size - sold - asked])
        events = self._events(person, system, rng)
        events.number[:] = _ranks(system)
        return events

    def _events(
        self,
        person: Ints,
        system: NDArray[np.integer],
        rng: np.random.Generator,
        *,
        careful: bool = False,
    ) -> Events:
        """New records of these persons, sorted by system and time, not yet numbered."""
        count = len(person)
        opened = (self.day - 1) * SECONDS_PER_DAY + self._seconds(system, rng)
        events = Events(
            system=system.astype(np.int8),
            number=np.zeros(count, np.int64),
            person=person.astype(np.int64),
            variant=np.searchsorted([0.74, 0.93], rng.random(count)).astype(np.int8),
            careful=np.full(count, careful),
            kind=np.full(count, FIRST, np.int8),
            opened=opened,
            second=opened.copy(),
        )
        if careful:
            events.variant[:] = 0
        return events.take(np.lexsort((opened, system)))

    def _seconds(self, system: NDArray[np.integer], rng: np.random.Generator) -> Ints:
        """Seconds of the day: by day more than by night, and a few events in a few hours only, so
        that the lake is not filled with objects of three lines."""
        hours = np.zeros(len(system), np.int64)
        day_size = self.size if self.day == 1 else self.size * LATER_DAY_SHARE
        for number, share in enumerate(SHARES):
            rows = system == number
            active = int(np.clip(day_size * share // _EVENTS_PER_ACTIVE_HOUR, 1, 24))
            open_hours = np.unique((np.arange(active) * 24 // active + 9) % 24)
            weights = _HOUR_WEIGHTS[open_hours]
            hours[rows] = rng.choice(open_hours, size=int(rows.sum()), p=weights / weights.sum())
        return hours * 3600 + rng.integers(0, 3600, len(system))

    def _newcomers(self, count: int) -> Ints:
        known = len(self.people)
        first_household = int(self.people.household.max()) + 1
        self.people.append(
            grow(self.seed, self.tag, count, generation=self.day, first_household=first_household)
        )
        self.__dict__.pop("_popular", None)
        return np.arange(known, len(self.people))

    def _movers(self, households: int, rng: np.random.Generator) -> Ints:
        people = self.people
        chosen = np.unique(rng.choice(people.household, size=households))
        movers = np.flatnonzero(np.isin(people.household, chosen))
        people.earlier_address[movers] = people.address[movers]
        people.address[movers] = next_address(people.address[movers])
        return movers

    def _marriages(self, couples: int, rng: np.random.Generator) -> Ints:
        """One of two who lived alone takes the other's family name and moves in."""
        people = self.people
        single = np.flatnonzero(people.alone)
        women = rng.permutation(single[people.gender[single] == 0])[:couples]
        men = rng.permutation(single[people.gender[single] == 1])[: len(women)]
        women = women[: len(men)]
        swap = rng.random(len(men)) < 0.2
        takes, gives = np.where(swap, men, women), np.where(swap, women, men)
        differ = people.family[takes] != people.family[gives]
        takes, gives = takes[differ], gives[differ]
        people.alone[takes] = people.alone[gives] = False
        people.family[takes] = people.family[gives]
        people.household[takes] = people.household[gives]
        people.earlier_address[takes] = people.address[takes]
        people.address[takes] = people.address[gives]
        married: Ints = takes
        return married

    def _new_contacts(self, count: int, rng: np.random.Generator) -> Ints:
        people = self.people
        chosen = np.unique(rng.integers(0, len(people), count))
        mail, phone = chosen[::2], chosen[1::2]
        people.earlier_email[mail] = people.email[mail]
        people.email[mail] = later_emails(
            noise.seed_key(self.key, self.day), mail, people.given[mail], people.family[mail]
        )
        people.earlier_phone[phone] = people.phone[phone]
        people.phone[phone] = phone_numbers(
            noise.seed_key(self.key, self.day),
            "new phone",
            phone,
            city_of(self.key, people.address[phone]),
        )
        people.landline[phone] = NONE
        return chosen

    def _told_today(self, changes: Changes, rng: np.random.Generator) -> Events:
        """Whoever changed is heard of the same day, in a record written with care; so are
        newcomers."""
        told = np.concatenate([changes.movers, changes.married])
        contacts = changes.new_contacts
        return Events.join(
            [
                self._events(changes.newcomers, rng.integers(0, 3, len(changes.newcomers)), rng),
                self._events(told, np.full(len(told), SALES), rng, careful=True),
                self._events(contacts, rng.integers(0, 2, len(contacts)), rng, careful=True),
            ]
        )

    def _repeat_events(self, count: int, rng: np.random.Generator) -> Events:
        ladder = self._popular
        person = np.searchsorted(ladder, rng.random(count) * ladder[-1], side="right")
        system = rng.choice(3, size=count, p=SHARES)
        return self._events(person.clip(max=len(self.people) - 1), system, rng)

    def _number(self, events: Events) -> None:
        """Give new records the next numbers of their systems."""
        last = [
            int(self.records.events.number[self.records.events.system == number].max(initial=0))
            for number in range(len(SYSTEMS))
        ]
        events.number[:] = _ranks(events.system) + np.array(last)[events.system]

    def _second_thoughts(
        self, corrections: int, deletions: int, rng: np.random.Generator
    ) -> tuple[Events, Events]:
        """Records of earlier days put right (once each) and records deleted, for good."""
        known = self.records
        rows = rng.permutation(np.flatnonzero(known.alive & ~known.corrected))
        # Hasty spellings are the likeliest to be wrong; a record that was right gains nothing.
        hasty = rows[known.events.variant[rows] > 0]
        put_right = hasty[:corrections]
        known.corrected[put_right] = True
        rest = rows[~known.corrected[rows]]
        deleted = rest[:deletions]
        known.alive[deleted] = False
        return self._again(put_right, CORRECTED, rng), self._again(deleted, DELETED, rng)

    def _again(self, rows: NDArray[np.int64], kind: int, rng: np.random.Generator) -> Events:
        events = self.records.events.take(rows)
        events.kind[:] = kind
        events.careful[:] = True
        events.second[:] = (self.day - 1) * SECONDS_PER_DAY + self._seconds(events.system, rng)
        return events


def _ranks(system: NDArray[np.integer]) -> Ints:
    """1, 2, 3, ... within each system, in order of rows."""
    ranks = np.zeros(len(system), np.int64)
    for number in range(len(SYSTEMS)):
        rows = system == number
        ranks[rows] = np.arange(1, int(rows.sum()) + 1)
    return ranks
