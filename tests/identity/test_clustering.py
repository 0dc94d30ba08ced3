"""Clustering as a pure function: against a naive implementation, in any order, and by stories."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identity.clustering import (
    BEST_SHARE,
    CERTAIN_BITS,
    HIGHEST_BITS,
    LOWEST_BITS,
    UNSEEN_BITS,
    Edges,
    cluster,
    in_order_of_ends,
)

Pair = tuple[int, int, float, bool]
Groups = set[frozenset[int]]


def edges_of(pairs: Iterable[Pair]) -> Edges:
    rows = list(pairs)
    return Edges(
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.float64),
        np.array([row[3] for row in rows], dtype=bool),
    )


def groups(n: int, pairs: Iterable[Pair], threshold: float = 1.0, **links: object) -> Groups:
    found = cluster(n, edges_of(pairs), rank=np.arange(n), threshold=threshold, **links)  # type: ignore[arg-type]
    return {frozenset(np.flatnonzero(found.label == c).tolist()) for c in set(found.label.tolist())}


def naive(n: int, pairs: list[Pair], threshold: float) -> Groups:
    """The textbook: repeat merging the one best pair of groups while it is good enough."""
    weight = {frozenset((a, b)): w for a, b, w, _ in pairs}
    vetoed = {frozenset((a, b)) for a, b, _, veto in pairs if veto}
    clusters = [frozenset([i]) for i in range(n)]

    def link(one: frozenset[int], other: frozenset[int]) -> float:
        between = [frozenset((a, b)) for a in one for b in other]
        if any(pair in vetoed for pair in between):
            return -np.inf
        seen = [np.clip(weight[p], LOWEST_BITS, HIGHEST_BITS) for p in between if p in weight]
        if not seen:
            return -np.inf
        mean = (sum(seen) + UNSEEN_BITS * (len(between) - len(seen))) / len(between)
        return float(BEST_SHARE * max(seen) + (1 - BEST_SHARE) * mean)

    while True:
        best = max(
            ((link(a, b), a, b) for i, a in enumerate(clusters) for b in clusters[:i]),
            key=lambda item: item[0],
            default=(-np.inf, frozenset(), frozenset()),
        )
        if best[0] < threshold:
            return set(clusters)
        clusters = [c for c in clusters if c not in best[1:]] + [best[1] | best[2]]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, list[Pair]]:
    """Random graphs with distinct weights, so that there is one right answer."""
    n = draw(st.integers(2, 14))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    share = draw(st.sampled_from([0.2, 0.5, 0.9]))
    pairs = [
        (i, j, float(rng.normal(1.5, 3.0)), bool(rng.random() < 0.05))
        for i in range(n)
        for j in range(i + 1, n)
        if rng.random() < share
    ]
    return n, [pair for pair in pairs if LOWEST_BITS < pair[2] < HIGHEST_BITS]


@settings(max_examples=150, derandomize=True, deadline=None)
@given(graphs(), st.sampled_from([0.0, 1.0, 3.0]))
def test_equals_the_textbook(graph: tuple[int, list[Pair]], threshold: float) -> None:
    n, pairs = graph
    assert groups(n, pairs, threshold) == naive(n, pairs, threshold)


@settings(max_examples=80, derandomize=True, deadline=None)
@given(graphs(), st.integers(0, 1000))
def test_neither_ids_nor_order_matter(graph: tuple[int, list[Pair]], seed: int) -> None:
    n, pairs = graph
    rng = np.random.default_rng(seed)
    new = rng.permutation(n)
    renamed = [(int(new[a]), int(new[b]), w, veto) for a, b, w, veto in pairs]
    renamed = [renamed[i] for i in rng.permutation(len(renamed))]
    rank = np.empty(n, dtype=np.int64)
    rank[new] = np.arange(n)
    found = cluster(n, edges_of(renamed), rank=rank, threshold=1.0).label[new]
    expected = cluster(n, edges_of(pairs), rank=np.arange(n), threshold=1.0).label
    assert found.tolist() == expected.tolist()


@settings(max_examples=40, derandomize=True, deadline=None)
@given(graphs(), graphs())
def test_other_groups_have_no_influence(
    one: tuple[int, list[Pair]], other: tuple[int, list[Pair]]
) -> None:
    n, pairs = one
    moved = [(a + n, b + n, w, veto) for a, b, w, veto in other[1]]
    together = groups(n + other[0], pairs + moved)
    assert {group for group in together if min(group) < n} == groups(n, pairs)


def test_a_chain_is_not_believed() -> None:
    chain = [(0, 1, 6.0, False), (1, 2, 2.0, False), (2, 3, 6.0, False)]
    against = [(0, 2, -6.0, False), (1, 3, -6.0, False), (0, 3, -8.0, False)]
    assert groups(4, chain + against) == {frozenset({0, 1}), frozenset({2, 3})}


def test_one_poor_record_joins_the_side_it_fits_best() -> None:
    # Father and son of one name, and a record without birth date that fits both.
    pairs = [(0, 1, -6.0, False), (0, 2, 3.0, False), (1, 2, 4.0, False)]
    assert groups(3, pairs) == {frozenset({0}), frozenset({1, 2})}


def test_a_veto_keeps_two_apart_whatever_speaks_for_them() -> None:
    pairs = [(0, 1, 60.0, True), (0, 2, 8.0, False), (1, 2, 7.0, False)]
    assert groups(3, pairs) == {frozenset({0, 2}), frozenset({1})}


def test_certain_pairs_join_even_a_long_chain() -> None:
    n = 5_000
    pairs = [(i, i + 1, CERTAIN_BITS, False) for i in range(n - 1)]
    assert groups(n, pairs) == {frozenset(range(n))}


def links(*pairs: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])


def test_links_of_a_steward_hold_transitively() -> None:
    pairs = [(0, 1, 8.0, False), (2, 3, 8.0, False)]
    together = groups(4, pairs, must_links=links((0, 2), (2, 1)))
    assert together == {frozenset({0, 1, 2, 3})}
    apart = groups(4, [*pairs, (1, 2, 8.0, False)], cannot_links=links((0, 3)))
    assert not any({0, 3} <= group for group in apart)


def test_contradicting_links_are_refused() -> None:
    with pytest.raises(ValueError, match="same customer and different"):
        groups(3, [], must_links=links((0, 1), (1, 2)), cannot_links=links((0, 2)))


def test_an_empty_graph_has_single_clusters() -> None:
    found = cluster(3, edges_of([]), rank=np.arange(3), threshold=1.0)
    assert found.size.tolist() == [1, 1, 1]
    assert np.isinf(found.cohesion).all()
    assert found.weakest_left.tolist() == [-1, -1, -1]


def test_the_weakest_link_is_the_weakest_of_the_spanning_tree() -> None:
    pairs = [(0, 1, 7.0, False), (1, 2, 4.0, False), (0, 2, 2.0, False)]
    found = cluster(3, edges_of(pairs), rank=np.arange(3), threshold=1.0)
    assert (found.weakest_left[0], found.weakest_right[0]) == (1, 2)
    assert found.weakest_weight[0] == 4.0


def test_a_hub_of_many_nodes_takes_linear_time() -> None:
    n = 30_000
    pairs = [(0, i, 3.0 + (i % 977) / 977, False) for i in range(1, n)]
    found = cluster(n, edges_of(pairs), rank=np.arange(n), threshold=1.0)
    assert found.size.max() < 10


@pytest.mark.parametrize("bits", [64, 8])  # a pair and its place are one number, or are not
def test_pairs_come_into_the_order_of_their_ends(
    bits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("identity.clustering._BITS", bits)
    chance = np.random.default_rng(3)
    left, right = chance.integers(0, 40, (2, 500))
    order = in_order_of_ends(40, left, right)
    assert order is not None
    assert order.tolist() == np.lexsort((right, left)).tolist()  # equal pairs stay as they lay
    assert in_order_of_ends(40, left[order], right[order]) is None
