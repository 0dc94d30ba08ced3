"""Ids over random lives: whatever the clusters do, what was published keeps its meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from identity.run_identity_resolution import run

if TYPE_CHECKING:
    from tests.identity.conftest import World

RECORDS = tuple("abcdefgh")

# One day: for each record the person it shows, or None when its source has no such record.
Day = dict[str, int | None]
days = st.lists(
    st.fixed_dictionaries({r: st.one_of(st.none(), st.integers(0, 3)) for r in RECORDS}),
    min_size=2,
    max_size=4,
)


def live(world: World, day: Day) -> None:
    """Makes the world of ``day``: records of one person are scored as one."""
    world.contents = {r: f"{r}" for r, person in day.items() if person is not None}
    world.pairs = {}
    for left in world.contents:
        for right in world.contents:
            if left < right and day[left] == day[right]:
                world.pair(left, right)


def members(world: World) -> dict[str, set[str]]:
    return {customer: set(records.split()) for customer, records in world.customers().items()}


@pytest.mark.slow
@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(days=days)
def test_ids_are_for_life(world: World, days: list[Day]) -> None:
    world.conn.rollback()
    ever: dict[str, set[str]] = {}
    for day in days:
        before, known = members(world), set(world.names())
        live(world, day)
        world.resolve()  # checks the invariants of identity too
        after, states, resolved = members(world), world.states(), world.resolved()

        people = {
            frozenset(r for r in day if day[r] == person) for person in set(day.values()) - {None}
        }
        assert {frozenset(records) for records in after.values()} == people
        assert known <= set(world.names()), "a published id is never forgotten"
        for customer, records in before.items():
            still_here = {r for r in records if day[r] is not None}
            if states[customer] == "LIVE":
                assert after[customer] & ever[customer], "an id stays with records it had"
                largest = max(len(records & part) for part in after.values())
                assert len(after[customer] & records) == largest, "and with most of them"
            elif states[customer] == "DELETED":
                assert not still_here, "only an id without records ends"
            else:
                survivor = resolved[customer]
                assert survivor is not None
                assert int(survivor[1:]) < int(customer[1:]), "the oldest survives"
                assert after[survivor] & ever[customer], "and has records of the merged one"
                ever[survivor] |= ever[customer]
        for customer, records in after.items():
            ever.setdefault(customer, set()).update(records)
        for customer, target in resolved.items():
            ends = states[states[customer].removeprefix("-> ")] if "->" in states[customer] else ""
            assert (target is None) == ("DELETED" in (states[customer], ends))
            assert target is None or target in after, "resolve() gives living customers only"

        events = len(world.events())
        assert run(world.conn, world.make_context(world.config, full=True)).rows_out == 0
        assert len(world.events()) == events
