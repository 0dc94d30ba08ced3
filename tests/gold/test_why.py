"""What is told about a golden value is what made it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from gold.why import why
from mdm.errors import UsageError

if TYPE_CHECKING:
    from tests.gold.conftest import World
else:
    World = Any

START = datetime(2026, 1, 1, tzinfo=UTC)


def hour(n: float) -> datetime:
    """The instant ``n`` hours into the test; run n is at hour n."""
    return START + timedelta(hours=n)


def lost(world: World, customer: str, attribute: str) -> dict[str, str]:
    """Why each other record's value lost, by record."""
    found = why(world.conn, world.customer(customer), attribute)
    return {one.record: one.verdict for one in found.others}


def test_the_most_recent_wins_and_the_others_are_told_why(world: World) -> None:
    world.put("sales:1", "ann", day=1, email="old@example.org")
    world.put("support:2", "ann", day=3, email="new@example.org")
    world.put("marketing:3", "ann", day=3, email="same-day@example.org")
    world.put("sales:4", "ann", day=2, email="new@example.org")
    world.run()
    found = why(world.conn, world.customer("ann"), "canonical_email")
    assert found.attribute == "email"
    assert (found.value, found.rule, found.followed) == ("new@example.org", "most_recent", None)
    assert found.winner is not None
    assert (found.winner.record, found.winner.line_no) == ("support:2", 1)
    assert found.set_by is not None
    assert (found.set_by.event_type, found.set_by.run_id) == ("INSERT", 1)
    assert lost(world, "ann", "email") == {
        "sales:1": "older than 2025-12-04 00:00:00",
        "marketing:3": "as recent, but source marketing ranks below support",
        "sales:4": "agrees",
    }


@pytest.mark.parametrize(
    ("rule", "winner", "reason"),
    [
        ("source_priority", "sales:1", "source support ranks below sales"),
        ("most_recent", "support:2", "older than 2025-12-04 00:00:00"),
        ("longest", "sales:1", "5 characters, the winner has 19"),
        ("most_complete", "sales:1", "its record fills 1 attributes, the winner's 2"),
    ],
)
def test_the_reason_fits_the_rule(world: World, rule: str, winner: str, reason: str) -> None:
    world.config = world.config.model_copy(
        update={
            "survivorship": world.config.survivorship.model_copy(update={"rules": {"email": rule}})
        }
    )
    world.put("sales:1", "ann", day=1, email="long-one@example.eu", gender="F")
    world.put("support:2", "ann", day=3, email="a@b.c")
    world.run()
    found = why(world.conn, world.customer("ann"), "email")
    assert found.winner is not None
    assert (found.rule, found.winner.record) == (rule, winner)
    assert [one.verdict for one in found.others] == [reason]


def test_votes_and_fragments(world: World) -> None:
    world.put("sales:1", "ann", day=1, given_name="Ann", family_name="Lee")
    world.put("support:2", "ann", day=2, given_name="Ann", family_name="Lee")
    world.put("marketing:3", "ann", day=9, given_name="Anna", family_name="Lea")
    world.put("marketing:4", "ann", day=9, given_name="Annie")
    world.run()
    found = why(world.conn, world.customer("ann"), "given_name")
    assert found.value == "Ann"
    assert lost(world, "ann", "given_name") == {
        "sales:1": "agrees",
        "marketing:3": "held by 1 source(s), the winner by 2 (name is taken whole)",
        "marketing:4": "a fragment of a name never displaces a whole one",
    }


def test_an_override_is_named_with_what_it_outranks(world: World) -> None:
    world.put("sales:1", "ann", day=1, email="a@example.org")
    world.run()
    number = world.override("ann", "email", "told@example.org")
    world.run()
    found = why(world.conn, world.customer("ann"), "email", at=hour(1.5))
    assert found.value == "told@example.org"
    assert found.override is not None
    assert (found.override.override_id, found.override.steward) == (number, "ada")
    assert found.winner is not None
    assert found.winner.verdict == "outranked by the steward"
    assert found.set_by is not None
    assert (found.set_by.event_type, found.set_by.old_value) == ("UPDATE", "a@example.org")
    assert found.past is not None
    assert (found.past.value, found.past.override) == ("a@example.org", None)
    assert found.past.ended_by == found.set_by
    then = why(world.conn, world.customer("ann"), "email", at=hour(2)).past
    assert then is not None
    assert then.override is not None
    assert (then.override.override_id, then.value) == (number, "told@example.org")


def test_clearing_is_a_reason_too(world: World) -> None:
    world.put("sales:1", "ann", day=1, email="a@example.org", phone="+442079460111")
    world.override("ann", "phone", None, action="CLEAR")
    world.run()
    found = why(world.conn, world.customer("ann"), "phone")
    assert (found.value, found.override is not None) == (None, True)
    assert why(world.conn, world.customer("ann"), "tax_id").winner is None


def test_what_was_and_what_ended_it(world: World) -> None:
    for day in (1, 2, 3):
        world.put("sales:1", "ann", day=day, email=f"day{day}@example.org", gender="F")
        world.run()
    world.put("sales:1", "ann", day=4, email="day3@example.org", gender="X")
    world.run()
    ann = world.customer("ann")
    past = why(world.conn, ann, "email", at=hour(2.5)).past
    assert past is not None
    assert (past.version, past.value) == (2, "day2@example.org")
    assert (past.valid_from, past.valid_to) == (hour(2), hour(3))
    assert past.set_by is not None
    assert (past.set_by.run_id, past.set_by.old_value) == (2, "day1@example.org")
    assert past.ended_by is not None
    assert (past.ended_by.run_id, past.ended_by.new_value) == (3, "day3@example.org")
    # the change of another attribute at hour 4 neither set nor ended it
    now = why(world.conn, ann, "email", at=hour(4.5)).past
    assert now is not None
    assert now.set_by is not None
    assert (now.version, now.set_by.run_id, now.ended_by) == (4, 3, None)
    before = why(world.conn, ann, "email", at=hour(0.5)).past
    assert before is not None
    assert before.ended_by is not None
    assert (before.version, before.set_by, before.ended_by.run_id) == (None, None, 1)


def test_merged_ids_are_followed_and_deleted_ones_are_told(world: World) -> None:
    world.put("sales:1", "ann", day=1, email="a@example.org")
    world.put("sales:2", "twin", day=2, email="t@example.org")
    world.put("sales:3", "ben", day=2, email="b@example.org")
    world.run()
    world.merge("twin", "ann")
    world.delete("sales:3")
    world.run()
    twin = why(world.conn, world.customer("twin"), "email", at=hour(1))
    assert twin.customer_id == world.customer("ann")
    assert twin.followed is not None
    assert f"merged into {world.customer('ann')}" in twin.followed
    assert twin.value == "t@example.org"
    assert twin.past is not None
    assert (twin.past.customer_id, twin.past.value) == (world.customer("twin"), "t@example.org")
    assert twin.past.ended_by is not None
    assert twin.past.ended_by.event_type == "MERGE"
    after = why(world.conn, world.customer("twin"), "email", at=hour(2)).past
    assert after is not None
    assert after.customer_id == world.customer("ann")
    ben = why(world.conn, world.customer("ben"), "email", at=hour(1))
    assert (ben.customer_id, ben.value) == (None, None)
    assert ben.followed is not None
    assert "was deleted" in ben.followed
    assert ben.past is not None
    assert ben.past.value == "b@example.org"


def test_what_is_none_is_said(world: World) -> None:
    world.put("sales:1", "ann", email="a@example.org")
    world.run()
    with pytest.raises(UsageError, match="never the id"):
        why(world.conn, uuid.uuid4(), "email")
    with pytest.raises(UsageError, match="no attribute 'shoe_size'; attributes: full_name"):
        why(world.conn, world.customer("ann"), "shoe_size")
