"""What a steward says outranks every rule, and lasts."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from gold import overrides
from mdm.errors import UsageError

from .conftest import World, make_config

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def ann(world: World) -> World:
    """One customer of two records, already published."""
    world.put("sales:1", "ann", day=1, full_name="Ann Lee", email="ann@a.com", city="York")
    world.put("support:1", "ann", day=2, full_name="Ann Lee", email="ann@b.com")
    world.run()
    return world


def value(world: World, attribute: str, customer: str = "ann") -> Any:
    golden = world.golden(customer)
    assert golden is not None
    return golden[f"canonical_{attribute}"]


def test_an_override_is_news_and_survives_corrections_and_rebuilds(ann: World) -> None:
    override = ann.override("ann", "canonical_email", " Ann@Right.com ")
    ann.run()
    assert value(ann, "email") == "ann@right.com"
    assert ann.events(after=1) == [("UPDATE", "ann", None, ["canonical_email"])]
    ann.put("support:1", day=5, full_name="Ann Lee", email="ann@new.com")
    ann.run()
    ann.run(full=True)
    assert value(ann, "email") == "ann@right.com"
    assert ann.rows("SELECT version, canonical_email FROM gold.dim_customers_history") == [
        (1, "ann@b.com"),
        (2, "ann@right.com"),
    ]
    assert ann.rows(
        "SELECT value, source, record_id, rule, override_id FROM gold.customer_attribute_lineage "
        "WHERE attribute = 'email'"
    ) == [("ann@right.com", None, None, "steward_override", override)]


def test_clear_makes_empty_and_revoke_hands_back(ann: World) -> None:
    ann.override("ann", "city", None, action="CLEAR")
    ann.run()
    assert value(ann, "city") is None
    ann.override("ann", "city", None, action="REVOKE")
    ann.run()
    assert value(ann, "city") == "York"
    assert [row[3] for row in ann.events(after=1)] == [["canonical_city"]] * 2


def test_the_latest_word_counts(ann: World) -> None:
    ann.override("ann", "city", "Leeds")
    ann.override("ann", "city", "Hull")
    ann.run()
    assert value(ann, "city") == "Hull"


def test_an_override_starts_and_runs_out_by_itself(ann: World) -> None:
    ann.override("ann", "city", "Leeds")
    ann.override(
        "ann",
        "city",
        "Hull",
        valid_from=NEW_YEAR + timedelta(hours=2.5),
        valid_to=NEW_YEAR + timedelta(hours=3.5),
    )
    cities = []
    for _ in range(4):  # the runs of hours 2 to 5
        ann.run()
        cities.append(value(ann, "city"))
    assert cities == ["Leeds", "Hull", "Leeds", "Leeds"]


def test_an_override_follows_its_customer_through_a_merge_and_back(world: World) -> None:
    world.put("sales:1", "ann", day=2, full_name="Ann Lee", email="ann@a.com")
    world.put("support:1", "ana", day=1, full_name="Ana Lee", email="ana@a.com")
    world.run()
    world.override("ana", "city", "Leeds")
    world.run()
    world.merge("ana", "ann")
    world.run()
    assert value(world, "city") == "Leeds"
    world.split("ann", "ana", "support:1")
    world.run()
    assert value(world, "city") is None
    assert value(world, "city", "ana") == "Leeds"


def test_after_a_merge_the_later_word_counts(world: World) -> None:
    world.put("sales:1", "ann", email="ann@a.com")
    world.put("support:1", "ana", email="ana@a.com")
    world.run()
    world.override("ana", "city", "Leeds")
    world.override("ann", "city", "Hull")
    world.merge("ann", "ana")
    world.run()
    assert value(world, "city", "ana") == "Hull"


def test_an_override_on_a_merged_id_goes_to_the_survivor(world: World) -> None:
    world.put("sales:1", "ann", email="ann@a.com")
    world.put("support:1", "ana", email="ana@a.com")
    world.run()
    world.merge("ana", "ann")
    world.run()
    world.override("ana", "city", "Hull")
    assert world.rows("SELECT global_customer_id FROM gold.customer_steward_overrides") == [
        ("ann",)
    ]


def test_an_override_outlives_its_customer_and_meets_it_again(ann: World) -> None:
    ann.override("ann", "city", "Leeds")
    ann.run()
    ann.delete("support:1")
    ann.delete("sales:1")
    ann.run()
    assert ann.golden("ann") is None
    ann.resurrect("ann")
    ann.put("sales:1", "ann", email="ann@a.com")
    ann.run()
    assert value(ann, "city") == "Leeds"


def test_further_attributes_can_be_overridden(world: World) -> None:
    world.config = make_config(attributes={"job": {"type": "category"}})
    world.put("sales:1", "ann", extra={"job": "Baker"})
    world.run()
    world.override("ann", "job", "Pilot")
    world.run()
    golden = world.golden("ann")
    assert golden is not None
    assert golden["extra"] == {"job": "Pilot"}
    world.override("ann", "job", None, action="CLEAR")
    world.run()
    golden = world.golden("ann")
    assert golden is not None
    assert golden["extra"] == {}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"global_customer_id": uuid.UUID(int=1)}, "no living customer has or had the id"),
        ({"attribute": "shoe_size"}, 'no attribute "shoe_size"'),
        ({"attribute": "email", "value": "not-an-address"}, "not an e-mail address"),
        ({"attribute": "phone", "value": "020 7946 0000"}, "not a phone number"),
        ({"attribute": "date_of_birth", "value": "1980-02-30"}, "not a date"),
        ({"attribute": "date_of_birth", "value": "30/12/1980"}, "not a date"),
        ({"attribute": "date_of_birth", "value": "2999-01-01"}, "nobody alive was born"),
        ({"value": "  "}, "SET needs a value"),
        ({"value": None}, "SET needs a value"),
        ({"action": "CLEAR"}, "CLEAR takes no value"),
        ({"steward": " "}, "needs a steward and a reason"),
        ({"reason": None}, "needs a steward and a reason"),
        ({"valid_to": NEW_YEAR - timedelta(days=99)}, "must be later than valid_from"),
        ({"action": "DELETE"}, "action"),
    ],
)
def test_what_the_database_refuses(ann: World, columns: dict[str, Any], message: str) -> None:
    row = {"attribute": "city", "value": "Leeds"} | columns
    with pytest.raises(DBAPIError, match=message):
        ann.override("ann", row.pop("attribute"), row.pop("value"), **row)


@pytest.mark.parametrize(
    ("attribute", "given", "stored"),
    [
        ("phone", "+44 (20) 7946-0000", "+442079460000"),
        ("date_of_birth", "1980-02-29", "1980-02-29"),
        ("Canonical_City", " Leeds ", "Leeds"),
    ],
)
def test_values_are_stored_in_standard_form(
    ann: World, attribute: str, given: str, stored: str
) -> None:
    ann.override("ann", attribute, given)
    ann.run()
    assert ann.rows("SELECT value FROM gold.customer_steward_overrides") == [(stored,)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE gold.customer_steward_overrides SET value = 'Hull'",
        "DELETE FROM gold.customer_steward_overrides",
        "TRUNCATE gold.customer_steward_overrides",
    ],
)
def test_overrides_are_append_only(ann: World, statement: str) -> None:
    ann.override("ann", "city", "Leeds")
    with pytest.raises(DBAPIError, match="append-only"):
        ann.conn.execute(text(statement))


def test_the_functions_behind_the_command_line(ann: World) -> None:
    customer = ann.customer("ann")
    word = overrides.Word(
        customer, "city", steward="ada", reason="visited", value="Hull", valid_from=ann.start
    )
    added = overrides.add(ann.conn, word)
    overrides.apply(ann.conn, ann.context())
    assert value(ann, "city") == "Hull"
    [listed] = overrides.listed(ann.conn, customer_id=customer)
    assert (listed.override_id, listed.value, listed.is_in_force) == (
        added.override_id,
        "Hull",
        True,
    )
    revoked = overrides.revoke(ann.conn, added.override_id, steward="bo", reason="moved")
    assert revoked.action == "REVOKE"
    with pytest.raises(UsageError, match="itself a REVOKE"):
        overrides.revoke(ann.conn, revoked.override_id, steward="bo", reason="again")
    with pytest.raises(UsageError, match="no override 999"):
        overrides.revoke(ann.conn, 999, steward="bo", reason="again")
    with pytest.raises(UsageError, match=r"no attribute.*Attributes: full_name"):
        overrides.add(
            ann.conn, overrides.Word(customer, "shoe", steward="ada", reason="r", value="1")
        )
    ann.check()
