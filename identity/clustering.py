"""Clusters of profiles from scored pairs: chains only propose, membership must hold on average.

Method: average-linkage agglomeration (Sokal and Michener 1958) over log-odds of a match, stopped
at the merge threshold; average linkage on signed evidence is the greedy form of correlation
clustering (Bansal, Blum and Chawla 2004). Two groups join only when the *mean* evidence between
all their members speaks for one customer, so a single strong pair cannot pull two families
together. All pairs of mutual nearest neighbours merge in the same round; as average linkage is
reducible this gives exactly the sequential result (Bruynooghe 1977; Müllner 2011) in a few array
passes, near-linear in the number of edges.

The result depends on the graph and the nodes' fingerprints only, never on ids or order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from db.graphs import components

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

UNSEEN_BITS = -2.0
"""Evidence of a pair inside a proposed group that was never scored: blocking found nothing in
common."""
BEST_SHARE = 0.2
"""Share of the best single pair in the linkage of two groups; the rest is the mean of all pairs."""
CERTAIN_BITS = 29.0
"""From here on a pair is certain (an exact rule, probability 1): only a veto keeps its groups
apart."""
_BITS = 64  # of a number, and of its sign
LOWEST_BITS, HIGHEST_BITS = -8.0, 8.0
"""A pair's evidence is clipped to this range: no pair outvotes a whole group."""


@dataclass(frozen=True)
class Edges:
    """Scored pairs of nodes: log2 odds of a match per pair, and whether a hard rule forbids it."""

    left: Ints
    right: Ints
    weight: Floats
    vetoed: Bools


@dataclass(frozen=True)
class Clusters:
    """The outcome per node and per cluster (numbered from 0 by the smallest rank inside).

    ``cohesion`` is the mean evidence in bits of the weakest merge that built the cluster (infinite
    for a single node); ``weakest_left`` and ``weakest_right`` are the nodes of its weakest
    spanning pair, -1 when there is none.
    """

    label: Ints
    size: Ints
    cohesion: Floats
    weakest_left: Ints
    weakest_right: Ints
    weakest_weight: Floats


def in_order_of_ends(n: int, left: Ints, right: Ints) -> Ints | None:
    """Places that bring pairs of numbers below ``n`` into order; None where they are.

    Equal pairs stay as they lie. (With its place in the lowest bits a pair is one number: to sort
    these takes a quarter of two passes of counting, which have no limit.)
    """
    key = left * n + right
    if (key[1:] >= key[:-1]).all():
        return None
    place_bits = len(key).bit_length()
    if (n * n).bit_length() + place_bits < _BITS:
        numbered = key << place_bits | np.arange(len(key))
        numbered.sort()
        return numbered & ((1 << place_bits) - 1)
    by_right = _counted(n, right)
    order: Ints = by_right[_counted(n, left[by_right])]
    return order


def _counted(n: int, values: Ints) -> Ints:
    """The stable order of ``values`` below ``n``: how a sparse matrix collects its rows."""
    from scipy.sparse import csr_array  # as in db.graphs

    places = np.arange(len(values), dtype=np.int32)
    rows = csr_array((np.zeros(len(values), dtype=np.int8), (values, places)), (n, len(values)))
    order: Ints = rows.indices
    return order


def sortable(values: Floats) -> Ints:
    """Integers in the order of ``values``: of these numpy finds maxima by group much faster."""
    bits = (values + 0.0).view(np.int64)  # there is one zero
    return bits ^ ((bits >> 63) & np.int64((1 << 63) - 1))


def cluster(
    n: int,
    edges: Edges,
    *,
    rank: Ints | None = None,
    threshold: float,
    must_links: tuple[Ints, Ints] | None = None,
    cannot_links: tuple[Ints, Ints] | None = None,
) -> Clusters:
    """Clusters of ``n`` nodes.

    ``rank`` is the position of each node in the order of fingerprints (None: they are in that
    order), ``threshold`` the mean bits that a merge needs. ``must_links`` and ``cannot_links``
    (pairs of nodes) hold whatever the evidence, transitively; ValueError when they contradict each
    other.
    """
    at = position = np.arange(n)
    if rank is not None:
        at = np.argsort(rank, kind="stable")
        position = np.empty(n, dtype=np.int64)
        position[at] = np.arange(n)
        edges = Edges(position[edges.left], position[edges.right], edges.weight, edges.vetoed)
    edges = _in_order(n, edges)
    left, right, group = edges.left, edges.right, np.arange(n)
    if must_links is not None and len(must_links[0]):
        group = _must_link_groups(n, must_links, position)
        left, right = group[left], group[right]
    forbidden = _forbidden(n, cannot_links, position, group)
    agglomeration = _Agglomeration(
        sizes=np.bincount(group, minlength=n).astype(np.float64),
        left=np.concatenate([left, forbidden[0]]),
        right=np.concatenate([right, forbidden[1]]),
        total=np.concatenate(
            [np.clip(edges.weight, LOWEST_BITS, HIGHEST_BITS), np.zeros(len(forbidden[0]))]
        ),
        best=np.concatenate(
            [
                np.where(
                    edges.weight >= CERTAIN_BITS,
                    np.inf,
                    np.clip(edges.weight, LOWEST_BITS, HIGHEST_BITS),
                ),
                np.full(len(forbidden[0]), -np.inf),
            ]
        ),
        count=np.concatenate([np.ones(len(left)), np.zeros(len(forbidden[0]))]),
        vetoed=np.concatenate([edges.vetoed, np.ones(len(forbidden[0]), dtype=bool)]),
        threshold=threshold,
    )
    root = agglomeration.run()[group]
    return _describe(root, edges, agglomeration.cohesion, position=position, at=at)


def _in_order(n: int, edges: Edges) -> Edges:
    """The edges from the smaller to the greater position, in the order of these."""
    left, right = np.minimum(edges.left, edges.right), np.maximum(edges.left, edges.right)
    order = in_order_of_ends(n, left, right)
    if order is None:
        return Edges(left, right, edges.weight, edges.vetoed)
    return Edges(left[order], right[order], edges.weight[order], edges.vetoed[order])


def _must_link_groups(n: int, links: tuple[Ints, Ints], position: Ints) -> Ints:
    """For each position the smallest position that must-links tie it to."""
    component = components(n, position[links[0]], position[links[1]])
    first = np.full(component.max() + 1, n)
    np.minimum.at(first, component, np.arange(n))
    return first[component]


def _forbidden(
    n: int, links: tuple[Ints, Ints] | None, position: Ints, group: Ints
) -> tuple[Ints, Ints]:
    if links is None or not len(links[0]):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    left, right = group[position[links[0]]], group[position[links[1]]]
    if (left == right).any():
        raise ValueError("two nodes are declared the same customer and different customers")
    return left, right


class _Agglomeration:
    """Groups that merge round by round; group numbers are the smallest member position."""

    def __init__(
        self,
        *,
        sizes: Floats,
        left: Ints,
        right: Ints,
        total: Floats,
        best: Floats,
        count: Floats,
        vetoed: Bools,
        threshold: float,
    ) -> None:
        self.n = len(sizes)
        self.sizes = sizes
        self.threshold = threshold
        self.parent = np.arange(self.n)
        self.cohesion = np.full(self.n, np.inf)
        inside = left != right
        # Only groups that some chain of merge-worthy pairs proposes can ever merge.
        worthy = inside & (total >= threshold) & ~vetoed
        self.proposed = components(self.n, left[worthy], right[worthy])
        self.place = _places(self.proposed)
        keep = inside & (self.proposed[left] == self.proposed[right])
        self._set(left[keep], right[keep], total[keep], best[keep], count[keep], vetoed[keep])

    def _set(
        self, left: Ints, right: Ints, total: Floats, best: Floats, count: Floats, vetoed: Bools
    ) -> None:
        """Sum parallel edges into one per pair of groups, in a fixed order of addition."""
        low, high = np.minimum(left, right), np.maximum(left, right)
        order = in_order_of_ends(self.n, low, high)
        if order is not None:
            low, high, total, best = low[order], high[order], total[order], best[order]
            count, vetoed = count[order], vetoed[order]
        first = np.ones(len(low), dtype=bool)
        first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
        starts = first.nonzero()[0]
        if len(starts) < len(low):
            low, high = low[starts], high[starts]
            total = np.add.reduceat(total, starts)
            best = np.maximum.reduceat(best, starts)
            count = np.add.reduceat(count, starts)
            vetoed = np.logical_or.reduceat(vetoed, starts)
        self.left, self.right, self.total, self.best = low, high, total, best
        self.count, self.vetoed = count, vetoed

    def run(self) -> Ints:
        """Group number per starting group, once no two groups want to merge."""
        while self.left.size:
            pairs = self.sizes[self.left] * self.sizes[self.right]
            mean = (self.total + (pairs - self.count) * UNSEEN_BITS) / pairs
            link = BEST_SHARE * self.best + (1.0 - BEST_SHARE) * mean
            link[self.vetoed] = -np.inf
            merging = self._mutual_best(link)
            if not merging.size:
                break
            into, gone = self.left[merging], self.right[merging]
            lowest = np.minimum(self.cohesion[into], self.cohesion[gone])
            self.cohesion[into] = np.minimum(lowest, link[merging])
            self.sizes[into] += self.sizes[gone]
            self.parent[gone] = into
            moved = np.arange(self.n)
            moved[gone] = into
            left, right = moved[self.left], moved[self.right]
            # Where nothing merged nothing will: only those groups of proposed ones are looked at
            # again that still change.
            busy = np.zeros(self.n, dtype=bool)
            busy[self.proposed[into]] = True
            keep = (left != right) & busy[self.proposed[left]]
            self._set(
                left[keep],
                right[keep],
                self.total[keep],
                self.best[keep],
                self.count[keep],
                self.vetoed[keep],
            )
        root = self.parent
        while True:
            higher = root[root]
            if np.array_equal(higher, root):
                return root
            root = higher

    def _scrambled(self, edge: Ints) -> NDArray[np.uint64]:
        """A number per edge that looks random and depends on the places of its ends alone."""
        left = self.place[self.left[edge]].astype(np.uint64)
        right = self.place[self.right[edge]].astype(np.uint64)
        mixed = left * np.uint64(0x9E3779B97F4A7C15) ^ right * np.uint64(0xC2B2AE3D27D4EB4F)
        mixed ^= mixed >> np.uint64(29)
        scrambled: NDArray[np.uint64] = mixed * np.uint64(0xBF58476D1CE4E5B9)
        return scrambled

    def _mutual_best(self, link: Floats) -> Ints:
        """Edges over the threshold that are the best edge of both their groups."""
        able = np.flatnonzero(link >= self.threshold)
        if not able.size:
            return able
        left, right, strength = self.left[able], self.right[able], sortable(link[able])
        best = np.full(self.n, np.iinfo(np.int64).min)
        np.maximum.at(best, left, strength)
        np.maximum.at(best, right, strength)
        top_l, top_r = strength == best[left], strength == best[right]
        ends = np.concatenate([left[top_l], right[top_r]])
        edge = np.concatenate([able[top_l], able[top_r]])
        tied = np.bincount(ends, minlength=self.n)[ends] > 1
        if tied.any():
            # Equal links are taken in a scrambled order, lest a long chain merge one pair a round.
            # What is scrambled are places within the proposed group: other groups have no
            # influence.
            ends, among = ends[tied], edge[tied]
            scrambled = self._scrambled(among)
            lowest = np.full(self.n, np.iinfo(np.uint64).max, dtype=np.uint64)
            np.minimum.at(lowest, ends, scrambled)
            first = scrambled == lowest[ends]
            ends, among = ends[first], among[first]
            chosen = np.full(self.n, len(link))
            np.minimum.at(chosen, ends, among)
            edge = np.concatenate([edge[~tied], chosen[chosen < len(link)]])
        mutual: Ints = np.flatnonzero(np.bincount(edge) == 2)
        return mutual


def _places(component: Ints) -> Ints:
    """The place of each node among the nodes of its component, in order of position."""
    order = np.argsort(component, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(component[order]) != 0])
    sizes = np.diff(np.r_[starts, len(order)])
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order)) - np.repeat(starts, sizes)
    return places


def _describe(root: Ints, edges: Edges, cohesion: Floats, *, position: Ints, at: Ints) -> Clusters:
    """Number the clusters and find the weakest pair of each one's strongest spanning tree.

    ``root`` and ``edges`` speak of positions: ``at`` is the node at each, ``position`` its inverse.
    """
    is_root = np.zeros(len(root), dtype=bool)
    is_root[root] = True
    roots = np.flatnonzero(is_root)
    label = (np.cumsum(is_root, dtype=np.int64) - 1)[root]
    size = np.bincount(label)
    weakest = np.full(len(roots), -1, dtype=np.int64)
    inside = np.flatnonzero(label[edges.left] == label[edges.right])
    if inside.size:
        of = label[edges.left[inside]]
        alone = np.bincount(of, minlength=len(roots))[of] == 1
        weakest[of[alone]] = inside[alone]
        # Where there are several edges, a spanning tree has to tell which of them count.
        inside = inside[~alone]
        strength = sortable(edges.weight[inside])
        tree = _spanning_edges(len(root), edges.left[inside], edges.right[inside], strength)
        inside, strength = inside[tree], strength[tree]
        of = label[edges.left[inside]]
        lowest = np.full(len(roots), np.iinfo(np.int64).max)
        np.minimum.at(lowest, of, strength)
        lowest_of = strength == lowest[of]
        np.maximum.at(weakest, of[lowest_of], inside[lowest_of])  # of equally weak ones the last
    known = weakest >= 0
    weakest_left, weakest_right = np.full((2, len(roots)), -1, dtype=np.int64)
    weakest_left[known] = at[edges.left[weakest[known]]]
    weakest_right[known] = at[edges.right[weakest[known]]]
    weakest_weight = np.full(len(roots), np.inf)
    weakest_weight[known] = edges.weight[weakest[known]]
    return Clusters(
        label[position], size, cohesion[roots], weakest_left, weakest_right, weakest_weight
    )


def _spanning_edges(n: int, left: Ints, right: Ints, strength: Ints) -> Ints:
    """Positions of the edges of the strongest spanning forest; of equally strong ones the first.

    Every tree takes its best edge to another one, until none is left (Borůvka 1926).
    """
    taken = np.zeros(len(left), dtype=bool)
    edge = np.arange(len(left))
    while edge.size:
        best = np.full(n, np.iinfo(np.int64).min)
        np.maximum.at(best, left, strength)
        np.maximum.at(best, right, strength)
        first = np.full(n, len(taken))
        for end in (left, right):
            top = strength == best[end]
            np.minimum.at(first, end[top], edge[top])
        chosen = first < len(taken)
        taken[first[chosen]] = True
        picked = taken[edge]
        tree = components(n, left[picked], right[picked])
        left, right = tree[left], tree[right]
        keep = left != right
        left, right, strength, edge = left[keep], right[keep], strength[keep], edge[keep]
    return taken.nonzero()[0]
