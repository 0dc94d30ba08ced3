"""From the graph to clusters: what the order in which pairs were read may not change."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from identity.graph import AUTO_MERGE, REJECT, VETOED, Graph, Ints, OwnNodes, Pairs
from identity.partition import Partition, partition

NONE: Ints = np.empty(0, dtype=np.int64)
NOBODY = OwnNodes(100, NONE, NONE, NONE.astype(bool), NONE.astype(bool))


def graph_of(*pairs: tuple[int, int, float], same: tuple[int, int]) -> Graph:
    left, right, probability = (np.array(column) for column in zip(*pairs, strict=True))
    code = np.unique(np.concatenate([left, right, same])) + 10
    scored = Pairs(left, right, probability, np.full(len(pairs), AUTO_MERGE, dtype=np.int64))
    ends = np.array(same[:1]), np.array(same[1:])
    return Graph(NOBODY, code, np.zeros(len(code), np.int64), scored, ends, (NONE, NONE))


def clusters_of(graph: Graph) -> Partition:
    return partition(graph, auto_merge=0.9, review=0.5, merge_flagged=False)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_equally_likely_pairs_are_chosen_between_whatever_their_order(order: list[int]) -> None:
    graph = graph_of((0, 2, 0.95), (1, 2, 0.95), same=(0, 1))
    shuffled = replace(graph, pairs=graph.pairs.where(np.array(order)))
    expected, found = clusters_of(graph), clusters_of(shuffled)
    assert (expected.weakest_l.tolist(), expected.weakest_r.tolist()) == ([11], [12])
    for column in fields(Partition):
        expected_values = getattr(expected, column.name).tolist()
        assert getattr(found, column.name).tolist() == expected_values, column.name


def test_a_profile_of_several_nodes_counts_once_in_a_cluster() -> None:
    own = OwnNodes(100, np.array([7, 8]), np.array([11, 11]), np.ones(2, bool), np.ones(2, bool))
    graph = graph_of((0, 1, 0.99), (1, 2, 0.99), (0, 2, 0.99), same=(0, 0))
    found = clusters_of(replace(graph, own=own, code=np.array([10, 100, 101])))
    assert found.profile_n.tolist() == [2]
    assert sorted(found.node.tolist()) == [-8, -7, 10]


@pytest.mark.parametrize("seed", range(10))
def test_pieces_of_a_graph_come_to_the_whole(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(seed)
    component = np.sort(chance.integers(0, 12, 60))
    left, right = (side.ravel() for side in np.triu_indices(60, 1))
    inside = (component[left] == component[right]) & (chance.random(len(left)) < 0.6)
    left, right = left[inside], right[inside]
    kind = chance.choice([AUTO_MERGE, REJECT, VETOED], len(left), p=[0.7, 0.2, 0.1])
    probability = np.where(kind == AUTO_MERGE, chance.uniform(0.9, 1, len(left)), 0.2)
    same = np.flatnonzero(np.diff(component) == 0)[::9]
    apart = chance.integers(0, 60, (2, 6))
    apart = apart[:, np.abs(apart[0] - apart[1]) > 1]
    graph = Graph(
        own=NOBODY,
        code=np.arange(60) + 10,
        component=component,
        pairs=Pairs(left, right, probability, kind),
        same=(same, same + 1),
        different=(apart[0], apart[1]),
    )
    expected = clusters_of(graph)
    assert len(expected.node) > 10
    monkeypatch.setattr("identity.partition._PIECE", 7)
    found = clusters_of(graph)
    for column in fields(Partition):
        expected_values = getattr(expected, column.name).tolist()
        assert getattr(found, column.name).tolist() == expected_values, column.name
