"""Strangers of one full name: more of them than the two names on their own would give."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from matching import engine
from matching.model import MatchModel
from matching.profiles import PERSON, Profiles
from matching.scoring import calibrate

Person = dict[str, str | None]
COUNTRIES, NAMES_EACH, PEOPLE, TWICE = 40, 4, 1600, 500


def word(number: int) -> str:
    """A name like no other: eight letters drawn anew for each number."""
    return "".join(random.Random(number).choices("abcdefghijklmnoprstuvwz", k=8))


def townsfolk() -> Iterator[tuple[int, Person]]:
    """People of forty countries, each with four given and four family names of its own.

    So one in 640 bears a full name; were its parts independent, one in 25,600 would.
    """
    chance = random.Random(4)
    for who in range(PEOPLE):
        country = who % COUNTRIES
        given, family = (chance.randrange(NAMES_EACH) for _ in range(2))
        person: Person = {
            "given_name": word(1000 + 37 * (country * NAMES_EACH + given)),
            "family_name": word(20000 + 53 * (country * NAMES_EACH + family)),
            "phone": f"+4420{chance.randrange(10**8):08}",
            "email": f"{word(chance.randrange(38416))}{who}@example.org",
        }
        yield who, person
        if who < TWICE:
            other = "phone" if chance.random() < 0.5 else "email"
            yield who, {**person, other: None}


@pytest.fixture(scope="module")
def people() -> tuple[list[Person], list[int]]:
    found = list(townsfolk())
    return [person for _, person in found], [who for who, _ in found]


@pytest.fixture
def learnt(
    people: tuple[list[Person], list[int]],
    profiles_of: Callable[..., Profiles],
    all_pairs: Callable[..., Any],
) -> tuple[Profiles, MatchModel]:
    """The people and a model of them, from pairs as blocking finds them: they share something."""
    profiles = profiles_of(people[0])
    left, right = all_pairs(len(profiles))
    codes = [profiles.full_name, profiles.family, *(c.codes for c in profiles.columns.values())]
    met = np.any([(one[left] == one[right]) & (one[left] >= 0) for one in codes], axis=0)
    return profiles, engine.train(profiles, left[met], right[met], code_version="test")


def test_two_of_a_full_name_that_goes_together_are_not_one(
    learnt: tuple[Profiles, MatchModel], people: tuple[list[Person], list[int]]
) -> None:
    profiles, model = learnt
    truth = np.array(people[1])
    left, right = np.triu_indices(len(profiles), 1)
    agree = (profiles.full_name[left] == profiles.full_name[right]) & (truth[left] != truth[right])
    left, right = left[agree], right[agree]
    assert len(left) > 1000

    def sure(model: MatchModel) -> float:
        weight = engine.score(profiles, model, left, right)[0]
        return float((calibrate(weight, model.calibration) > 0.6).mean())

    independent = MatchModel.from_json(model.to_json())
    independent.segments[PERSON].namesake_bits = {}
    assert sure(independent) > 0.9, "names as independent parts: the fault to be seen"
    assert sure(model) < sure(independent) / 5


def test_the_excess_is_that_of_the_people(
    learnt: tuple[Profiles, MatchModel], people: tuple[list[Person], list[int]]
) -> None:
    """As a count of strangers gives it, who are known here and not to training."""
    profiles, model = learnt
    truth, n = np.array(people[1]), len(profiles)

    def share_of_strangers(codes: np.ndarray) -> float:
        alike = codes[:, None] == codes[None, :]
        return float((alike & (truth[:, None] != truth[None, :])).sum() / n**2)

    parts = share_of_strangers(profiles.given) * share_of_strangers(profiles.family)
    excess = share_of_strangers(profiles.full_name) / parts
    bits = list(model.segments[PERSON].namesake_bits.values())
    assert len(bits) > 400
    assert np.median(bits) == pytest.approx(np.log2(excess), abs=1.5)


def test_records_of_one_customer_are_still_one(
    learnt: tuple[Profiles, MatchModel], people: tuple[list[Person], list[int]]
) -> None:
    profiles, model = learnt
    left = np.array([at for at, who in enumerate(people[1][1:]) if who == people[1][at]])
    weight = engine.score(profiles, model, left, left + 1)[0]
    assert len(left) == TWICE
    assert (calibrate(weight, model.calibration) > 0.9).mean() > 0.99


def test_a_name_nobody_else_bears_loses_nothing(learnt: tuple[Profiles, MatchModel]) -> None:
    profiles, model = learnt
    holders = np.bincount(profiles.full_name)
    low, high = profiles.full_name_parts
    names = profiles.person_names.text
    alone = {
        frozenset((names[int(low[at])], names[int(high[at])]))
        for at in np.flatnonzero(holders == 1)
    }
    lost = {frozenset(name.split("|")) for name in model.segments[PERSON].namesake_bits}
    assert alone
    assert not alone & lost
