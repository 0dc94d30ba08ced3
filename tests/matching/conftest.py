"""Small worlds for matching: profiles from dictionaries, their pairs, a seeded population."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl
import pytest

from matching.profiles import Profiles

Person = Mapping[str, str | None]


def frame_of(people: Sequence[Person]) -> pl.DataFrame:
    """A frame as ``staging.profiles`` would give it; fingerprints depend on content alone."""
    columns = list(dict.fromkeys(key for person in people for key in person))
    frame = pl.DataFrame(
        {key: [person.get(key) for person in people] for key in columns},
        schema=dict.fromkeys(columns, pl.String),
    )
    prints = [
        hashlib.sha256(repr(sorted((k, v) for k, v in person.items() if v)).encode()).hexdigest()
        for person in people
    ]
    return frame.with_columns(
        pl.Series("profile_id", np.arange(1, len(people) + 1)),
        pl.Series("fingerprint", prints),
    )


def _profiles_of(people: Sequence[Person], types: Mapping[str, str] | None = None) -> Profiles:
    """Encoded profiles of ``people``, in their order."""
    return Profiles.from_frame(frame_of(people), types)


def _all_pairs(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of ``n`` positions."""
    left, right = np.triu_indices(n, 1)
    return left.astype(np.int64), right.astype(np.int64)


Record = dict[str, str | None]

_GIVEN = """
james mary robert patricia john jennifer michael linda david elizabeth william barbara richard
susan joseph jessica thomas sarah charles karen christopher lisa daniel nancy
"""
_FAMILY = """
smith johnson williams brown jones garcia miller davis rodriguez martinez hernandez lopez gonzalez
wilson anderson taylor moore jackson martin lee perez thompson white harris sanchez clark ramirez
lewis robinson walker young allen king wright scott torres nguyen hill
"""
GIVEN, FAMILY = _GIVEN.split(), _FAMILY.split()
STREETS = ("oak", "maple", "cedar", "pine", "elm", "walnut", "spruce", "birch", "willow", "aspen")


def _population(
    people: int, seed: int, *, different_phone: float = 0.3, no_birth: float = 0.2
) -> tuple[list[Record], list[int]]:
    """Records of ``people`` persons, one to four each, and the person behind each record."""
    rng = np.random.default_rng(seed)
    records: list[Record] = []
    truth: list[int] = []
    for person in range(people):
        given, family = str(rng.choice(GIVEN)), str(rng.choice(FAMILY))
        birth = f"{rng.integers(1940, 2005)}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}"
        phone, street = _phone(rng), f"{rng.integers(1, 400)} {rng.choice(STREETS)} street"
        for _ in range(int(rng.integers(1, 5))):
            records.append(
                {
                    "given_name": given[0] if rng.random() < 0.05 else given,
                    "family_name": _typo(family, rng) if rng.random() < 0.08 else family,
                    "date_of_birth": None if rng.random() < no_birth else birth,
                    "phone": _phone(rng) if rng.random() < different_phone else phone,
                    "street": street if rng.random() < 0.9 else None,
                }
            )
            truth.append(person)
    return records, truth


def _phone(rng: np.random.Generator) -> str:
    return f"+1{rng.integers(2_000_000_000, 9_999_999_999)}"


def _typo(word: str, rng: np.random.Generator) -> str:
    at = int(rng.integers(1, len(word)))
    return word[:at] + "q" + word[at:]


@pytest.fixture(scope="session")
def profiles_of() -> Callable[..., Profiles]:
    """A function from dictionaries (and types of further attributes) to encoded profiles."""
    return _profiles_of


@pytest.fixture(scope="session")
def all_pairs() -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
    """A function from n to every pair of n positions."""
    return _all_pairs


@pytest.fixture(scope="session")
def population() -> Callable[..., tuple[list[Record], list[int]]]:
    """A function from a number of persons and a seed to their records and the truth."""
    return _population
