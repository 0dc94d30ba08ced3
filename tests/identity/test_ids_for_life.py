"""Stories of ids: what merges, splits, deletions and returns do to what was published."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from identity.run_identity_resolution import run
from mdm.errors import MdmError

if TYPE_CHECKING:
    from tests.identity.conftest import World


def test_every_record_gets_a_customer(world: World) -> None:
    report = world.put("a", "b", "c").resolve()
    assert world.customers() == {"C1": "a", "C2": "b", "C3": "c"}
    assert world.decisions() == dict.fromkeys("abc", "SINGLETON")
    assert world.events() == []
    assert report.detail["new"] == 3
    assert report.detail["customers"] == 3


def test_records_of_one_profile_are_one_customer(world: World) -> None:
    report = world.put("a1", "a2", "a3", content="a").put("b").resolve()
    assert world.customers() == {"C1": "a1 a2 a3", "C2": "b"}
    assert world.decisions() == {
        "a1": "SAME_PROFILE", "a2": "SAME_PROFILE", "a3": "SAME_PROFILE", "b": "SINGLETON",
    }  # fmt: skip
    assert report.detail["customers_by_records"] == {"1": 1, "3-5": 1}
    assert report.detail["largest"][0]["records"] == 3


def test_records_too_poor_to_tell_apart_stay_apart(world: World) -> None:
    world.poor.add("john smith")
    world.put("j1", "j2", content="john smith").put("b").resolve()
    assert world.customers() == {"C1": "j1", "C2": "j2", "C3": "b"}
    world.pair("john smith", "b").resolve()
    assert world.customers() == {"C1": "b j1 j2"}, "unless their pairs join them"


def test_records_of_an_organisation_are_one_by_its_name(world: World) -> None:
    world.poor |= {"plum works", "john smith"}
    world.put("p1", "p2", content="plum works").put("j1", "j2", content="john smith").stage()
    world.conn.execute(
        text(
            "UPDATE staging.profiles SET organisation = name, name = NULL WHERE name = 'plum works'"
        )
    )
    world.resolve()
    assert world.customers() == {"C1": "p1 p2", "C2": "j1", "C3": "j2"}


def test_a_merge_keeps_the_oldest_id(world: World) -> None:
    world.put("a").resolve()
    world.put("b").resolve()
    report = world.pair("a", "b").resolve()
    assert world.customers() == {"C1": "a b"}
    assert world.states() == {"C1": "LIVE", "C2": "-> C1"}
    assert world.events() == [("MERGE", "C2", "C1", 1, "new evidence")]
    assert world.decisions() == {"a": "AUTO_MERGE", "b": "AUTO_MERGE"}
    assert (report.detail["merged"], report.detail["customers"]) == (1, 1)


def test_three_merge_at_once_and_the_oldest_stays_though_smaller(world: World) -> None:
    world.put("a").resolve()
    world.put("b1", "b2", content="b").put("c").resolve()
    world.pair("a", "b").pair("b", "c").pair("a", "c").resolve()
    assert world.customers() == {"C1": "a b1 b2 c"}
    assert world.events() == [
        ("MERGE", "C2", "C1", 2, "new evidence"),
        ("MERGE", "C3", "C1", 1, "new evidence"),
    ]


def test_an_id_resolves_through_two_merges(world: World) -> None:
    world.put("a", "b", "c").resolve()
    world.pair("b", "c").resolve()
    world.pair("a", "b").pair("a", "c").resolve()
    assert world.states() == {"C1": "LIVE", "C2": "-> C1", "C3": "-> C1"}
    assert world.resolved() == {"C1": "C1", "C2": "C1", "C3": "C1"}


def test_on_a_split_the_larger_part_keeps_the_id(world: World) -> None:
    world.put("a").put("b1", "b2", content="b").pair("a", "b").resolve()
    assert world.customers() == {"C1": "a b1 b2"}
    world.unpair("a", "b").resolve()
    assert world.customers() == {"C1": "b1 b2", "C2": "a"}
    assert world.events() == [("SPLIT", "C1", "C2", 1, "evidence gone")]


def test_on_an_even_split_the_first_record_keeps_the_id(world: World) -> None:
    world.put("b").put("a").pair("a", "b").resolve()
    world.unpair("a", "b").resolve()
    assert world.customers() == {"C1": "a", "C2": "b"}


def test_an_undone_merge_gives_both_their_ids_back(world: World) -> None:
    world.put("a", "b").resolve()
    world.pair("a", "b").resolve()
    world.unpair("a", "b").resolve()
    assert world.customers() == {"C1": "a", "C2": "b"}
    assert world.states() == {"C1": "LIVE", "C2": "LIVE"}
    assert world.events() == [
        ("MERGE", "C2", "C1", 1, "new evidence"),
        ("SPLIT", "C1", "C2", 1, "evidence gone"),
    ]


def test_a_redirect_goes_with_the_records_it_was_published_for(world: World) -> None:
    world.put("a", "b", "c").resolve()
    world.pair("a", "b").pair("b", "c").pair("a", "c").resolve()
    world.unpair("a", "b").unpair("a", "c").resolve()
    # b and c keep C1, being more; a was C1 from birth and has no other id to go back to.
    assert world.customers() == {"C1": "b c", "C4": "a"}
    assert world.resolved() == {"C1": "C1", "C2": "C1", "C3": "C1", "C4": "C4"}


def test_a_record_moves_between_living_customers(world: World) -> None:
    world.put("a1", "a2", "x", content="a").put("b1", "b2", content="b").resolve()
    world.put("x", content="b").resolve()
    assert world.customers() == {"C1": "a1 a2", "C2": "b1 b2 x"}
    assert world.events() == [("MOVE", "C1", "C2", 1, "new evidence")]


def test_a_deleted_customer_comes_back_with_its_id(world: World) -> None:
    world.put("a", "b").resolve()
    world.remove("a").resolve()
    assert world.customers() == {"C2": "b"}
    assert world.states() == {"C1": "DELETED", "C2": "LIVE"}
    assert world.resolved() == {"C1": None, "C2": "C2"}
    world.put("a").resolve()
    assert world.customers() == {"C1": "a", "C2": "b"}
    assert world.states() == {"C1": "LIVE", "C2": "LIVE"}
    assert world.events() == [
        ("DELETE", "C1", None, 1, "deletion"),
        ("RESURRECT", "C1", None, 1, "new evidence"),
    ]
    assert world.conn.execute(text("SELECT count(*) FROM identity.retired_records")).scalar() == 0


def test_a_returning_record_does_not_take_the_id_from_those_who_stayed(world: World) -> None:
    world.put("a", "b").pair("a", "b").resolve()
    world.remove("a").resolve()
    assert world.customers() == {"C1": "b"}
    world.put("a").unpair("a", "b").resolve()
    assert world.customers() == {"C1": "b", "C2": "a"}
    assert world.events() == [("SPLIT", "C1", "C2", 1, "evidence gone")]


def test_a_deleted_customer_that_comes_back_as_part_of_another_redirects(world: World) -> None:
    world.put("a").resolve()
    world.put("b").resolve()
    world.remove("b").resolve()
    world.put("b").pair("a", "b").resolve()
    assert world.customers() == {"C1": "a b"}
    assert world.resolved() == {"C1": "C1", "C2": "C1"}
    assert world.events()[-1] == ("MERGE", "C2", "C1", 1, "new evidence")


def test_other_rules_over_the_same_records_are_a_model_change(world: World) -> None:
    world.put("a", "b").pair("a", "b", "FLAG_REVIEW", 0.7).resolve()
    assert world.customers() == {"C1": "a", "C2": "b"}
    world.resolve(merge_flagged=True)
    assert world.customers() == {"C1": "a b"}
    assert world.decisions() == {"a": "FLAG_REVIEW", "b": "FLAG_REVIEW"}
    assert world.waiting() == 0
    world.resolve()
    assert world.waiting() == 1
    assert world.customers() == {"C1": "a", "C2": "b"}
    assert [event[0::4] for event in world.events()] == [
        ("MERGE", "model change"),
        ("SPLIT", "model change"),
    ]


def test_a_doubt_waits_and_a_veto_holds(world: World) -> None:
    world.put("a", "b", "c").pair("a", "b", "FLAG_REVIEW", 0.89)
    world.pair("b", "c").veto("a", "c")
    world.resolve()
    assert world.waiting() == 1
    assert world.customers() == {"C1": "a", "C2": "b c"}
    waiting = world.conn.execute(
        text("SELECT customer_l, customer_r, round(match_probability::numeric, 2)"
             " FROM identity.waiting_edges")
    ).all()  # fmt: skip
    names = world.names()
    assert [({names[w[0]], names[w[1]]}, float(w[2])) for w in waiting] == [({"C1", "C2"}, 0.89)]


def test_cluster_quality_names_the_weakest_link(world: World) -> None:
    world.put("a", "b", "c").pair("a", "b", p=0.999).pair("b", "c", p=0.95).pair("a", "c", p=0.93)
    world.resolve()
    quality = world.conn.execute(
        text("SELECT c.profile_n, c.record_n, l.name, r.name, c.weakest_probability, c.confidence"
             " FROM identity.customer_clusters AS c"
             " JOIN staging.profiles AS l ON l.profile_id = c.weakest_profile_l"
             " JOIN staging.profiles AS r ON r.profile_id = c.weakest_profile_r")
    ).one()  # fmt: skip
    assert quality[:2] == (3, 3)
    assert {quality[2], quality[3]} == {"b", "c"}
    assert quality[4] == pytest.approx(0.95)
    assert 0.9 < quality[5] < 0.95
    world.unpair("a", "b").unpair("b", "c").unpair("a", "c").resolve()
    assert world.conn.execute(text("SELECT count(*) FROM identity.customer_clusters")).scalar() == 0


def test_a_confidence_that_changes_alone_is_published_with_its_run(world: World) -> None:
    world.keeps_profiles = True
    world.put("a", "b", "c", "d").pair("a", "b", p=0.999).pair("c", "d", p=0.999).resolve()
    quality = text(
        "SELECT c.confidence, c.run_id = s.run_id FROM identity.customer_clusters AS c"
        " JOIN identity.customers AS k USING (global_customer_id)"
        " CROSS JOIN identity.consumption AS s ORDER BY k.customer_seq"
    )
    first = world.conn.execute(quality).all()
    assert [row[1] for row in first] == [True, True]
    before = world.decisions()
    world.pair("a", "b", p=0.95).resolve()
    second = world.conn.execute(quality).all()
    assert [row[1] for row in second] == [True, False]
    assert second[0][0] < first[0][0]
    assert world.decisions() == before


def _versions(world: World) -> list[tuple[str, ...]]:
    """The physical version of every row of identity: a row written again has another."""
    tables = (
        "customers", "customer_identity_map", "retired_records", "identity_events",
        "customer_clusters", "consumption", "steward_link_decisions",
    )  # fmt: skip
    return [
        (
            table,
            *sorted(world.conn.execute(text(f"SELECT ctid::text FROM identity.{table}")).scalars()),
        )
        for table in tables
    ]


def test_a_run_without_changes_writes_nothing(world: World) -> None:
    world.put("a", "b", "c", "d").pair("a", "b").pair("c", "d", "FLAG_REVIEW", 0.6)
    world.judge("c", "SAME", "d")
    world.resolve()
    world.remove("d").resolve()
    before = _versions(world)
    assert world.resolve().detail == {"unchanged": True}
    context = replace(world.make_context(world.config), full=True)
    assert run(world.conn, context).rows_out == 0
    assert _versions(world) == before


def test_an_emptied_layer_stops_the_run_instead_of_every_customer(world: World) -> None:
    world.put("a", "b").pair("a", "b").resolve()
    world.conn.execute(text("TRUNCATE staging.identity_match_candidates, staging.match_groups"))
    world.conn.execute(text("DELETE FROM staging.volatile_marker WHERE layer = 'matching'"))
    with pytest.raises(MdmError, match="found no scored pairs"):
        run(world.conn, world.make_context(world.config))
    world.conn.execute(text("DELETE FROM staging.volatile_marker"))
    with pytest.raises(MdmError, match="found no identity inputs"):
        run(world.conn, world.make_context(world.config))
