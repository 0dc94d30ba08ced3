"""A flat customer file of any size, with truth: what benchmarks match and measure.

One source, no events: every record is one registration of a person, written on its own occasion
with its own errors, gaps and old data, so nearly all records differ. Households share phones,
addresses and family names; strangers share placeholders and the mailboxes of firms. Two and a half
records per person, unevenly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from producers.population import Ints, Population, grow, people_count, population_tag
from producers.spelling import Batch, Habits, spell
from producers.systems import iso_dates, loose_phone

CHUNK = 50_000
ID = "record_id"
FIELDS = (
    "given_name",
    "family_name",
    "email",
    "phone",
    "date_of_birth",
    "street",
    "city",
    "postcode",
)
"""The columns beside the id; each is also the name of the attribute it maps to."""

HABITS = Habits(
    typo=0.05,
    nickname=0.10,
    initial=0.03,
    swapped=0.015,
    middle=0.0,
    old_mail=0.5,
    old_phone=0.5,
    old_address=0.6,
    landline=0.25,
    firm_contact=0.03,
    placeholder=0.01,
    no_mail=0.22,
    no_phone=0.25,
    no_birth=0.22,
    no_street=0.10,
    no_city=0.04,
)
TURNOVER = 3.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some of the records, and the person behind each."""

    records: pl.DataFrame
    """`record_id` and `FIELDS`, all text, null where there is nothing."""
    clusters: pl.DataFrame
    """`record_id`, `cluster_id`."""


def customer_file(records: int, seed: int = 42, *, chunk: int = CHUNK) -> Iterator[Chunk]:
    """Yield the file of `records` rows in chunks; rows are in random order, ids in row order.

    The same arguments give the same file whatever the size of chunks. Memory holds the population
    (about 100 bytes a person) and one chunk.
    """
    tag = population_tag(seed, records)
    people = grow(seed, tag, people_count(records), turnover=TURNOVER)
    person, occasion = _registrations(people, records, seed)
    for start in range(0, records, chunk):
        rows = slice(start, min(start + chunk, records))
        yield _chunk(people, person[rows], occasion[rows], start)


def _registrations(people: Population, records: int, seed: int) -> tuple[Ints, Ints]:
    """The person of each record, and which of that person's records it is."""
    rng = np.random.default_rng([seed, records, 2])
    count = len(people)
    weights = np.minimum(people.activity, 8.0)
    more = rng.multinomial(max(0, records - count), weights / weights.sum())
    person = np.repeat(np.arange(count), 1 + more)[:records]
    first = np.r_[0, np.cumsum(1 + more)[:-1]]
    occasion = np.arange(len(person)) - first[person]
    order = rng.permutation(len(person))
    return person[order], occasion[order]


def _chunk(people: Population, person: Ints, occasion: Ints, start: int) -> Chunk:
    rows = len(person)
    batch = Batch(person, np.zeros(rows, np.int8), np.zeros(rows, bool))
    # Each occasion counts as a system of its own: gaps and old data differ from record to record.
    spelled = spell(people, batch, occasion, HABITS)
    ids = [f"R{number + 1:08d}" for number in range(start, start + rows)]
    text: dict[str, Iterable[str | None]] = {
        "given_name": spelled.given,
        "family_name": spelled.family,
        "email": spelled.email,
        "phone": [loose_phone(p, int(o)) for p, o in zip(spelled.phone, occasion, strict=True)],
        "date_of_birth": iso_dates(spelled.born.tolist()),
        "street": spelled.street,
        "city": spelled.city,
        "postcode": spelled.postcode,
    }
    columns = [pl.Series(ID, ids)]
    columns += [pl.Series(name, list(text[name]), dtype=pl.String) for name in FIELDS]
    clusters = [f"P-{people.tag}-{number + 1:06d}" for number in person.tolist()]
    return Chunk(pl.DataFrame(columns), pl.DataFrame({ID: ids, "cluster_id": clusters}))
