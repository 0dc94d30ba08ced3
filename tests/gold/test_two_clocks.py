"""What was known by when, of which time: gold.customers_as_of(valid_at, known_at)."""

from __future__ import annotations

from typing import Any

from .conftest import World

# records are dated by days from 2025-12-01; run n is at hour n of 2026-01-01
EMAILS = (
    "SELECT canonical_email FROM gold.customers_as_of("
    "timestamptz '2025-12-01 00:00+00' + :day * interval '1 day', "
    "timestamptz '2026-01-01 00:00+00' + :hour * interval '1 hour') ORDER BY 1"
)


def emails(world: World, *, day: float, hour: float) -> list[Any]:
    """The e-mails of the customers of ``day`` as known at ``hour``."""
    return [row[0] for row in world.rows(EMAILS, day=day, hour=hour)]


def test_each_clock_turns_by_itself(world: World) -> None:
    world.put("sales:1", "ann", day=1, email="one@example.org")
    world.run()
    world.put("sales:1", day=5, email="five@example.org")
    world.run()
    assert emails(world, day=0, hour=9) == []
    assert emails(world, day=9, hour=0) == []
    assert emails(world, day=1, hour=1) == ["one@example.org"]
    assert emails(world, day=4.9, hour=9) == ["one@example.org"]
    assert emails(world, day=5, hour=1.9) == ["one@example.org"]
    assert emails(world, day=5, hour=2) == ["five@example.org"]


def test_a_correction_by_a_steward_holds_for_the_time_of_what_it_corrects(world: World) -> None:
    world.put("sales:1", "ann", day=3, email="wrong@example.org")
    world.run()
    world.override("ann", "email", "right@example.org")
    world.run()
    assert emails(world, day=3, hour=1) == ["wrong@example.org"]
    assert emails(world, day=3, hour=2) == ["right@example.org"]
    assert emails(world, day=2, hour=2) == []


def test_a_confirmation_does_not_move_what_a_version_rests_on(world: World) -> None:
    world.put("sales:1", "ann", day=1, email="one@example.org")
    world.run()
    world.put("sales:2", "ann", day=8, email="one@example.org")
    world.run()
    assert world.rows("SELECT count(*) FROM gold.dim_customers_history") == [(1,)]
    assert emails(world, day=2, hour=9) == ["one@example.org"]


def test_who_is_who_is_as_known(world: World) -> None:
    world.put("sales:1", "ann", day=1, email="ann@example.org")
    world.put("sales:2", "twin", day=2, email="twin@example.org")
    world.run()
    world.merge("twin", "ann")
    world.run()
    assert emails(world, day=9, hour=1) == ["ann@example.org", "twin@example.org"]
    assert emails(world, day=9, hour=2) == ["twin@example.org"]
    # before the newest record of both: what was said of the one that stayed
    assert emails(world, day=1, hour=2) == ["ann@example.org"]


def test_without_a_limit_on_the_one_clock_the_other_answers_alone(world: World) -> None:
    for day, email in ((1, "one"), (3, "three"), (2, "late"), (9, "nine")):
        world.put(f"sales:{day}", "ann", day=day, email=f"{email}@example.org")
        world.put(f"support:{day}", f"b{day}", day=day, email=f"b{email}@example.org")
        world.run()
    both = (
        "SELECT history_id FROM gold.customers_as_of({}timestamptz '2026-01-01 00:00+00' "
        "+ :hour * interval '1 hour') ORDER BY 1"
    )
    for hour in range(6):
        known = world.rows(both.format(""), hour=hour)
        assert world.rows(both.format("'infinity', "), hour=hour) == known
        assert len(known) == min(hour, 4) + (hour > 0)
