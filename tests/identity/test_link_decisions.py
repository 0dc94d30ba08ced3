"""Stories of stewards: what they say holds, can be undone, and cannot contradict itself."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from identity.link_decisions import (
    Decision,
    Verdict,
    decide,
    export_decisions,
    import_decisions,
    live_decisions,
    undo,
)
from mdm.errors import UsageError

if TYPE_CHECKING:
    from tests.identity.conftest import World


def test_same_joins_what_the_model_would_not(world: World) -> None:
    world.put("a", "b", "c").pair("a", "b", "FLAG_REVIEW", 0.6).veto("a", "c").resolve()
    world.judge("a", "SAME", "b")
    world.judge("c", "SAME", "a")
    world.resolve()
    assert world.waiting() == 0
    assert world.customers() == {"C1": "a b c"}
    assert world.decisions() == dict.fromkeys("abc", "STEWARD")
    assert {event[4] for event in world.events()} == {"steward"}


def test_same_loses_nobody_that_either_side_had(world: World) -> None:
    world.put("a", "b", "x").pair("a", "x", p=0.95).resolve()
    assert world.customers() == {"C1": "a x", "C2": "b"}
    world.judge("a", "SAME", "b")
    world.resolve()
    assert world.customers() == {"C1": "a b x"}


def test_different_parts_what_the_model_joins_and_undo_joins_it_again(world: World) -> None:
    world.put("a", "b").pair("a", "b").resolve()
    decision = world.judge("a", "DIFFERENT", "b")
    world.resolve()
    assert world.customers() == {"C1": "a", "C2": "b"}
    world.undo(decision)
    world.resolve()
    assert world.customers() == {"C1": "a b"}
    assert world.events() == [
        ("SPLIT", "C1", "C2", 1, "steward"),
        ("MERGE", "C2", "C1", 1, "steward"),
    ]


def test_different_holds_between_whole_customers(world: World) -> None:
    world.put("a", "b", "c").pair("a", "b", p=0.9999).resolve()
    world.judge("a", "DIFFERENT", "c")
    world.pair("b", "c").pair("a", "c").resolve()
    assert world.customers() == {"C1": "a b", "C2": "c"}
    world.pair("b", "c", "FLAG_REVIEW", 0.8)
    world.resolve()
    assert world.waiting() == 0, "a steward has answered already"


def test_father_and_son_of_equal_data_are_told_apart(world: World) -> None:
    world.put("father", "son", "third", content="jon snow").resolve()
    assert world.customers() == {"C1": "father son third"}
    world.judge("father", "DIFFERENT", "son")
    world.resolve()
    parts = set(world.customers().values())
    assert parts in ({"father third", "son"}, {"father", "son third"})
    world.judge("son", "SAME", "third")
    world.resolve()
    assert set(world.customers().values()) == {"father", "son third"}


def test_a_word_holds_through_a_deleted_record(world: World) -> None:
    world.put("a", "b", "c", "d").resolve()
    world.judge("a", "SAME", "b")
    world.judge("b", "SAME", "c")
    world.judge("b", "DIFFERENT", "d")
    world.remove("b").pair("c", "d").resolve()
    assert world.customers() == {"C1": "a c", "C4": "d"}


def test_a_word_survives_new_data(world: World) -> None:
    world.put("a", "b").resolve()
    world.judge("a", "SAME", "b")
    world.resolve()
    world.put("a", content="renamed").put("b", content="moved").resolve()
    assert world.customers() == {"C1": "a b"}


def test_customers_may_be_named_instead_of_records(world: World) -> None:
    world.put("a", "b1", "b2").pair("b1", "b2").resolve()
    world.conn.execute(
        text(
            "INSERT INTO identity.steward_link_decisions (verdict, customer_l, customer_r, steward,"
            " reason) SELECT 'SAME', max(m.global_customer_id::text)::uuid,"
            " min(m.global_customer_id::text)::uuid, 'ann', 'one desk'"
            " FROM identity.customer_identity_map AS m"
        )
    )
    world.resolve()
    assert world.customers() == {"C1": "a b1 b2"}
    row = world.conn.execute(text("SELECT * FROM identity.steward_link_decisions")).one()
    names = world.names()
    assert (row.source_record_id_l, row.source_record_id_r) == ("a", "b1")
    assert (names[row.customer_l], names[row.customer_r]) == ("C1", "C2")


@pytest.mark.parametrize(
    ("words", "refused", "chain"),
    [
        (
            [("a", "SAME", "b"), ("b", "SAME", "c")],
            ("a", "DIFFERENT", "c"),
            r"crm:a = \(decision 1\) crm:b = \(decision 2\) crm:c, so the two cannot be DIFFERENT",
        ),
        (
            [("a", "SAME", "b"), ("a", "DIFFERENT", "c")],
            ("c", "SAME", "b"),
            r"crm:a = \(decision 1\) crm:b = \(this\) crm:c, but decision 2 says crm:a and crm:c",
        ),
        (
            [("a", "SAME", "b"), ("c", "SAME", "d"), ("d", "DIFFERENT", "a")],
            ("c", "SAME", "b"),
            r"crm:a = \(decision 1\) crm:b = \(this\) crm:c = \(decision 2\) crm:d, but decision 3",
        ),
        ([("a", "SAME", "b")], ("b", "DIFFERENT", "a"), "decision 1 already says SAME"),
        ([("a", "SAME", "b")], ("b", "SAME", "a"), "decision 1 already says SAME"),
        ([], ("a", "SAME", "a"), "both sides are the record crm:a"),
        ([], ("a", "SAME", "nobody"), "there never was a record crm:nobody"),
        ([], ("a", "MAYBE", "b"), "verdict_is_same_or_different_or_undo"),
    ],
)
def test_what_cannot_be_is_refused(
    world: World,
    words: list[tuple[str, str, str]],
    refused: tuple[str, str, str],
    chain: str,
) -> None:
    world.put("a", "b", "c", "d")
    for word in words:
        world.judge(*word)
    with pytest.raises(DBAPIError, match=chain):
        world.judge(*refused)


def test_what_was_undone_may_be_decided_otherwise(world: World) -> None:
    world.put("a", "b")
    world.undo(world.judge("a", "SAME", "b"))
    world.judge("a", "DIFFERENT", "b")
    live = world.conn.execute(text("SELECT verdict FROM identity.live_link_decisions"))
    assert live.scalars().all() == ["DIFFERENT"]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE identity.steward_link_decisions SET reason = 'x'", "append-only"),
        ("DELETE FROM identity.steward_link_decisions", "append-only"),
        ("TRUNCATE identity.steward_link_decisions CASCADE", "append-only"),
        (
            "INSERT INTO identity.steward_link_decisions (undoes, steward, reason)"
            " VALUES (99, 'ann', 'x')",
            "no link decision 99",
        ),
        (
            "INSERT INTO identity.steward_link_decisions (undoes, steward, reason)"
            " VALUES (1, ' ', 'x')",
            "steward",
        ),
        (
            "INSERT INTO identity.steward_link_decisions (undoes, steward, reason)"
            " VALUES (1, 'ann', 'x'), (1, 'ann', 'again')",
            "decision 1 is already undone",
        ),
        (
            "INSERT INTO identity.steward_link_decisions (verdict, customer_l, customer_r, steward,"
            " reason) VALUES ('SAME', uuidv7(), uuidv7(), 'ann', 'x')",
            "the left side names no living customer",
        ),
    ],
)
def test_the_record_of_decisions_guards_itself(world: World, statement: str, message: str) -> None:
    world.put("a", "b").judge("a", "SAME", "b")
    with pytest.raises(DBAPIError, match=message):
        world.conn.execute(text(statement))


def say(world: World, verdict: Verdict, left: str, right: str) -> Decision:
    return decide(world.conn, verdict, left=left, right=right, steward="ann", reason="called")


def test_decide_and_undo_answer_with_what_is_on_record(world: World) -> None:
    world.put("a", "b").resolve()
    decision = say(world, "SAME", "crm:b", "crm:a")
    assert (decision.left, decision.right, decision.verdict) == ("crm:a", "crm:b", "SAME")
    assert live_decisions(world.conn) == [decision]
    undone = undo(world.conn, decision.decision_id, steward="bob", reason="wrong person")
    assert (undone.verdict, undone.undoes) == ("UNDO", decision.decision_id)
    assert live_decisions(world.conn) == []


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        ("crm:a", "crm:zz", "Refused: there never was a record crm:zz"),
        ("a", "crm:b", "'a' is neither a record"),
        ("crm:a", "01930000-0000-7000-8000-000000000000", "names no living customer"),
        ("crm:a", "crm:b", "Undo a decision of the chain first"),
    ],
)
def test_a_refusal_says_what_stands_in_the_way(
    world: World, left: str, right: str, message: str
) -> None:
    world.put("a", "b", "c").resolve()
    say(world, "SAME", "crm:a", "crm:c")
    say(world, "SAME", "crm:b", "crm:c")
    with pytest.raises(UsageError, match=message):
        say(world, "DIFFERENT", left, right)
    assert len(live_decisions(world.conn)) == 2, "and the transaction goes on"


def test_a_decision_needs_a_name_and_a_reason(world: World) -> None:
    world.put("a", "b").resolve()
    with pytest.raises(UsageError, match="the name of a steward and a reason"):
        decide(world.conn, "SAME", left="crm:a", right="crm:b", steward=" ", reason="x")


def test_decisions_go_to_a_file_and_come_back(world: World) -> None:
    world.put("a", "b", "c").resolve()
    first = say(world, "SAME", "crm:a", "crm:b")
    second = say(world, "DIFFERENT", "crm:a", "crm:c")
    file = io.StringIO()
    assert export_decisions(world.conn, file) == 2
    undo(world.conn, first.decision_id, steward="ann", reason="x")
    undo(world.conn, second.decision_id, steward="ann", reason="x")
    assert import_decisions(world.conn, io.StringIO(file.getvalue())) == 2
    assert import_decisions(world.conn, io.StringIO(file.getvalue())) == 0
    assert [d.verdict for d in live_decisions(world.conn)] == ["SAME", "DIFFERENT"]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("verdict,left,right\n", "lacks the columns reason, steward"),
        ("verdict,left,right,steward,reason\nMAYBE,crm:a,crm:b,x,y\n", "line 2: the verdict"),
        ("verdict,left,right,steward,reason\nSAME,crm:a,crm:q,x,y\n", "line 2: Refused: there"),
    ],
)
def test_a_bad_file_of_decisions_says_where(world: World, file: str, message: str) -> None:
    world.put("a", "b").resolve()
    with pytest.raises(UsageError, match=message):
        import_decisions(world.conn, io.StringIO(file))
