"""The population is a society: common names, households, fathers and sons, phones that exist."""

from __future__ import annotations

from collections import Counter

import numpy as np
import phonenumbers
import pytest

from producers import reference
from producers.population import (
    JUNIOR,
    NONE,
    SENIOR,
    Population,
    grow,
    people_count,
    population_tag,
)
from producers.timeline import Timeline


@pytest.fixture(scope="module")
def people() -> Population:
    return grow(7, population_tag(7, 50_000), people_count(50_000))


def test_sizes_are_two_fifths_of_the_events() -> None:
    assert people_count(9_000) == 3_600
    assert people_count(1_000_000) == 400_000


def test_the_same_seed_gives_the_same_people_and_another_seed_others() -> None:
    one, same, other = (grow(seed, "TAGS", 500) for seed in (1, 1, 2))
    for name in Population.__slots__:
        assert np.array_equal(getattr(one, name), getattr(same, name)), name
    assert not np.array_equal(one.given, other.given)


def test_shipped_lists_are_rich() -> None:
    ref = reference.load()
    assert len(ref.given) >= 500
    assert len(ref.family) >= 1_500
    assert ref.has_nickname.sum() >= 200
    assert len(reference.CULTURES) >= 10


def test_names_have_heavy_tails(people: Population) -> None:
    families = Counter(people.family.tolist()).most_common()
    assert families[0][1] > 20 * np.median([count for _, count in families])
    ten_most = sum(count for _, count in families[:10]) / len(people)
    assert 0.03 < ten_most < 0.20


def test_given_names_follow_their_decade(people: Population) -> None:
    ref = reference.load()
    born = 1970 + people.born / 365.25
    by_name = {name: np.median(born[ref.given[people.given] == name]) for name in ("Linda", "Emma")}
    assert by_name["Linda"] + 20 < by_name["Emma"]


def test_households_share_name_address_and_phone(people: Population) -> None:
    sizes = np.bincount(people.household)
    assert 0.35 < (sizes[sizes > 0] == 1).mean() < 0.55
    first = np.flatnonzero(np.r_[True, people.household[1:] != people.household[:-1]])
    head = np.repeat(first, np.diff(np.r_[first, len(people)]))
    others = np.flatnonzero(head != np.arange(len(people)))
    assert np.array_equal(people.address[others], people.address[head[others]])
    assert 0.6 < (people.family[others] == people.family[head[others]]).mean() < 0.95
    both = others[(people.landline[others] != NONE) & (people.landline[head[others]] != NONE)]
    assert len(both) > 500
    assert np.array_equal(people.landline[both], people.landline[head[both]])
    assert (people.email[others] == people.email[head[others]]).mean() > 0.03


def test_fathers_and_sons_of_one_name_are_a_generation_apart(people: Population) -> None:
    sons = np.flatnonzero(people.suffix == JUNIOR)
    assert len(sons) > 100
    for son in sons.tolist():
        home = np.flatnonzero(people.household == people.household[son])
        (father,) = home[people.suffix[home] == SENIOR]
        assert people.given[father] == people.given[son]
        assert people.family[father] == people.family[son]
        assert 20 * 365 < people.born[son] - people.born[father] < 32 * 366


def test_there_are_twins(people: Population) -> None:
    twins = Counter(zip(people.household.tolist(), people.born.tolist(), strict=True))
    assert sum(count == 2 for count in twins.values()) > 50


def test_no_two_people_own_one_mailbox_unless_at_home(people: Population) -> None:
    homes: dict[str, set[int]] = {}
    for mail, home in zip(people.email, people.household.tolist(), strict=True):
        homes.setdefault(mail, set()).add(home)
    assert all(len(found) == 1 for found in homes.values())


def test_phones_are_possible_numbers(people: Population) -> None:
    numbers = [*people.phone[:300].tolist(), *people.phone[people.phone > 10**11][:100].tolist()]
    for number in numbers:
        assert phonenumbers.is_valid_number(phonenumbers.parse(f"+{number}")), number


def test_everyone_comes_and_some_come_often() -> None:
    events = Timeline(3, 20_000).today
    counts = np.bincount(events.person, minlength=8_000)
    assert len(events) == 20_000
    assert counts.min() == 1
    assert counts.max() > 30
    assert (counts == 1).mean() > 0.3
