"""Conflicts, review queue, figures and guards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from gold import run_golden_customers, run_quality_metrics
from mdm.errors import PublishHeld

from .conftest import World, make_config

CONFLICTS = (
    'SELECT attribute, value_n, "values", winner, first_seen_at, last_seen_at, resolved_at '
    "FROM gold.customer_attribute_conflicts ORDER BY conflict_id"
)
QUEUE = (
    "SELECT kind, global_customer_id, other_customer_id, why, pair_n, first_seen_at, state, "
    "ended_at, resolved_by FROM gold.steward_review_queue ORDER BY review_id"
)


def test_a_conflict_opens_stays_closes_and_opens_anew(world: World) -> None:
    world.put("sales:1", "ann", day=1, full_name="ANN LEE", email="ann@a.com")
    world.put("support:1", "ann", day=2, full_name="Ann Lee", email="ann@b.com")
    world.put("marketing:1", "ann", day=3, email="ann@b.com")
    world.run()
    values = {"ann@a.com": ["sales"], "ann@b.com": ["marketing", "support"]}
    assert world.rows(CONFLICTS) == [("email", 2, values, "ann@b.com", 1, 1, None)]
    world.run()
    world.put("sales:1", day=4, full_name="Ann Lee", email="ann@b.com")
    world.run()
    assert world.rows(CONFLICTS) == [("email", 2, values, "ann@b.com", 1, 1, 3)]
    world.put("sales:1", day=5, full_name="Ann Lee", email="ann@c.com")
    world.run()
    assert [row[-3:] for row in world.rows(CONFLICTS)] == [(1, 1, 3), (4, 4, None)]


def test_a_conflict_is_written_over_where_there_is_something_new(world: World) -> None:
    world.put("sales:1", "ann", day=1, email="ann@a.com", city="York")
    world.put("support:1", "ann", day=2, email="ann@b.com")
    world.run()
    place = "SELECT CAST(ctid AS text) FROM gold.customer_attribute_conflicts"
    kept = world.rows(place)
    world.put("sales:1", day=1, email="ann@a.com", city="Hull")
    world.run()
    assert world.rows(place) == kept
    world.override("ann", "email", "ann@a.com")
    world.run()
    values = {"ann@a.com": ["sales"], "ann@b.com": ["support"]}
    assert world.rows(CONFLICTS) == [("email", 2, values, "ann@a.com", 1, 3, None)]
    world.put("web:1", "ann", day=3, email="ann@c.com")
    world.run()
    values["ann@c.com"] = ["web"]
    assert world.rows(CONFLICTS) == [("email", 3, values, "ann@a.com", 1, 4, None)]


def test_a_conflict_closes_with_its_customer(world: World) -> None:
    world.put("sales:1", "ann", gender="F")
    world.put("support:1", "ann", gender="M")
    world.run()
    world.delete("sales:1")
    world.delete("support:1")
    world.run()
    assert [row[-1] for row in world.rows(CONFLICTS)] == [2]


def pair(
    world: World, left: str, right: str, probability: float, decision: str = "FLAG_REVIEW"
) -> None:
    """Score the pair of the profiles that two records show."""
    world.conn.execute(
        text(
            "INSERT INTO staging.identity_match_candidates (profile_id_l, profile_id_r, rule_id, "
            "model_id, match_weight, match_probability, decision, levels, contributions) "
            "SELECT least(l.profile_id, r.profile_id), greatest(l.profile_id, r.profile_id), 1, 1, "
            ":weight, :probability, :decision, '{}', '{}' "
            "FROM identity.customer_identity_map AS l, identity.customer_identity_map AS r "
            "WHERE l.source || ':' || l.source_record_id = :left "
            "AND r.source || ':' || r.source_record_id = :right"
        ),
        {"left": left, "right": right, "probability": probability, "weight": probability * 10,
         "decision": decision},
    )  # fmt: skip
    world.conn.execute(
        text(
            "INSERT INTO staging.volatile_marker (layer, change_seq, run_id) "
            "VALUES ('matching', 1, 1) "
            "ON CONFLICT (layer) DO UPDATE SET change_seq = volatile_marker.change_seq + 1"
        )
    )


def decide(world: World, verdict: str, left: str, right: str) -> None:
    """A steward's word on two records."""
    source_l, record_l = left.split(":")
    source_r, record_r = right.split(":")
    world.conn.execute(
        text(
            "INSERT INTO identity.steward_link_decisions (verdict, source_l, source_record_id_l, "
            "source_r, source_record_id_r, steward, reason) "
            "VALUES (:verdict, :sl, :rl, :sr, :rr, 'ada', 'asked them')"
        ),
        {"verdict": verdict, "sl": source_l, "rl": record_l, "sr": source_r, "rr": record_r},
    )


def test_the_life_of_a_doubtful_pair(world: World) -> None:
    for number, name in enumerate(("ann", "ana", "bob", "rob", "cat")):
        world.put(f"sales:{number}", name, full_name=f"{name} Lee")
    world.put("support:1", "ana", full_name="Anna Lee")
    pair(world, "sales:0", "sales:1", 0.6)
    pair(world, "sales:0", "support:1", 0.8)
    pair(world, "sales:2", "sales:3", 0.7)
    pair(world, "sales:0", "sales:4", 0.3, "REJECT")
    world.run()
    assert world.rows(QUEUE) == [
        ("PAIR", "ann", "ana", "DOUBTFUL_PAIR", 2, 1, "OPEN", None, None),
        ("PAIR", "bob", "rob", "DOUBTFUL_PAIR", 1, 1, "OPEN", None, None),
    ]
    assert world.rows(
        "SELECT source_l, source_record_id_l, source_r, source_record_id_r "
        "FROM gold.steward_review_queue WHERE pair_n = 2"
    ) == [("sales", "0", "support", "1")]

    decide(world, "DIFFERENT", "sales:0", "sales:1")
    decide(world, "SAME", "sales:2", "sales:3")
    world.merge("rob", "bob")
    world.run()
    assert [row[-3:] for row in world.rows(QUEUE)] == [("DONE", 2, "ada"), ("DONE", 2, "ada")]


def test_a_pair_whose_evidence_went_is_gone_and_can_come_back(world: World) -> None:
    world.put("sales:1", "ann", email="a@a.com")
    world.put("sales:2", "ana", email="b@a.com")
    pair(world, "sales:1", "sales:2", 0.6)
    world.run()
    world.conn.execute(text("DELETE FROM staging.identity_match_candidates"))
    world.conn.execute(text("UPDATE staging.volatile_marker SET change_seq = change_seq + 1"))
    world.run()
    pair(world, "sales:1", "sales:2", 0.7)
    world.run()
    assert [(row[5], *row[6:]) for row in world.rows(QUEUE)] == [
        (1, "GONE", 2, None),
        (3, "OPEN", None, None),
    ]


def test_the_limit_keeps_the_strongest(world: World) -> None:
    world.config = make_config(quality={"review_limit": 2})
    for number in range(5):
        world.put(f"sales:{number}", f"c{number}", email=f"{number}@a.com")
    for number, probability in ((1, 0.6), (2, 0.8), (3, 0.7), (4, 0.5)):
        pair(world, "sales:0", f"sales:{number}", probability)
    report = world.run()["quality"]
    assert report.detail["waiting"] == 4
    assert [row[2] for row in world.rows(QUEUE)] == ["c2", "c3"]


SUBJECTS = (
    "SELECT kind, global_customer_id, other_customer_id, why, source_l, source_record_id_l, "
    "source_r, source_record_id_r, match_probability, pair_n, state "
    "FROM gold.steward_review_queue ORDER BY review_id"
)


def town(world: World) -> None:
    """Six customers, each as doubtful as the next one, and one that looks like two."""
    for number in range(6):
        world.put(f"sales:{number}", f"c{number}", email=f"{number}@a.com")
    world.put("web:0", "c0", email="0@a.com", date_of_birth="1980-01-01")
    world.put("web:1", "c1", email="1@a.com", date_of_birth="1990-01-01")
    for number in range(5):
        pair(world, f"sales:{number}", f"sales:{number + 1}", 0.5 + number / 20)
    pair(world, "web:0", "web:1", 0.7)
    world.conn.execute(
        text(
            "INSERT INTO staging.identity_inputs SELECT record_id, source, source_record_id, "
            "profile_id, now(), 1 FROM identity.customer_identity_map"
        )
    )
    world.run()


def look_at_all(world: World) -> list[tuple[Any, ...]]:
    """The queue after all customers were looked at again."""
    world.conn.execute(text("UPDATE staging.volatile_marker SET change_seq = change_seq + 1"))
    world.run()
    return world.rows(SUBJECTS)


def different(world: World) -> None:
    decide(world, "DIFFERENT", "sales:2", "sales:3")


def merged(world: World) -> None:
    decide(world, "SAME", "web:0", "sales:1")
    world.merge("c1", "c0")


def moved(world: World) -> None:
    world.move("web:1", "c1", "c5")


def two_birth_dates(world: World) -> None:
    world.conn.execute(
        text(
            "INSERT INTO identity.customer_clusters SELECT global_customer_id, 2, 2, 0.6, "
            "min(profile_id), max(profile_id), 0.6 FROM identity.customer_identity_map "
            "WHERE global_customer_id = :c GROUP BY 1"
        ),
        {"c": world.customer("c0")},
    )
    world.put("sales:0", email="0@a.com", date_of_birth="1970-01-01")


def undone(world: World) -> None:
    different(world)
    world.run()
    decision = "SELECT max(decision_id) FROM identity.steward_link_decisions"
    world.conn.execute(
        text(
            "INSERT INTO identity.steward_link_decisions (verdict, steward, reason, undoes) "
            f"SELECT 'UNDO', 'ada', 'asked again', ({decision})"
        )
    )


@pytest.mark.parametrize("change", [different, merged, moved, two_birth_dates, undone])
def test_what_a_steward_moves_is_looked_at_as_if_all_were(
    world: World, change: Callable[[World], None]
) -> None:
    town(world)
    before = world.rows(SUBJECTS)
    assert [row[0] for row in before] == ["PAIR"] * 5
    change(world)
    report = world.run()["quality"]
    assert report.detail["waiting"] < 5
    now = world.rows(SUBJECTS)
    assert now != before
    assert look_at_all(world) == now


def test_what_had_no_room_moves_up_when_the_queue_runs_low(world: World) -> None:
    world.config = make_config(quality={"review_limit": 4})
    town(world)
    assert len(world.rows(SUBJECTS)) == 4
    decide(world, "DIFFERENT", "sales:4", "sales:5")
    world.run()
    assert [row[-1] for row in world.rows(SUBJECTS)].count("OPEN") == 3
    decide(world, "DIFFERENT", "sales:0", "sales:1")
    world.run()
    assert [row[-1] for row in world.rows(SUBJECTS)].count("OPEN") == 3
    assert look_at_all(world) == world.rows(SUBJECTS)


def test_a_night_asks_nothing_new_while_the_queue_is_full(world: World) -> None:
    world.config = make_config(quality={"review_limit": 2})
    town(world)
    before = world.rows(SUBJECTS)
    pair(world, "sales:0", "sales:5", 0.9)
    assert look_at_all(world) == before
    decide(world, "DIFFERENT", "sales:0", "sales:1")
    world.run()
    assert [(row[1], row[2], row[-1]) for row in world.rows(SUBJECTS)] == [
        ("c0", "c1", "DONE"),
        ("c4", "c5", "OPEN"),
        ("c0", "c5", "OPEN"),
    ]


def test_customers_that_look_like_several(world: World) -> None:
    world.put("sales:1", "ann", date_of_birth="1980-01-01")
    world.put("support:1", "ann", date_of_birth="1950-01-01")
    world.conn.execute(
        text(
            "INSERT INTO identity.customer_clusters SELECT :c, 2, 2, 0.55, "
            "min(profile_id), max(profile_id), 0.55 FROM identity.customer_identity_map"
        ),
        {"c": world.customer("ann")},
    )
    world.run()
    assert [(row[0], row[1], row[3], row[6]) for row in world.rows(QUEUE)] == [
        ("CUSTOMER", "ann", "BIRTH_DATES_DIFFER", "OPEN"),
        ("CUSTOMER", "ann", "WEAK_LINK", "OPEN"),
    ]
    decide(world, "SAME", "sales:1", "support:1")
    world.run()
    assert [row[-3:] for row in world.rows(QUEUE)] == [("DONE", 2, "ada")] * 2


def test_figures_per_run(world: World) -> None:
    world.put("sales:1", "ann", email="a@a.com", city="York")
    world.put("support:1", "ann", email="b@a.com")
    world.put("sales:2", "bob", city="Hull")
    world.override("bob", "city", "hull")
    world.override("ann", "city", "York")
    pair(world, "sales:1", "sales:2", 0.6)
    pair(world, "sales:1", "support:1", 0.97, "AUTO_MERGE")
    world.conn.execute(text(
        "INSERT INTO staging.scored_pair_counts VALUES "
        "('FLAG_REVIEW', 3, 1, 0.6, 6, 0.6, 1, 0.6, 1), "
        "('AUTO_MERGE', 6, 1, 0.97, 9.7, 0.97, 1, 0.97, 1)"
    ))  # fmt: skip
    world.run()
    world.run()
    assert world.rows(
        "SELECT run_id, attribute, customer_n, filled_n, completeness, conflict_n, overridden_n "
        "FROM gold.data_quality_metrics WHERE attribute IN ('email', 'city') ORDER BY attribute"
    ) == [(1, "city", 2, 2, 1.0, 0, 2), (1, "email", 2, 1, 0.5, 1, 0)]
    assert world.rows(
        "SELECT run_id, decision, band, pair_n FROM gold.match_confidence_metrics ORDER BY decision"
    ) == [(1, "AUTO_MERGE", "0.95-0.99", 1), (1, "FLAG_REVIEW", "0.50-0.80", 1)]
    assert world.rows(
        "SELECT run_id, attribute, effective_n, set_n, clear_n, revoked_n, steward_n, agreeing_n "
        "FROM gold.steward_override_metrics"
    ) == [(1, "city", 2, 2, 0, 0, 1, 1)]


def test_figures_wait_for_more_than_a_few_link_decisions(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_quality_metrics, "UNSEEN_SHARE", 0.5)  # of the 6 customers of a town
    figures = "SELECT run_id, max(customer_n) FROM gold.data_quality_metrics GROUP BY 1 ORDER BY 1"
    town(world)
    world.merge("c1", "c0")
    world.run()
    assert world.rows(figures) == [(1, 6)]
    look_at_all(world)
    assert world.rows(figures) == [(1, 6), (3, 5)]
    world.merge("c2", "c0")
    world.run()
    world.merge("c3", "c0")
    world.run()
    assert world.rows(figures) == [(1, 6), (3, 5), (5, 3)]
    world.override("c4", "email", "c@c.com")
    world.run()
    world.put("sales:4", email="d@c.com")
    world.run()
    assert world.rows(figures) == [(1, 6), (3, 5), (5, 3), (6, 3), (7, 3)]


def fill(world: World, count: int, **values: Any) -> None:
    for number in range(count):
        world.put(f"sales:{number}", f"c{number}", **values)


def test_a_source_that_lost_its_records_holds_the_run(world: World) -> None:
    fill(world, 40, email="a@a.com")
    world.run()
    world.conn.commit()
    for number in range(38):
        world.delete(f"sales:{number}")
    with pytest.raises(PublishHeld, match="source sales lost 38 of its 40 records"):
        world.run()
    assert world.rows("SELECT count(*) FROM gold.dim_customers") == [(40,)]
    world.run(config=make_config(quality={"max_source_drop": 1.0}))
    assert world.rows("SELECT count(*) FROM gold.dim_customers") == [(2,)]


def test_a_delivery_that_lost_a_field_holds_the_run(world: World) -> None:
    fill(world, 30, email="a@a.com", city="York")
    world.run()
    fill(world, 30, city="York")
    with pytest.raises(PublishHeld, match="source sales lost the field email"):
        world.run()


def test_nothing_holds_a_run_that_a_person_asked_for(world: World) -> None:
    fill(world, 30, email="a@a.com")
    world.run()
    for number in range(30):
        world.delete(f"sales:{number}")
    run_golden_customers.run(world.conn, replace(world.context(), guarded=False))
    assert world.rows("SELECT count(*) FROM gold.dim_customers") == [(0,)]


def test_a_small_source_may_lose_everything(world: World) -> None:
    fill(world, 3, email="a@a.com")
    world.run()
    for number in range(3):
        world.delete(f"sales:{number}")
    world.run()
    assert world.rows("SELECT count(*) FROM gold.dim_customers") == [(0,)]
