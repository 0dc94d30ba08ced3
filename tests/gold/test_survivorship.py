"""Which record's value wins, rule by rule, and how ties end."""

from __future__ import annotations

import random
from typing import Any

import pytest

from gold import survivorship
from mdm.attributes import ATTRIBUTES

from .conftest import World, make_config

Record = tuple[str, int, dict[str, Any]]  # source:id, day, values


def rules(default: str, *, priority: tuple[str, ...] = (), **per_attribute: str) -> dict[str, Any]:
    return {"default": default, "source_priority": priority, "rules": per_attribute}


CASES: list[tuple[str, dict[str, Any], list[Record], dict[str, Any]]] = [
    (
        "the source of higher priority wins, however old",
        rules("source_priority", priority=("support", "sales")),
        [("sales:1", 9, {"email": "a@sales.com"}), ("support:1", 1, {"email": "a@support.com"})],
        {"canonical_email": "a@support.com", "primary_source": "support"},
    ),
    (
        "without a list the order of the configuration is the priority",
        rules("source_priority"),
        [("marketing:1", 9, {"email": "a@m.com"}), ("support:1", 1, {"email": "a@support.com"})],
        {"canonical_email": "a@support.com", "source_systems": ["marketing", "support"]},
    ),
    (
        "a source that is not listed ranks last but still counts",
        rules("source_priority", priority=("support",)),
        [("marketing:1", 1, {"phone": "+441"}), ("support:1", 1, {"email": "a@support.com"})],
        {"canonical_phone": "+441", "canonical_email": "a@support.com"},
    ),
    (
        "a source that left the configuration ranks after all others",
        rules("source_priority"),
        [("attic:1", 9, {"email": "a@attic.com"}), ("marketing:1", 1, {"email": "a@m.com"})],
        {"canonical_email": "a@m.com", "source_systems": ["attic", "marketing"]},
    ),
    (
        "within a source the most recent record breaks the tie",
        rules("source_priority"),
        [("sales:1", 1, {"email": "old@a.com"}), ("sales:2", 2, {"email": "new@a.com"})],
        {"canonical_email": "new@a.com"},
    ),
    (
        "the most recent value wins; a blank is no value",
        rules("most_recent"),
        [
            ("sales:1", 1, {"email": "a@a.com", "phone": "+441"}),
            ("support:1", 2, {"email": "b@a.com"}),
        ],
        {"canonical_email": "b@a.com", "canonical_phone": "+441"},
    ),
    (
        "equal instants: source priority, then record id",
        rules("most_recent"),
        [
            ("support:1", 1, {"email": "c@a.com"}),
            ("sales:2", 1, {"email": "b@a.com"}),
            ("sales:1", 1, {"email": "a@a.com"}),
        ],
        {"canonical_email": "a@a.com"},
    ),
    (
        "most frequent counts sources, not records",
        rules("most_frequent"),
        [
            ("sales:1", 5, {"email": "loud@a.com"}),
            ("sales:2", 5, {"email": "loud@a.com"}),
            ("sales:3", 5, {"email": "loud@a.com"}),
            ("support:1", 1, {"email": "true@a.com"}),
            ("marketing:1", 2, {"email": "true@a.com"}),
        ],
        {"canonical_email": "true@a.com"},
    ),
    (
        "as many sources each: the more recent value",
        rules("most_frequent"),
        [("sales:1", 1, {"gender": "F"}), ("support:1", 3, {"gender": "M"})],
        {"canonical_gender": "m"},
    ),
    (
        "equal by folding is equal; the most recent spelling wins",
        rules("most_frequent"),
        [
            ("sales:1", 1, {"full_name": "ANN LEE"}),
            ("support:1", 2, {"full_name": "Ann Lee"}),
            ("marketing:1", 9, {"full_name": "Bob Lee"}),
        ],
        {"canonical_full_name": "Ann Lee", "canonical_given_name": "Ann"},
    ),
    (
        "the record with most filled attributes wins",
        rules("most_complete"),
        [
            ("sales:1", 9, {"email": "thin@a.com"}),
            ("support:1", 1, {"email": "full@a.com", "phone": "+441", "city": "York"}),
        ],
        {"canonical_email": "full@a.com"},
    ),
    (
        "the longest value wins, recency breaks no tie before source priority",
        rules("longest"),
        [
            ("support:1", 9, {"organisation": "Acme Ltd"}),
            ("sales:1", 1, {"organisation": "Acme Inc"}),
            ("marketing:1", 9, {"organisation": "Acme"}),
        ],
        {"canonical_organisation": "Acme Inc"},
    ),
    (
        "address parts win together",
        rules("most_recent"),
        [
            ("sales:1", 1, {"street": "1 High St", "city": "York", "region": "Yorkshire"}),
            ("support:1", 2, {"street": "2 Low Rd", "postcode": "LS1 1AA"}),
        ],
        {
            "canonical_street": "2 Low Rd",
            "canonical_city": None,
            "canonical_region": None,
            "canonical_postcode": "LS1 1AA",
        },
    ),
    (
        "an address without a street does not displace one with",
        rules("most_recent"),
        [
            ("sales:1", 1, {"street": "1 High St", "city": "York"}),
            ("support:1", 2, {"country": "FR"}),
        ],
        {"canonical_street": "1 High St", "canonical_city": "York", "canonical_country": None},
    ),
    (
        "the most frequent address is one address, not parts of several",
        rules("most_frequent"),
        [
            ("sales:1", 1, {"street": "1 High St", "city": "York"}),
            ("support:1", 2, {"street": "1 high st", "city": "york"}),
            ("marketing:1", 9, {"street": "1 High St", "city": "Leeds"}),
        ],
        {"canonical_street": "1 high st", "canonical_city": "york"},
    ),
    (
        "name parts win together, a single word is no match for a full name",
        rules("most_recent"),
        [
            ("sales:1", 1, {"given_name": "Ann", "middle_name": "B.", "family_name": "Lee"}),
            ("support:1", 9, {"given_name": "Annie"}),
        ],
        {
            "canonical_full_name": "Ann B. Lee",
            "canonical_given_name": "Ann",
            "canonical_family_name": "Lee",
        },
    ),
    (
        "parts found in a full name keep its spelling",
        rules("most_recent"),
        [("sales:1", 1, {"full_name": "O'NEIL McDonald"})],
        {
            "canonical_full_name": "O'NEIL McDonald",
            "canonical_given_name": "O'NEIL",
            "canonical_family_name": "McDonald",
        },
    ),
    (
        "a placeholder never wins",
        rules("most_recent"),
        [
            ("sales:1", 1, {"full_name": "Ann Lee", "tax_id": "T1"}),
            ("support:1", 9, {"full_name": "n/a", "std_name": None, "std_given_name": None,
                              "std_family_name": None, "tax_id": "none", "std_tax_id": None}),
        ],
        {"canonical_full_name": "Ann Lee", "canonical_tax_id": "T1"},
    ),
    (
        "each attribute has its own rule",
        rules("most_recent", email="source_priority", phone="longest"),
        [
            ("sales:1", 1, {"email": "a@a.com", "phone": "+44123456", "city": "York"}),
            ("support:1", 2, {"email": "b@a.com", "phone": "+441", "city": "Leeds"}),
        ],
        {
            "canonical_email": "a@a.com",
            "canonical_phone": "+44123456",
            "canonical_city": "Leeds",
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("survivorship_rules", "records", "expected"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_which_value_wins(
    world: World,
    survivorship_rules: dict[str, Any],
    records: list[Record],
    expected: dict[str, Any],
) -> None:
    world.config = make_config(survivorship=survivorship_rules)
    for record, day, values in records:
        world.put(record, "ann", day=day, **values)
    world.run()
    golden = world.golden("ann")
    assert golden is not None
    assert {column: golden[column] for column in expected} == expected


def test_a_customer_without_any_usable_value_is_still_a_customer(world: World) -> None:
    world.put("sales:1", "ann", email="n/a", std_email=None)
    world.run()
    golden = world.golden("ann")
    assert golden is not None
    assert (golden["canonical_email"], golden["record_count"]) == (None, 1)


@pytest.mark.parametrize("rule", ["source_priority", "most_recent", "most_frequent", "longest"])
def test_the_order_of_arrival_changes_nothing(world: World, rule: str) -> None:
    """Each customer has the same records, put in another order and in other batches."""
    world.config = make_config(survivorship=rules(rule))
    chance = random.Random(7)
    records = [
        (source, number, chance.randrange(3), chance.choice("abc"), chance.choice(["x", "yy"]))
        for source in ("sales", "support", "marketing")
        for number in range(3)
    ]
    for copy in range(4):
        chance.shuffle(records)
        for at, (source, number, day, email, city) in enumerate(records):
            world.put(
                f"{source}:{copy}-{number}",
                f"ann{copy}",
                day=day,
                email=f"{email}@a.com",
                street=f"{email} {city} street",
                city=city,
                full_name=f"{email.upper()} {city}",
            )
            if at % 4 == copy:
                world.run()
    world.run()
    columns = ", ".join(f"canonical_{attribute}" for attribute in ATTRIBUTES)
    assert len(world.rows(f"SELECT DISTINCT {columns} FROM gold.dim_customers")) == 1


def test_further_attributes_follow_their_own_rules(world: World) -> None:
    world.config = make_config(
        attributes={"job": {"type": "category"}, "shoe": {"type": "number"}},
        survivorship=rules("most_recent", job="most_frequent"),
    )
    world.put("sales:1", "ann", day=1, extra={"job": "Baker", "shoe": "38"})
    world.put("support:1", "ann", day=2, extra={"job": "baker", "shoe": "39"})
    world.put("marketing:1", "ann", day=3, extra={"job": "Pilot"})
    world.run()
    golden = world.golden("ann")
    assert golden is not None
    assert golden["extra"] == {"job": "baker", "shoe": "39"}
    assert world.rows(
        "SELECT attribute, value, source, rule FROM gold.customer_attribute_lineage ORDER BY 1"
    ) == [("job", "baker", "support", "most_frequent"), ("shoe", "39", "support", "most_recent")]


def test_lineage_names_record_and_rule_of_every_value(world: World) -> None:
    world.put("sales:1", "ann", day=1, full_name="Ann Lee", street="1 High St", city="York")
    world.put("support:1", "ann", day=2, email="a@a.com")
    world.run()
    assert world.rows(
        "SELECT attribute, value, source, source_record_id, line_no, rule, override_id "
        "FROM gold.customer_attribute_lineage ORDER BY attribute"
    ) == [
        ("city", "York", "sales", "1", 1, "most_recent", None),
        ("email", "a@a.com", "support", "1", 1, "most_recent", None),
        ("family_name", "Lee", "sales", "1", 1, "most_frequent", None),
        ("full_name", "Ann Lee", "sales", "1", 1, "most_frequent", None),
        ("given_name", "Ann", "sales", "1", 1, "most_frequent", None),
        ("street", "1 High St", "sales", "1", 1, "most_recent", None),
    ]


def test_the_quality_score_is_its_formula(world: World) -> None:
    world.config = make_config(
        quality={"expected": ["full_name", "email"], "stale_after_days": 100}
    )
    world.put("sales:1", "good", full_name="Ann Lee", email="a@a.com")
    world.put("sales:2", "half", email="b@a.com", phone="12", std_phone=None)
    world.put("sales:3", "old", day=-150, full_name="Ann Lee", email="a@a.com")
    world.put("sales:4", "ancient", day=-300, full_name="Ann Lee", email="a@a.com")
    world.run()
    assert {
        name: float(score)
        for name, score in world.rows(
            "SELECT global_customer_id, data_quality_score FROM gold.dim_customers"
        )
    } == {
        "good": 1.0,
        "half": round(0.5 * 0.5 + 0.3 * 0.5 + 0.2, 3),
        "old": 0.9,
        "ancient": 0.8,
    }


def test_recency_steps_down_as_time_passes_without_a_version(world: World) -> None:
    world.config = make_config(quality={"expected": ["email"], "stale_after_days": 31})
    world.put("sales:1", "ann", day=1.5 / 24, email="a@a.com")  # 31 days before hour 1.5
    world.put("sales:2", "bob", day=20, email="b@a.com")
    world.run()
    scores = (
        "SELECT global_customer_id, data_quality_score::float, updated_at "
        "FROM gold.dim_customers ORDER BY 1"
    )
    assert world.rows(scores) == [("ann", 1.0, 1), ("bob", 1.0, 1)]
    report = world.run()["gold"]
    assert (report.rows_in, report.rows_out) == (1, 0)
    assert world.rows(scores) == [("ann", 0.9, 1), ("bob", 1.0, 1)]


def test_rules_that_are_equal_have_equal_digests() -> None:
    one = make_config(survivorship=rules("most_recent"))
    other = make_config(survivorship=rules("most_recent"), demo={"enabled": True})
    assert survivorship.digest(one) == survivorship.digest(other)
    assert survivorship.digest(one) != survivorship.digest(
        make_config(survivorship=rules("longest"))
    )
