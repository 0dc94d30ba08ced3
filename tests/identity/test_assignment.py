"""Which customers keep their id without question, and which are put before the rules."""

from __future__ import annotations

import numpy as np
import pytest

from identity.assignment import NOBODY, Assignment, Members, keep, numbered


def uuid_of(name: str) -> bytes:
    return name.encode().rjust(16, b"\x01") if name else NOBODY


def kept(before: str, now: str, *, returning: tuple[int, ...] = (), unsettled: str = "") -> str:
    """The ids that customers keep, as ``.`` where they do not.

    ``before`` is a letter per record, a space for one without an id; ``now`` its customer's number.
    """
    n = len(before)
    record = np.arange(100, 100 + n)
    customer = np.array([int(c) for c in now])
    ids = np.array([uuid_of(name.strip()) for name in before], dtype="S16")
    members = Members(record, record, record, record, ids, np.ones(n, "f4"), np.ones(n, "i2"))
    found = Assignment(
        record, customer, members.confidence, members.decision, np.bincount(customer), record[:0]
    )
    result = keep(
        members,
        found,
        returning=np.array([100 + i for i in returning], dtype=np.int64),
        unsettled=np.array([uuid_of(name) for name in unsettled], dtype="S16"),
    )
    names = {uuid_of(name): name for name in before if name.strip()}
    assert (result.is_kept == (result.id != NOBODY)).all()
    return "".join(names.get(bytes(i).ljust(16, b"\0"), ".") for i in result.id)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ("aab", "001", "ab"),  # as it was
        ("a ", "00", "a"),  # a new record joins
        (" ", "0", "."),  # a new customer
        ("ab", "00", "."),  # a merge
        ("aa", "01", ".."),  # a split
        ("aabbc", "01112", "..c"),  # a record moves: who lost it and who got it are in question
        ("aab ", "0011", "ab"),
    ],
)
def test_an_id_stays_where_all_its_records_are_and_no_others(
    before: str, now: str, expected: str
) -> None:
    assert kept(before, now) == expected


def test_what_went_or_comes_back_is_in_question() -> None:
    assert kept("aab", "001", unsettled="a") == ".b"
    assert kept("aa b", "0012", returning=(2,), unsettled="b") == "a.."
    assert kept("a b", "001", returning=(1,)) == ".b"


@pytest.mark.parametrize("halves_n", [1 << 40, 5])  # with 5 different ids have equal bits
def test_equal_ids_have_one_number(halves_n: int) -> None:
    chance = np.random.default_rng(5)
    ids = chance.integers(1, halves_n, (60, 2)).astype(">u8")[chance.integers(0, 60, 300)]
    ids = np.ascontiguousarray(ids).view("S16").ravel()
    found, number = numbered(ids)
    assert (found[number] == ids).all()
    assert len(found) == len(set(ids.tolist()))
