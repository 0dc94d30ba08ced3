"""Work in another thread: in order, bounded, and nothing after a fault."""

from __future__ import annotations

import threading

import pytest

from ingestion.background import Background


def test_work_is_done_in_order_and_before_the_context_ends() -> None:
    done: list[int] = []
    with Background() as background:
        for number in range(20):
            background.submit(lambda number=number: done.append(number))  # type: ignore[misc]
    assert done == list(range(20))


def test_nothing_runs_after_a_fault_which_surfaces() -> None:
    done: list[str] = []

    def fail() -> None:
        raise ValueError("no room")

    def bring() -> None:
        with Background() as background:
            background.submit(fail)
            background.submit(lambda: done.append("after"))

    with pytest.raises(ValueError, match="no room"):
        bring()
    assert done == []


def test_a_fault_stops_who_brings_more() -> None:
    brought: list[int] = []

    def fail() -> None:
        raise ValueError("no room")

    def bring() -> None:
        with Background() as background:
            for number in range(10):
                background.submit(fail)
                brought.append(number)

    with pytest.raises(ValueError, match="no room"):
        bring()
    assert len(brought) < 10


def test_who_brings_work_waits_while_two_pieces_are_open() -> None:
    may_go = threading.Event()
    brought: list[int] = []

    def bring(background: Background) -> None:
        for number in range(3):
            background.submit(may_go.wait)  # type: ignore[arg-type]
            brought.append(number)

    with Background() as background:
        other = threading.Thread(target=bring, args=(background,))
        other.start()
        other.join(timeout=0.3)
        assert brought == [0, 1]
        may_go.set()
        other.join(timeout=10)
    assert brought == [0, 1, 2]
