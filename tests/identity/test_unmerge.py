"""Stories of customers taken apart: where the cut is, and that it holds."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import text

from identity import unmerge
from identity.link_decisions import live_decisions, undo
from mdm.errors import UsageError

if TYPE_CHECKING:
    from tests.identity.conftest import World


def id_of(world: World, name: str) -> UUID:
    """The id of customer ``C1``, ``C2`` …"""
    return next(i for i, known in world.names().items() if known == name)


def two_families(world: World) -> World:
    """``a b c`` and ``x y``, tied to each other by two doubtful-looking pairs."""
    world.put(*"abcxy")
    for pair in ("ab", "ac", "bc", "xy"):
        world.pair(*pair, p=0.9999)
    for one, other in itertools.product("abc", "xy"):
        world.pair(one, other, p=0.9)
    world.resolve(merge_flagged=False)
    assert world.customers() == {"C1": "a b c x y"}
    return world


def test_the_cheapest_cut_parts_what_hangs_together_least(world: World) -> None:
    two_families(world)
    proposal = unmerge.propose(world.conn, id_of(world, "C1"))
    assert proposal.stays == ("crm:a", "crm:b", "crm:c")
    assert proposal.leaves == ("crm:x", "crm:y")
    assert len(proposal.crossing) == 6
    assert proposal.weight == pytest.approx(6 * np.log2(9), rel=1e-3)
    assert "6 pair(s)" in proposal.why


def test_a_cut_holds_and_can_be_undone(world: World) -> None:
    two_families(world)
    proposal = unmerge.propose(world.conn, id_of(world, "C1"))
    taken = unmerge.apply(world.conn, proposal, steward="ann", reason="two families")
    assert {d.verdict for d in taken} == {"DIFFERENT"}
    world.resolve()
    assert world.customers() == {"C1": "a b c", "C2": "x y"}
    assert unmerge.apply(world.conn, proposal, steward="ann", reason="again") == []
    world.put("new").resolve()
    assert world.customers() == {"C1": "a b c", "C2": "x y", "C3": "new"}
    for decision in taken:
        undo(world.conn, decision.decision_id, steward="ann", reason="one family after all")
    world.resolve()
    assert world.customers() == {"C1": "a b c x y", "C3": "new"}


def test_what_stewards_called_the_same_is_not_cut(world: World) -> None:
    world.put("a", "b", "c").pair("b", "c").resolve()
    world.judge("a", "SAME", "b")
    world.resolve()
    proposal = unmerge.propose(world.conn, id_of(world, "C1"))
    assert (proposal.stays, proposal.leaves) == (("crm:a", "crm:b"), ("crm:c",))
    world.judge("b", "SAME", "c")
    world.resolve()
    with pytest.raises(UsageError, match="stewards' SAME decisions"):
        unmerge.propose(world.conn, id_of(world, "C1"))


def test_equal_data_and_unknown_customers_have_no_cut(world: World) -> None:
    world.put("a", "b", content="one").resolve()
    with pytest.raises(UsageError, match="equal data"):
        unmerge.propose(world.conn, id_of(world, "C1"))
    with pytest.raises(UsageError, match="no living customer"):
        unmerge.propose(world.conn, UUID(int=7))


def test_many_customers_from_a_file(world: World) -> None:
    world.put(*"abcd").pair("a", "b").pair("c", "d").resolve()
    lines = ["customer_id\n", f"{id_of(world, 'C1')}\n", "\n", f"{id_of(world, 'C2')},why\n"]
    for proposal in unmerge.propose_many(world.conn, unmerge.read_ids(lines)):
        unmerge.apply(world.conn, proposal, steward="ann", reason="a bad list")
    world.resolve()
    assert sorted(world.customers().values()) == ["a", "b", "c", "d"]
    with pytest.raises(UsageError, match="line 2: 'x'"):
        unmerge.read_ids(["id\n", "x\n"])
    with pytest.raises(UsageError, match="names no customer"):
        unmerge.read_ids(["id\n"])


def test_all_merges_of_a_run_are_taken_back(world: World) -> None:
    world.put(*"abcd").put("e1", content="e").put("e2", content="f").pair("a", "b").resolve()
    before = world.customers()
    world.pair("a", "c").pair("b", "c").pair("c", "d").pair("a", "d").pair("b", "d")
    world.put("e2", content="e").resolve()
    assert sorted(world.customers().values()) == ["a b c d", "e1 e2"]
    run = world.conn.execute(
        text("SELECT max(run_id) FROM identity.identity_events WHERE event_type = 'MERGE'")
    ).scalar_one()
    proposals = unmerge.propose_for_run(world.conn, run)
    assert len(proposals) == 3
    for proposal in proposals:
        unmerge.apply(world.conn, proposal, steward="ann", reason="a bad feed")
    world.resolve()
    after = world.customers()
    assert after["C1"] == before["C1"] == "a b"
    assert "e1 e2" not in after.values()
    assert not {"c", "d"} & set(after["C1"].split())
    assert len(live_decisions(world.conn)) >= 5
    with pytest.raises(UsageError, match="merged no customers"):
        unmerge.propose_for_run(world.conn, run + 100)


def test_a_record_that_had_moved_goes_with_the_side_it_was_on(world: World) -> None:
    """b was published under C1, moved to C2, and came back with c when both were merged."""
    world.put(*"abcd").pair("a", "b").pair("c", "d").resolve()
    world.unpair("a", "b").pair("b", "c").pair("b", "d").resolve()
    assert world.customers() == {"C1": "a", "C2": "b c d"}
    for one in "bcd":
        world.pair("a", one)
    world.resolve()
    assert world.customers() == {"C1": "a b c d"}
    run = world.conn.execute(text("SELECT max(run_id) FROM identity.identity_events")).scalar_one()
    (proposal,) = unmerge.propose_for_run(world.conn, run)
    assert proposal.stays == ("crm:a",)
    assert proposal.leaves == ("crm:b", "crm:c", "crm:d")
    # an event of before, which does not tell: by the id each record was first published under
    world.conn.execute(text("ALTER TABLE identity.identity_events DISABLE TRIGGER USER"))
    world.conn.execute(text("UPDATE identity.identity_events SET detail = '{}'"))
    (proposal,) = unmerge.propose_for_run(world.conn, run)
    assert proposal.leaves == ("crm:c", "crm:d")


def test_the_cheapest_cut_is_the_cheapest_of_all() -> None:
    random = np.random.default_rng(20_260_501)
    for n in (2, 3, 5, 7):
        for _ in range(20):
            half = np.triu(random.integers(0, 6, (n, n)), 1).astype(float)
            weight = half + half.T
            found, side = unmerge.cheapest_cut(weight)
            cuts = [
                weight[np.ix_(chosen, [i for i in range(n) if i not in chosen])].sum()
                for size in range(1, n // 2 + 1)
                for chosen in map(list, itertools.combinations(range(n), size))
            ]
            assert found == min(cuts)
            rest = [i for i in range(n) if i not in side.tolist()]
            assert rest
            assert weight[np.ix_(side, rest)].sum() == found
