"""Looking at touched customers only gives what looking at all of them gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from identity import scope
from identity.run_identity_resolution import read_state, resolve

if TYPE_CHECKING:
    from tests.identity.conftest import World

RECORDS, CONTENTS = tuple("abcdefgh"), tuple("pqrstuvw")
PAIRS = [(a, b) for a in CONTENTS for b in CONTENTS if a < b]
SCORES = [("AUTO_MERGE", 0.99), ("AUTO_MERGE", 0.95), ("FLAG_REVIEW", 0.6), ("REJECT", 0.01)]
changes = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(RECORDS), st.sampled_from(CONTENTS)),
    st.tuples(st.just("remove"), st.sampled_from(RECORDS)),
    st.tuples(st.just("pair"), st.sampled_from(PAIRS), st.sampled_from(SCORES)),
    st.tuples(st.just("unpair"), st.sampled_from(PAIRS)),
    st.tuples(st.just("SAME"), st.lists(st.sampled_from(RECORDS), min_size=2, max_size=2)),
    st.tuples(st.just("DIFFERENT"), st.lists(st.sampled_from(RECORDS), min_size=2, max_size=2)),
    st.tuples(st.just("undo"), st.integers(0, 3)),
)
lives = st.lists(st.lists(changes, min_size=1, max_size=4), min_size=2, max_size=4)


def happen(world: World, change: tuple[Any, ...]) -> None:
    """One change of the world; what a steward may not say is left unsaid."""
    kind, *of = change
    if kind == "put":
        world.put(of[0], content=of[1])
    elif kind == "remove":
        world.contents.pop(of[0], None)
    elif kind == "pair":
        world.pair(*of[0], *of[1])
    elif kind == "unpair":
        world.pairs.pop(of[0], None)
    else:
        savepoint = world.conn.begin_nested()
        try:
            if kind == "undo":
                live = text("SELECT decision_id FROM identity.live_link_decisions ORDER BY 1")
                world.undo(world.conn.execute(live).scalars().all()[of[0]])
            else:
                world.judge(of[0][0], kind, of[0][1])
        except (DBAPIError, IndexError):
            savepoint.rollback()


def everything(world: World) -> list[Any]:
    """All that identity publishes, ids by age."""
    quality = text(
        "SELECT k.customer_seq, c.profile_n, c.record_n, c.confidence, c.weakest_profile_l,"
        " c.weakest_profile_r, c.weakest_probability FROM identity.customer_clusters AS c"
        " JOIN identity.customers AS k USING (global_customer_id)"
    )
    reasons = text(
        "SELECT source_record_id, record_id, profile_id, decision, match_confidence"
        " FROM identity.customer_identity_map ORDER BY 1"
    )
    ages = text("SELECT customer_seq FROM identity.customers ORDER BY 1")
    age = {seq: i for i, seq in enumerate(world.conn.execute(ages).scalars())}
    return [
        world.customers(),
        world.states(),
        world.events(),
        [tuple(row) for row in world.conn.execute(reasons)],
        sorted((age[seq], *rest) for seq, *rest in world.conn.execute(quality)),
    ]


def scored_pairs(world: World) -> dict[Any, Any]:
    """The pairs that matching would have scored: those of contents that some record has."""
    alive = set(world.contents.values())
    return {pair: score for pair, score in world.pairs.items() if alive.issuperset(pair)}


def rescored(world: World, pairs_before: dict[Any, Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The profiles that matching would report to have pairs which may regroup customers.

    Of pairs that join, before or now; and of others where joining pairs tie both ends to the same
    profiles, or to such as a steward called the same as another.
    """
    pairs = scored_pairs(world)
    island = {content: content for content in CONTENTS}
    for (one, other), (decision, *_) in pairs.items():
        if decision == "AUTO_MERGE":
            joined = {island[one], island[other]}
            island |= {c: min(joined) for c in CONTENTS if island[c] in joined}
    judged = world.conn.execute(
        text(
            "SELECT s.record FROM identity.live_link_decisions AS d CROSS JOIN LATERAL"
            " (VALUES (d.source_record_id_l), (d.source_record_id_r)) AS s (record)"
            " WHERE d.verdict = 'SAME'"
        )
    ).scalars()
    stewarded = {island[world.contents[record]] for record in judged if record in world.contents}
    ends = {
        content
        for pair in dict(pairs_before.items() ^ pairs.items())
        if any(of.get(pair, ("",))[0] == "AUTO_MERGE" for of in (pairs_before, pairs))
        or len(islands := {island[content] for content in pair}) == 1
        or islands <= stewarded
        for content in pair
    }
    rows = world.conn.execute(
        text("SELECT profile_id FROM staging.profiles WHERE name = ANY (:ends)"),
        {"ends": list(ends)},
    )
    return np.array(rows.scalars().all(), dtype=np.int64)


@pytest.mark.slow
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(life=lives, poor=st.sets(st.sampled_from(CONTENTS), max_size=1))
def test_touched_customers_are_all_that_changes(
    world: World, life: list[list[tuple[Any, ...]]], poor: set[str]
) -> None:
    world.conn.rollback()
    world.keeps_profiles, world.poor = True, poor
    world.contents = dict(zip(RECORDS, CONTENTS, strict=True))
    world.pairs = {}
    world.pair("p", "q").pair("q", "r").pair("s", "t").pair("t", "u", "FLAG_REVIEW", 0.7)
    world.resolve()
    for day in life:
        before = scored_pairs(world)
        for change in day:
            happen(world, change)
        world.stage()
        savepoint = world.conn.begin_nested()
        context = world.make_context(world.config)
        resolve(world.conn, context, read_state(world.conn, context), rescored=None)
        expected = everything(world)
        savepoint.rollback()
        state = read_state(world.conn, context)
        resolve(world.conn, context, state, rescored=rescored(world, before))
        assert everything(world) == expected
        world.check()


def test_a_word_looks_at_the_customers_it_is_about(world: World) -> None:
    world.put(*"abcdefgh").pair("a", "b").pair("c", "d").pair("e", "f").pair("f", "g").resolve()
    decision = world.judge("a", "SAME", "c")
    assert world.resolve().rows_in == 4
    assert world.customers() == {"C1": "a b c d", "C3": "e f g", "C4": "h"}
    world.undo(decision)
    assert world.resolve().rows_in == 4
    world.judge("e", "DIFFERENT", "g")
    assert world.resolve().rows_in == 3
    world.pair("h", "g").resolve()
    assert world.customers()["C1"] == "a b"


def test_two_connections_look_at_what_one_looks_at(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scope, "_WORTH_HALVING", 2)
    world.keeps_profiles = True
    world.put(*"pqrstuv").put("p2", content="p").put("s2", content="s")
    world.pair("p", "q").pair("r", "s").pair("s", "t").pair("u", "v")
    world.resolve()
    before = scored_pairs(world)
    world.put("w").pair("p", "w").pair("s", "w").remove("t").remove("v").stage()
    world.conn.commit()
    context = world.make_context(world.config)
    resolve(world.conn, context, read_state(world.conn, context), rescored=None)
    expected = everything(world)
    world.conn.rollback()
    state, found = read_state(world.conn, context), rescored(world, before)
    has_written = text("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
    assert not world.conn.execute(has_written).scalar_one()  # else one connection does it all
    assert resolve(world.conn, context, state, rescored=found).rows_in == 8
    assert everything(world) == expected
    world.check()


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_what_was_held_apart_joins_when_the_obstacle_goes(world: World, order: str) -> None:
    world.keeps_profiles = True
    for content in order:  # either end of the pair may have the smaller profile id
        world.put(content).stage()
    world.put("x").pair("a", "x", p=0.9999).pair("a", "b", p=0.9).veto("b", "x").resolve()
    assert set(world.customers().values()) == {"a x", "b"}
    world.remove("x").unpair("a", "x")
    del world.pairs["b", "x"]
    world.stage()
    context = world.make_context(world.config)
    resolve(world.conn, context, read_state(world.conn, context), rescored=np.empty(0, np.int64))
    assert list(world.customers().values()) == ["a b"]
