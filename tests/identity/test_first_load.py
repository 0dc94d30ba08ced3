"""The first load and what comparing with nothing would have given are the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from identity import first_load

if TYPE_CHECKING:
    from tests.identity.conftest import World

RECORDS = tuple("abcdefgh")
worlds = st.fixed_dictionaries(
    {
        "contents": st.fixed_dictionaries({r: st.sampled_from("pqrstu") for r in RECORDS}),
        "poor": st.sets(st.sampled_from("pqrstu"), max_size=1),
        "pairs": st.dictionaries(
            st.sampled_from([(a, b) for a in "pqrstu" for b in "pqrstu" if a < b]),
            st.sampled_from([("AUTO_MERGE", 0.99), ("FLAG_REVIEW", 0.6), ("REJECT", 0.01)]),
            max_size=8,
        ),
        "same": st.lists(st.permutations(RECORDS), max_size=2),
        "merge_flagged": st.booleans(),
    }
)


def published(world: World) -> list[Any]:
    """All that a first load writes, with customers by age instead of by id."""
    statements = (
        "SELECT customer_seq - min(customer_seq) OVER (), state, merged_into"
        " FROM identity.customers ORDER BY customer_seq",
        "SELECT m.source, m.source_record_id, m.record_id, m.profile_id, m.match_confidence,"
        " m.decision, m.first_customer_id = m.global_customer_id,"
        " rank() OVER (ORDER BY c.customer_seq)"
        " FROM identity.customer_identity_map AS m"
        " JOIN identity.customers AS c USING (global_customer_id) ORDER BY 2",
        "SELECT rank() OVER (ORDER BY k.customer_seq), c.profile_n, c.record_n, c.confidence,"
        " c.weakest_profile_l, c.weakest_profile_r, c.weakest_probability"
        " FROM identity.customer_clusters AS c"
        " JOIN identity.customers AS k USING (global_customer_id) ORDER BY 1",
    )
    return [[tuple(row) for row in world.conn.execute(text(s))] for s in statements]


@pytest.mark.slow
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(drawn=worlds)
def test_loading_and_comparing_give_the_same(world: World, drawn: dict[str, Any]) -> None:
    world.conn.rollback()
    world.contents, world.poor = drawn["contents"], drawn["poor"]
    world.pairs = {pair: (*score, False) for pair, score in drawn["pairs"].items()}
    world.stage()
    for order in drawn["same"]:
        known = world.conn.execute(
            text("SELECT identity.same_chain('crm', :a, 'crm', :b)"),
            {"a": order[0], "b": order[1]},
        ).scalar()
        if known is None:
            world.judge(order[0], "SAME", order[1])
    savepoint = world.conn.begin_nested()
    loaded_report = world.resolve(merge_flagged=drawn["merge_flagged"])
    loaded = published(world)
    savepoint.rollback()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(first_load, "is_first", lambda conn: False)
        compared_report = world.resolve(merge_flagged=drawn["merge_flagged"])
    assert published(world) == loaded
    ours, theirs = loaded_report.detail, compared_report.detail
    del ours["clustering_seconds"], theirs["clustering_seconds"]
    for customer in (*ours["largest"], *theirs["largest"]):
        del customer["global_customer_id"]
    assert ours | {"largest": None} == theirs | {"largest": None}
    assert sorted(map(str, ours["largest"])) == sorted(map(str, theirs["largest"]))


def test_a_first_load_leaves_every_key_in_place(world: World) -> None:
    keys = text(
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid IN (SELECT oid FROM"
        " pg_class WHERE relnamespace = 'identity'::regnamespace) UNION ALL"
        " SELECT concat(conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint"
        " WHERE connamespace = 'identity'::regnamespace ORDER BY 1"
    )
    before = world.conn.execute(keys).all()
    world.put("a", "b", "c").pair("a", "b").resolve()
    assert world.conn.execute(keys).all() == before


def test_ids_of_later_runs_are_numbered_on(world: World) -> None:
    world.put("a", "b").resolve()
    world.put("c").resolve()
    assert world.customers() == {"C1": "a", "C2": "b", "C3": "c"}


def test_new_ids_are_uuids_of_version_7_in_ascending_order() -> None:
    at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    ids = [UUID(bytes=bytes(raw).ljust(16, b"\0")) for raw in first_load.new_ids(40_000, at=at)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert {(i.version, i.variant) for i in ids} == {(7, "specified in RFC 4122")}
    assert {i.int >> 80 for i in ids} == {int(at.timestamp() * 1000)}
