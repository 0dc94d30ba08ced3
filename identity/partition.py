"""From the identity graph to clusters, and how well each of them holds together."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from db.arrays import distinct
from db.graphs import components
from identity import clustering
from identity.graph import (
    AUTO_MERGE,
    FLAG_REVIEW,
    SAME_PROFILE,
    STEWARD,
    VETOED,
    Graph,
    Ints,
    Pairs,
)

Floats = NDArray[np.float64]
_PIECE: Final = 100_000
"""Nodes at once, or what their components come to: an array of these stays below a megabyte."""


@dataclass(frozen=True)
class Partition:
    """Clusters of two nodes and more, in columns as the database wants them.

    Per node: its database id, its cluster (named by the id of one of its nodes), the probability of
    its best link inside and what kind of link that is. Per cluster of several profiles: how many,
    its confidence, and the profiles of its weakest link (-1 where stewards alone hold it).
    """

    node: Ints
    cluster: Ints
    confidence: NDArray[np.float32]
    held_by: NDArray[np.int16]
    linked_cluster: Ints
    profile_n: NDArray[np.int32]
    cluster_confidence: NDArray[np.float32]
    weakest_l: Ints
    weakest_r: Ints
    weakest_probability: NDArray[np.float32]


def partition(graph: Graph, *, auto_merge: float, review: float, merge_flagged: bool) -> Partition:
    """The clusters of ``graph`` at the thresholds of ``[matching]``.

    What a steward called the same is one node to the clustering, with the best evidence of its
    parts, so that a word that joins two profiles never loses those that either already had.
    """
    threshold = min(float(_bits(review if merge_flagged else auto_merge)), clustering.HIGHEST_BITS)
    pieces = [
        _partition(piece, threshold=threshold, merge_flagged=merge_flagged)
        for piece in _pieces(graph)
    ]
    columns = (field.name for field in fields(Partition))
    return Partition(*(np.concatenate([getattr(p, name) for p in pieces]) for name in columns))


def _pieces(graph: Graph) -> Iterator[Graph]:
    """``graph`` cut between components, each piece small enough for the caches of the processor."""
    n = len(graph.code)
    if n <= _PIECE:
        yield graph
        return
    cuts = np.searchsorted(graph.component, graph.component[_PIECE:n:_PIECE])
    ends = np.concatenate([[0], distinct(cuts[cuts > 0]), [n]])
    piece = np.repeat(np.arange(len(ends) - 1, dtype=np.int32), np.diff(ends))
    left, right = graph.different
    inside = graph.component[left] == graph.component[right]  # others are different anyway
    apart = left[inside], right[inside]
    of_pair, of_same, of_apart = (
        piece[side] for side in (graph.pairs.left, graph.same[0], apart[0])
    )
    for nth, (start, end) in enumerate(itertools.pairwise(ends.tolist())):
        pairs = graph.pairs.where((of_pair == nth).nonzero()[0])
        same, different = (
            (left[of_left == nth] - start, right[of_left == nth] - start)
            for (left, right), of_left in ((graph.same, of_same), (apart, of_apart))
        )
        yield Graph(
            own=graph.own,
            code=graph.code[start:end],
            component=graph.component[start:end],
            pairs=replace(pairs, left=pairs.left - start, right=pairs.right - start),
            same=same,
            different=different,
        )


def _partition(graph: Graph, *, threshold: float, merge_flagged: bool) -> Partition:
    group, group_n = _groups(graph)
    chosen, key = _between_groups(graph.pairs, group, group_n)
    pairs = graph.pairs.where(chosen)

    bits = _bits(pairs.probability)
    # The decision of a pair is what matching says it is, whatever rounding made of its probability.
    bits = np.where(
        _joins(pairs.kind, merge_flagged=merge_flagged),
        np.maximum(bits, threshold),
        np.minimum(bits, threshold - 1e-6),
    )
    found = clustering.cluster(
        group_n,
        clustering.Edges(group[pairs.left], group[pairs.right], bits, pairs.kind == VETOED),
        threshold=threshold,
        cannot_links=(group[graph.different[0]], group[graph.different[1]]),
    )
    joins = _joins(graph.pairs.kind, merge_flagged=merge_flagged)
    return _describe(graph, found, group=group, chosen=chosen, key=key, joins=joins)


def _joins(kind: Ints, *, merge_flagged: bool) -> NDArray[np.bool_]:
    joining = [AUTO_MERGE, SAME_PROFILE] + [FLAG_REVIEW] * merge_flagged
    return np.isin(kind, joining)


def _bits(probability: float | Floats) -> Floats:
    """log2 odds, finite for 0 and 1."""
    p = np.clip(np.asarray(probability, dtype=np.float64), 1e-9, 1 - 1e-9)
    return np.asarray(np.log2(p) - np.log2(1 - p))


def _groups(graph: Graph) -> tuple[Ints, int]:
    """The group of each node, numbered in the order of the first of each, and how many."""
    n = len(graph.code)
    left, right = graph.same
    if not len(left):
        return np.arange(n), n
    group = components(n, left, right)
    group_n = int(group.max()) + 1
    first = np.full(group_n, n, dtype=np.int64)
    np.minimum.at(first, group, np.arange(n))
    number = np.empty(group_n, dtype=np.int64)
    number[np.argsort(first)] = np.arange(group_n)
    return number[group], group_n


def _between_groups(pairs: Pairs, group: Ints, group_n: int) -> tuple[Ints, Ints]:
    """One pair per two groups, a veto if there is one, else the likeliest: its place and its key.

    Of equally likely ones that between the last nodes, however the pairs lie.

    The key is ``smaller group * group_n + greater group``, in ascending order.
    """
    left, right = group[pairs.left], group[pairs.right]
    left, right = np.minimum(left, right), np.maximum(left, right)
    key = left * group_n + right
    order = clustering.in_order_of_ends(group_n, left, right)
    if order is None:
        order = np.arange(len(key))
    if (key[order][1:] == key[order][:-1]).any():
        order = np.lexsort((pairs.right, pairs.left, pairs.probability, pairs.kind == VETOED, key))
    last = np.ones(len(order), dtype=bool)
    last[:-1] = key[order][1:] != key[order][:-1]
    chosen = order[last]
    chosen = chosen[left[chosen] != right[chosen]]
    return chosen, key[chosen]


def _describe(
    graph: Graph,
    found: clustering.Clusters,
    *,
    group: Ints,
    chosen: Ints,
    key: Ints,
    joins: NDArray[np.bool_],
) -> Partition:
    label = found.label[group] if len(group) else group
    cluster_n = len(found.size)
    own, code = graph.own, graph.code
    confidence = 1 / (1 + np.exp2(-found.cohesion))

    name = np.empty(cluster_n, dtype=np.int64)
    name[label[::-1]] = own.sql_id(code[::-1])  # the first node of each, as the last one written
    together = np.bincount(label, minlength=cluster_n)[label] > 1
    node_confidence, held_by = _strongest_links(
        graph, label, joins, default=confidence[label] if len(label) else confidence
    )
    stewarded = np.bincount(group, minlength=len(found.label))[group] > 1
    node_confidence[stewarded], held_by[stewarded] = 1.0, STEWARD

    profile_n = _profiles_per_cluster(own.profile_of(code), label, cluster_n, split=own.profile)
    linked = (profile_n > 1).nonzero()[0]
    at = _places_of_weakest(found, linked, chosen, key)
    known = at >= 0
    weakest_l, weakest_r = np.full((2, len(linked)), -1, dtype=np.int64)
    weakest_l[known] = own.profile_of(code[graph.pairs.left[at[known]]])
    weakest_r[known] = own.profile_of(code[graph.pairs.right[at[known]]])
    probability = np.ones(len(linked))
    probability[known] = graph.pairs.probability[at[known]]
    return Partition(
        node=own.sql_id(code[together]),
        cluster=name[label[together]],
        confidence=node_confidence[together].astype(np.float32),
        held_by=held_by[together].astype(np.int16),
        linked_cluster=name[linked],
        profile_n=profile_n[linked].astype(np.int32),
        cluster_confidence=confidence[linked].astype(np.float32),
        weakest_l=np.minimum(weakest_l, weakest_r),
        weakest_r=np.maximum(weakest_l, weakest_r),
        weakest_probability=probability.astype(np.float32),
    )


def _strongest_links(
    graph: Graph, label: Ints, joins: NDArray[np.bool_], *, default: Floats
) -> tuple[Floats, Ints]:
    """Per node the probability and the kind of the likeliest pair that ties it to its cluster."""
    pairs = graph.pairs
    pairs = pairs.where((joins & (label[pairs.left] == label[pairs.right])).nonzero()[0])
    confidence = default.copy()
    held_by = np.full(len(label), AUTO_MERGE, dtype=np.int64)
    strength = clustering.sortable(pairs.probability)
    best = np.full(len(label), -1, dtype=np.int64)
    for end in (pairs.left, pairs.right):
        np.maximum.at(best, end, strength)
    linked = best >= 0
    confidence[linked] = best[linked].view(np.float64)
    other = (pairs.kind != AUTO_MERGE).nonzero()[0]
    for end in (pairs.left[other], pairs.right[other]):
        strongest = strength[other] == best[end]
        np.maximum.at(held_by, end[strongest], pairs.kind[other[strongest]])
    return confidence, held_by


def _profiles_per_cluster(profile: Ints, label: Ints, cluster_n: int, *, split: Ints) -> Ints:
    """How many profiles each cluster has; only the ``split`` ones are several nodes."""
    several = np.isin(profile, split).nonzero()[0]
    several = several[np.lexsort((profile[several], label[several]))]
    again = (np.diff(profile[several]) == 0) & (np.diff(label[several]) == 0)
    repeated = np.bincount(label[several[1:]][again], minlength=cluster_n)
    return np.bincount(label, minlength=cluster_n) - repeated


def _places_of_weakest(found: clustering.Clusters, linked: Ints, chosen: Ints, key: Ints) -> Ints:
    """Where in the pairs the weakest link of each ``linked`` cluster is; -1 where there is none."""
    left, right = found.weakest_left[linked], found.weakest_right[linked]
    at = np.full(len(linked), -1, dtype=np.int64)
    known = left >= 0
    wanted = np.minimum(left, right) * len(found.label) + np.maximum(left, right)
    at[known] = chosen[np.searchsorted(key, wanted[known])]
    return at
