"""Contact points, how sources overlap, and how far each can be believed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from .conftest import World, make_config

POINTS = (
    "SELECT kind, value, is_canonical, is_from_steward, sources, record_count"
    " FROM gold.customer_contact_points ORDER BY kind, value"
)
OVERLAP = (
    "SELECT source, other_source, record_n, customer_n, common_n, only_here_n"
    " FROM gold.source_overlap ORDER BY source, other_source NULLS FIRST"
)


def card(world: World, source: str, attribute: str) -> tuple[Any, ...]:
    found = world.conn.execute(
        text(
            "SELECT usable_n, refused_n, placeholder_n, won_n, lost_n, overridden_n"
            " FROM gold.source_report_card WHERE source = :source AND attribute = :attribute"
        ),
        {"source": source, "attribute": attribute},
    )
    return tuple(found.one())


def test_every_way_to_reach_a_customer(world: World) -> None:
    home = {"street": "7 Mill Lane", "city": "Leeds", "postcode": "LS1 4AP", "country": "GB"}
    world.put("sales:1", "ann", day=1, email="ann@a.com", phone="+441", **home)
    world.put("support:1", "ann", day=2, email="ann@b.com", phone="+441")
    world.put("marketing:1", "ann", day=3, email="ann@b.com", country="GB")
    world.put("sales:2", "ben", day=9, email="ann@b.com")
    world.run()
    ann = world.customer("ann")
    assert world.conn.execute(
        text(
            "SELECT kind, value, street, is_canonical, sources, record_count,"
            " first_seen_at, last_seen_at FROM gold.customer_contact_points"
            " WHERE global_customer_id = :ann ORDER BY kind, value"
        ),
        {"ann": ann},
    ).all() == [
        ("ADDRESS", "7 Mill Lane, Leeds, LS1 4AP, GB", "7 Mill Lane", True, ["sales"], 1,
         world.start + timedelta(days=1), world.start + timedelta(days=1)),
        ("EMAIL", "ann@a.com", None, False, ["sales"], 1,
         world.start + timedelta(days=1), world.start + timedelta(days=1)),
        ("EMAIL", "ann@b.com", None, True, ["marketing", "support"], 2,
         world.start + timedelta(days=2), world.start + timedelta(days=3)),
        ("PHONE", "+441", None, True, ["sales", "support"], 2,
         world.start + timedelta(days=1), world.start + timedelta(days=2)),
    ]  # fmt: skip
    world.delete("sales:1")
    world.run()
    points = world.conn.execute(
        text("SELECT value FROM gold.customer_contact_points WHERE global_customer_id = :ann"),
        {"ann": ann},
    )
    assert sorted(points.scalars()) == ["+441", "ann@b.com"]


def test_an_address_is_one_however_it_is_spelled_and_the_golden_one_is_marked(
    world: World,
) -> None:
    world.put("sales:1", "ann", day=1, street="7 Mill Lane", city="LEEDS", full_name="Ann Lee")
    world.put("support:1", "ann", day=2, street="7 MILL LANE", city="Leeds", full_name="Ann Lee")
    world.put("support:2", "ann", day=1, street="9 High Street", city="York", full_name="Ann Lee")
    world.run(config=make_config(survivorship={"rules": {"street": "most_recent"}}))
    assert world.rows(POINTS) == [
        ("ADDRESS", "7 MILL LANE, Leeds", True, False, ["sales", "support"], 2),
        ("ADDRESS", "9 High Street, York", False, False, ["support"], 1),
    ]


def test_a_steward_s_word_is_a_contact_point(world: World) -> None:
    world.put("sales:1", "ann", email="ann@a.com", phone="+441", street="7 Mill Lane", city="York")
    world.override("ann", "email", "ann@new.com")
    world.override("ann", "phone", None, action="CLEAR")
    world.override("ann", "city", "Leeds")
    world.run()
    assert world.rows(POINTS) == [
        ("ADDRESS", "7 Mill Lane, Leeds", True, True, [], 0),
        ("ADDRESS", "7 Mill Lane, York", False, False, ["sales"], 1),
        ("EMAIL", "ann@a.com", False, False, ["sales"], 1),
        ("EMAIL", "ann@new.com", True, True, [], 0),
        ("PHONE", "+441", False, False, ["sales"], 1),
    ]
    world.put("support:1", "ann", email="ann@new.com")
    world.run()
    assert ("EMAIL", "ann@new.com", True, True, ["support"], 1) in world.rows(POINTS)


def test_how_sources_share_customers(world: World) -> None:
    world.put("sales:1", "ann", email="a@x.com")
    world.put("sales:2", "ann", email="a@x.com")
    world.put("support:1", "ann", email="a@x.com")
    world.put("sales:3", "ben", email="b@x.com")
    world.put("marketing:1", "cem", email="c@x.com")
    world.run()
    assert world.rows(OVERLAP) == [
        ("marketing", None, 1, 1, 0, 1),
        ("marketing", "sales", 1, 1, 0, 1),
        ("marketing", "support", 1, 1, 0, 1),
        ("sales", None, 3, 2, 1, 1),
        ("sales", "marketing", 3, 2, 0, 2),
        ("sales", "support", 3, 2, 1, 1),
        ("support", None, 1, 1, 1, 0),
        ("support", "marketing", 1, 1, 0, 1),
        ("support", "sales", 1, 1, 1, 0),
    ]


def test_how_far_a_source_can_be_believed(world: World) -> None:
    job = {"attributes": {"job": {"type": "category"}}}
    config = make_config(survivorship={"default": "most_recent", "rules": {}}, **job)
    world.put("sales:1", "ann", day=1, email="ann@a.com", full_name="Ann Lee", extra={"job": "x"})
    world.put("support:1", "ann", day=2, email="ann@b.com", full_name="ANN LEE", extra={"job": "y"})
    world.put("sales:2", "ben", day=1, email="ben@a.com", phone="n/a", std_phone=None)
    world.put("support:2", "ben", day=2, email="ben@a.com")
    world.conn.execute(
        text(
            "INSERT INTO ops.standardisation_counts VALUES (1, 'sales', 'phone', 'placeholder', 3)"
        )
    )
    world.run(config=config)
    # usable, refused, placeholders, won, lost, overridden
    assert card(world, "sales", "email") == (2, 0, 0, 0, 1, 0)
    assert card(world, "support", "email") == (2, 0, 0, 2, 0, 0)
    assert card(world, "sales", "full_name") == (1, 0, 0, 0, 0, 0)  # the same name is no loss
    assert card(world, "sales", "phone") == (0, 1, 3, 0, 0, 0)
    assert card(world, "sales", "job") == (1, 0, 0, 0, 1, 0)
    assert card(world, "support", "job") == (1, 0, 0, 1, 0, 0)
    world.override("ann", "email", "ann@c.com")
    world.run(config=config)
    assert card(world, "sales", "email") == (2, 0, 0, 0, 1, 0)
    assert card(world, "support", "email") == (2, 0, 0, 1, 0, 1)
