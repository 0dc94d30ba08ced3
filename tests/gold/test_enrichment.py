"""Guesses beside the golden values, and addresses in parts."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, text

from tests.gold.conftest import World, make_config

ON = make_config(enrichment={"gender_inferred": True})


def people(world: World, name: str, *genders: str | None) -> None:
    """Customers called ``name``: one per gender."""
    for number, gender in enumerate(genders):
        customer = f"{name}{number}"
        told: dict[str, Any] = {} if gender is None else {"gender": gender}
        world.put(f"sales:{customer}", customer, given_name=name, family_name="Kim", **told)


def guesses(world: World) -> list[tuple[Any, ...]]:
    return world.rows(
        "SELECT canonical_given_name, value, round(share::numeric, 3)::text, support"
        " FROM gold.customer_enrichments JOIN gold.dim_customers USING (global_customer_id)"
        " ORDER BY 1"
    )


def test_a_gender_is_guessed_from_the_name_and_told_with_its_doubt(world: World) -> None:
    people(world, "Anna", "F", "F", "F", None)
    people(world, "Robin", "F", "M", "M", None)
    people(world, "Sascha", "F", "M", None)
    people(world, "Unheard", None)
    people(world, "X", "M", None)
    world.run(config=ON)
    assert guesses(world) == [("Anna", "f", "0.800", 3), ("Robin", "m", "0.600", 3)]
    assert world.rows("SELECT count(*) FROM gold.dim_customers WHERE canonical_gender IS NULL") == [
        (5,)
    ]


def test_nothing_is_guessed_unless_asked(world: World) -> None:
    people(world, "Anna", "F", None)
    world.run()
    assert guesses(world) == []
    assert world.run(config=ON)["quality"].detail["gender_inferred"] == 1
    assert guesses(world) == [("Anna", "f", "0.667", 1)]
    assert "gender_inferred" not in world.run(config=ON)["quality"].detail
    assert world.run()["quality"].detail["gender_inferred"] == 1
    assert guesses(world) == []
    # switched on again, with nothing new in gold
    world.run()
    world.run(config=ON)
    assert guesses(world) == [("Anna", "f", "0.667", 1)]


def test_guesses_follow_what_is_known(world: World) -> None:
    people(world, "Anna", "F", "F", None)
    world.run(config=ON)
    people(world, "Kim", "M", None)
    world.put("sales:Anna1", "Anna1", given_name="Anna", family_name="Kim", gender="M", day=2)
    events = len(world.events())
    world.run(config=ON)
    assert guesses(world) == [("Kim", "m", "0.667", 1)]
    # of a customer whose gender a steward has cleared, none is guessed
    world.override("Kim1", "gender", None, action="CLEAR")
    world.run(config=ON)
    assert guesses(world) == []
    # guesses make no events: these are the two newcomers and Anna1's new gender
    assert len(world.events()) == events + 3


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("123 main st", ("123", "main st", None, None)),
        ("123 main st unit 4b", ("123", "main st", "4b", None)),
        ("221b baker st", ("221b", "baker st", None, None)),
        ("hardenbergstr 87", ("87", "hardenbergstr", None, None)),
        ("hardenbergstr 87 a", ("87a", "hardenbergstr", None, None)),
        ("1st ave", (None, "1st ave", None, None)),
        ("12 5th ave", ("12", "5th ave", None, None)),
        ("county rd 12", (None, "county rd 12", None, None)),
        ("4400 county rd 12", ("4400", "county rd 12", None, None)),
        ("po box 12987", (None, None, None, "12987")),
        ("rose cottage", (None, "rose cottage", None, None)),
        ("unit 7", (None, None, "7", None)),
    ],
)
def test_addresses_in_parts(world: World, line: str, parts: tuple[str | None, ...]) -> None:
    world.put("sales:1", "ann", street=line, city="Leeds")
    world.run()
    found = world.rows(
        "SELECT house_number, street_name, unit, po_box, city FROM gold.customer_addresses_parsed"
    )
    assert found == [(*parts, "Leeds")]


def test_an_overridden_street_is_the_one_in_parts(world: World, conn: Connection) -> None:
    world.put("sales:1", "ann", street="1 old st")
    world.put("sales:2", "ben", city="Leeds")
    world.override("ann", "street", "12, New Street")
    world.run()
    found = conn.execute(
        text("SELECT street, house_number, street_name FROM gold.customer_addresses_parsed")
    )
    assert [tuple(row) for row in found] == [("12, New Street", "12", "new street")]
