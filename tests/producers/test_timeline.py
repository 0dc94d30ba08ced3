"""A day later: what changed is what the next day says, whoever computes it."""

from __future__ import annotations

import numpy as np
import pytest

from producers.timeline import CORRECTED, DELETED, FIRST, SECONDS_PER_DAY, Timeline


@pytest.fixture(scope="module")
def second_day() -> Timeline:
    return Timeline.at(42, 9_000, 2)


def test_a_day_does_not_need_the_process_that_made_the_days_before() -> None:
    walked = Timeline(5, 900)
    for _ in range(3):
        walked.advance()
    direct = Timeline.at(5, 900, 4)
    for name in walked.today.__slots__:
        assert np.array_equal(getattr(walked.today, name), getattr(direct.today, name)), name


def test_the_second_day_has_everything_that_days_have(second_day: Timeline) -> None:
    changes = second_day.changes
    today = second_day.today
    assert min(map(len, (changes.newcomers, changes.movers, changes.married))) > 0
    assert len(changes.new_contacts) > 0
    assert (today.kind == FIRST).sum() == 900
    assert (today.kind == CORRECTED).sum() == 45
    assert (today.kind == DELETED).sum() == 22


def test_whoever_changed_is_heard_of_the_same_day(second_day: Timeline) -> None:
    heard = set(second_day.today.person[second_day.today.kind == FIRST].tolist())
    changes = second_day.changes
    for persons in (changes.newcomers, changes.movers, changes.married, changes.new_contacts):
        assert set(persons.tolist()) <= heard


def test_newcomers_are_strangers_and_the_married_take_a_name(second_day: Timeline) -> None:
    before, people = Timeline(42, 9_000).people, second_day.people
    assert second_day.changes.newcomers.min() == len(before)
    old_homes, new_homes = before.household, people.household[second_day.changes.newcomers]
    assert not set(old_homes.tolist()) & set(new_homes.tolist())
    for person in second_day.changes.married.tolist():
        assert people.family[person] != people.birth_family[person] == before.family[person]
        home = np.flatnonzero(people.household == people.household[person])
        assert len(home) == 2
        assert len(set(people.family[home].tolist())) == 1
        assert len(set(people.address[home].tolist())) == 1


def test_households_move_together(second_day: Timeline) -> None:
    people, movers = second_day.people, second_day.changes.movers
    for home in np.unique(people.household[movers]).tolist():
        members = np.flatnonzero(people.household == home)
        assert len(set(people.address[members].tolist())) == 1
    assert (people.earlier_address[movers] != people.address[movers]).all()


def test_corrections_and_deletions_are_of_records_delivered_before() -> None:
    timeline = Timeline(9, 3_000)
    delivered: set[tuple[int, int]] = set()
    corrected: set[tuple[int, int]] = set()
    gone: set[tuple[int, int]] = set()
    for day in range(1, 9):
        if day > 1:
            timeline.advance()
        today = timeline.today
        ids = list(zip(today.system.tolist(), today.number.tolist(), strict=True))
        assert len(set(ids)) == len(ids), "one line per record and day"
        for key, kind in zip(ids, today.kind.tolist(), strict=True):
            assert key not in gone
            if kind == FIRST:
                assert key not in delivered
                continue
            assert key in delivered
            (gone if kind == DELETED else corrected).add(key)
        delivered |= set(ids)
        start = (day - 1) * SECONDS_PER_DAY
        assert ((today.second >= start) & (today.second < start + SECONDS_PER_DAY)).all()
        assert (today.opened <= today.second).all()
    assert corrected
    assert gone
    known = timeline.records
    alive = known.events.take(known.alive)
    live = set(zip(alive.system.tolist(), alive.number.tolist(), strict=True))
    assert live == delivered - gone
