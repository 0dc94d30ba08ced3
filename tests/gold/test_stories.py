"""What becomes of a customer, told through gold, history and events."""

from __future__ import annotations

from decimal import Decimal

import pytest

from gold import run_golden_customers

from .conftest import World

HISTORY = (
    "SELECT global_customer_id, version, valid_from, valid_to, canonical_full_name, "
    "canonical_email FROM gold.dim_customers_history ORDER BY global_customer_id, version"
)


def test_a_customer_appears_is_corrected_and_moves(world: World) -> None:
    world.put("sales:1", "ann", full_name="Ann Lee", email="ann@a.com", street="1 High St")
    world.run()
    world.put("sales:1", full_name="Anne Lee", email="ann@a.com", street="1 High St")
    world.run()
    world.put("sales:1", full_name="Anne Lee", email="ann@a.com", street="9 Low Rd", city="Leeds")
    world.run()

    assert world.rows(HISTORY) == [
        ("ann", 1, 1, 2, "Ann Lee", "ann@a.com"),
        ("ann", 2, 2, 3, "Anne Lee", "ann@a.com"),
        ("ann", 3, 3, None, "Anne Lee", "ann@a.com"),
    ]
    assert world.rows(
        "SELECT event_type, global_customer_id, occurred_at, changed_attributes, old_values, "
        "new_values FROM gold.customer_change_events WHERE event_type = 'UPDATE' ORDER BY event_seq"
    ) == [
        (
            "UPDATE",
            "ann",
            2,
            ["canonical_full_name", "canonical_given_name"],
            {"canonical_full_name": "Ann Lee", "canonical_given_name": "Ann"},
            {"canonical_full_name": "Anne Lee", "canonical_given_name": "Anne"},
        ),
        (
            "UPDATE",
            "ann",
            3,
            ["canonical_street", "canonical_city"],
            {"canonical_street": "1 High St", "canonical_city": None},
            {"canonical_street": "9 Low Rd", "canonical_city": "Leeds"},
        ),
    ]
    assert world.rows("SELECT created_at, updated_at FROM gold.dim_customers") == [(1, 3)]


@pytest.mark.parametrize("many_bytes", [-1, 1 << 30])
def test_changes_stay_until_history_and_events_have_them(
    world: World, monkeypatch: pytest.MonkeyPatch, many_bytes: int
) -> None:
    monkeypatch.setattr(run_golden_customers, "MANY_CHANGES_BYTES", many_bytes)
    world.put("sales:1", "ann", full_name="Ann Lee")
    world.run()
    world.put("sales:1", full_name="Anne Lee")
    run_golden_customers.run(world.conn, world.context())
    world.put("sales:1", full_name="Annie Lee")
    run_golden_customers.run(world.conn, world.context())
    changes = "SELECT change_type, old_row ->> 'canonical_full_name' FROM gold.customer_changes"
    assert world.rows(changes) == [("UPDATE", "Ann Lee"), ("UPDATE", "Anne Lee")]
    world.put("sales:2", "bob", full_name="Bob Ray")
    world.run()
    world.put("sales:2", full_name="Rob Ray")
    world.run()
    assert world.rows(changes) == [("UPDATE", "Bob Ray")]
    names = "SELECT canonical_full_name FROM gold.dim_customers_history ORDER BY change_id"
    assert [name for (name,) in world.rows(names)] == [
        "Ann Lee", "Anne Lee", "Annie Lee", "Bob Ray", "Rob Ray",
    ]  # fmt: skip


def test_a_confidence_that_changes_alone_reaches_gold(world: World) -> None:
    world.put("sales:1", "ann", full_name="Ann Lee", email="ann@a.com")
    world.put("support:1", "ann", full_name="Ann Leigh", email="ann@b.com")
    world.put("sales:2", "bob", full_name="Bob Ray", email="bob@a.com")
    world.hold_together("ann", 0.9)
    world.run()
    world.hold_together("ann", 0.75)  # evidence of who she is weakened; no record moved
    assert world.run()["gold"].rows_in == 1
    assert world.rows(
        "SELECT global_customer_id, round(match_confidence::numeric, 2) FROM gold.dim_customers "
        "ORDER BY canonical_full_name"
    ) == [("ann", Decimal("0.75")), ("bob", 1)]
    history = "SELECT count(*) FROM gold.dim_customers_history"
    assert world.rows(history) == [(2,)]  # a counter makes no version


def test_a_run_without_news_writes_nothing(world: World) -> None:
    world.put("sales:1", "ann", full_name="Ann Lee", email="ann@a.com")
    world.put("support:1", "ann", full_name="Ann Leigh", email="ann@b.com")
    world.override("ann", "city", "York")
    world.run()
    before = world.snapshot()
    reports = world.run()
    assert world.snapshot() == before
    assert [(r.rows_in, r.rows_out) for r in reports.values()] == [(0, 0)] * 4


def test_a_full_rebuild_gives_equal_rows_and_no_versions_or_events(world: World) -> None:
    world.put("sales:1", "ann", full_name="Ann Lee", email="ann@a.com")
    world.put("support:1", "ann", full_name="Ann Leigh", email="ann@b.com")
    world.put("support:2", "bob", given_name="Bob")
    world.override("ann", "city", "York")
    world.run()
    kept = ("dim", "history", "event", "lineage")
    before = [row for row in world.snapshot() if row[0] in kept]
    report = world.run(full=True)["gold"]
    assert report.rows_in == 2
    assert [row for row in world.snapshot() if row[0] in kept] == before


def test_counters_make_no_version_and_no_event(world: World) -> None:
    world.put("sales:1", "ann", day=1, full_name="Ann Lee", email="ann@a.com")
    world.run()
    world.put("sales:2", "ann", day=5, full_name="Ann Lee", email="ann@a.com")
    world.run()
    golden = world.golden("ann")
    assert golden is not None
    assert golden["record_count"] == 2
    assert world.rows("SELECT created_at, updated_at FROM gold.dim_customers") == [(1, 1)]
    assert [event[0] for event in world.events()] == ["INSERT"]
    assert world.rows("SELECT count(*) FROM gold.dim_customers_history") == [(1,)]


def test_two_customers_merge_and_part_again(world: World) -> None:
    world.put("sales:1", "ann", day=1, full_name="Ann Lee", email="ann@a.com")
    world.put("support:1", "ana", day=2, full_name="Ana Lee", email="ana@a.com")
    world.run()
    world.merge("ana", "ann")
    world.run()
    assert world.golden("ana") is None
    assert world.events(after=1) == [
        ("MERGE", "ana", "ann", None),
        (
            "UPDATE",
            "ann",
            None,
            [
                "canonical_full_name",
                "canonical_given_name",
                "canonical_email",
                "source_systems",
            ],
        ),
    ]
    assert world.rows(HISTORY) == [
        ("ann", 1, 1, 2, "Ann Lee", "ann@a.com"),
        ("ann", 2, 2, None, "Ana Lee", "ana@a.com"),
        ("ana", 1, 1, 2, "Ana Lee", "ana@a.com"),
    ]

    world.split("ann", "ana", "support:1")
    world.run()
    assert ("SPLIT", "ana", "ann", None) in world.events(after=2)
    assert world.rows(HISTORY)[-1] == ("ana", 2, 3, None, "Ana Lee", "ana@a.com")
    golden = world.golden("ann")
    assert golden is not None
    assert golden["canonical_full_name"] == "Ann Lee"


def test_a_record_moves_between_customers(world: World) -> None:
    world.put("sales:1", "ann", full_name="Ann Lee")
    world.put("support:1", "ann", email="bob@b.com")
    world.put("sales:2", "bob", full_name="Bob Ray")
    world.run()
    world.move("support:1", "ann", "bob")
    world.run()
    assert world.rows(
        "SELECT global_customer_id, canonical_email, record_count FROM gold.dim_customers "
        "ORDER BY global_customer_id"
    ) == [("ann", None, 1), ("bob", "bob@b.com", 2)]


def test_a_customer_loses_a_record_then_the_last_one_and_returns(world: World) -> None:
    world.put("sales:1", "ann", day=1, full_name="Ann Lee", email="ann@a.com")
    world.put("support:1", "ann", day=2, full_name="Ann Lee", email="ann@b.com")
    world.run()
    world.delete("support:1")
    world.run()
    world.delete("sales:1")
    world.run()
    assert world.golden("ann") is None
    world.run()
    world.resurrect("ann")
    world.put("sales:1", "ann", day=3, full_name="Ann Lee", email="ann@c.com")
    world.run()
    assert world.rows(HISTORY) == [
        ("ann", 1, 1, 2, "Ann Lee", "ann@b.com"),
        ("ann", 2, 2, 3, "Ann Lee", "ann@a.com"),
        ("ann", 3, 5, None, "Ann Lee", "ann@c.com"),
    ]
    assert world.rows("SELECT event_type FROM gold.customer_change_events ORDER BY event_seq") == [
        ("INSERT",),
        ("UPDATE",),
        ("DELETE",),
        ("INSERT",),
    ]
    assert world.rows("SELECT created_at, updated_at FROM gold.dim_customers") == [(5, 5)]


def test_customers_as_of_an_instant(world: World) -> None:
    world.put("sales:1", "ann", full_name="Ann Lee")
    world.run()
    world.put("sales:1", full_name="Ann Ray")
    world.put("sales:2", "bob", full_name="Bob Ray")
    world.run()
    names = (
        "SELECT canonical_full_name FROM gold.customers_as_of("
        "timestamptz '2026-01-01 00:00+00' + :hours * interval '1 hour') ORDER BY 1"
    )
    assert world.rows(names, hours=0.9) == []
    assert world.rows(names, hours=1) == [("Ann Lee",)]
    assert world.rows(names, hours=1.9) == [("Ann Lee",)]
    assert world.rows(names, hours=2) == [("Ann Ray",), ("Bob Ray",)]


def test_changes_that_pile_up_become_versions_and_events_of_their_own(world: World) -> None:
    from gold import run_golden_cdc, run_golden_customers, run_golden_history

    contexts = []
    for name in ("Ann Lee", "Ann Ray", "Ann Poe"):
        world.put("sales:1", "ann", full_name=name)
        contexts.append(world.context())
        run_golden_customers.run(world.conn, contexts[-1])
    world.delete("sales:1")
    run_golden_customers.run(world.conn, world.context())
    run_golden_history.run(world.conn, world.context())
    run_golden_cdc.run(world.conn, world.context())
    assert world.rows(HISTORY) == [
        ("ann", 1, 1, 2, "Ann Lee", None),
        ("ann", 2, 2, 3, "Ann Ray", None),
        ("ann", 3, 3, 4, "Ann Poe", None),
    ]
    assert world.rows(
        "SELECT event_type, occurred_at, new_values ->> 'canonical_family_name' "
        "FROM gold.customer_change_events ORDER BY event_seq"
    ) == [("INSERT", 1, "Lee"), ("UPDATE", 2, "Ray"), ("UPDATE", 3, "Poe"), ("DELETE", 4, None)]
    world.check()


def test_two_changes_at_one_instant_leave_one_version(world: World) -> None:
    from gold import run_golden_cdc, run_golden_customers, run_golden_history

    ctx = world.context()
    for name in ("Ann Lee", "Ann Ray"):
        world.put("sales:1", "ann", full_name=name)
        run_golden_customers.run(world.conn, ctx)
        run_golden_history.run(world.conn, ctx)
        run_golden_cdc.run(world.conn, ctx)
    assert world.rows(HISTORY) == [("ann", 1, 1, None, "Ann Ray", None)]
    assert [event[0] for event in world.events()] == ["INSERT", "UPDATE"]
    world.check()


def test_new_rules_rebuild_every_customer(world: World) -> None:
    from .conftest import make_config

    world.put("sales:1", "ann", day=1, email="ann@sales.com")
    world.put("support:1", "ann", day=2, email="ann@support.com")
    world.run()
    golden = world.golden("ann")
    assert golden is not None
    assert golden["canonical_email"] == "ann@support.com"
    config = make_config(
        survivorship={"default": "source_priority", "source_priority": ["sales"], "rules": {}}
    )
    world.run(config=config)
    golden = world.golden("ann")
    assert golden is not None
    assert golden["canonical_email"] == "ann@sales.com"
