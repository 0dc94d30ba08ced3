"""Pairs inside proposed groups that blocking left out: scored, so that clustering sees all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from db.graphs import components
from matching.encode import pick

Ints = NDArray[np.int64]
LARGEST_GROUP = 80
STEP_BITS = 2.0


def closure_pairs(
    n: int,
    left: Ints,
    right: Ints,
    *,
    weight: NDArray[np.float32],
    proposes: NDArray[np.bool_],
    threshold: float,
) -> tuple[Ints, Ints]:
    """Pairs of positions inside proposed groups that are not among the given pairs, in order.

    A pair that ``proposes`` ties its ends into a group. A group of more than LARGEST_GROUP is first
    cut by asking for ever more ``weight`` (bits) above ``threshold``; what then still is too large
    (a hub of shared values) is left as it is, so that the number of pairs stays linear in ``n``.
    Each group stands for itself, so the pairs of some groups can be had without the others.
    """
    ties = np.flatnonzero(proposes)
    if not ties.size:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    tied_l, tied_r, tied_weight = pick(left, ties), pick(right, ties), pick(weight, ties)
    label = together = components(n, tied_l, tied_r)
    found: list[Ints] = []
    active = np.ones(n, dtype=bool)
    cut = threshold
    while True:
        sizes = pick(np.bincount(label), label)
        small = (sizes <= LARGEST_GROUP) & active
        found.append(_keys(n, *_all_pairs(label, small & (sizes > 2))))
        active &= ~small
        if not active.any():
            break
        cut += STEP_BITS
        use = (tied_weight >= cut) & pick(active, tied_l) & pick(active, tied_r)
        if not use.any():
            break
        label = components(n, tied_l[use], tied_r[use])
    # Of the given pairs only those inside a group can be among them: of all candidates, the few.
    inside = np.flatnonzero(pick(together, left) == pick(together, right))
    seen = np.sort(_keys(n, pick(left, inside), pick(right, inside)))
    keys = np.sort(np.concatenate(found))  # in order they are sought, and written, much faster
    new = keys[pick(seen, np.minimum(np.searchsorted(seen, keys), len(seen) - 1)) != keys]
    one, other = np.divmod(new, n)
    return one, other


def _keys(n: int, left: Ints, right: Ints) -> Ints:
    return np.minimum(left, right).astype(np.int64) * n + np.maximum(left, right)


def _all_pairs(label: Ints, chosen: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """All pairs of chosen nodes with equal label."""
    nodes = np.flatnonzero(chosen)
    nodes = nodes[np.argsort(label[nodes], kind="stable")]
    if not nodes.size:
        return nodes, nodes
    starts = np.flatnonzero(np.r_[True, np.diff(label[nodes]) != 0])
    sizes = np.diff(np.r_[starts, len(nodes)])
    ends = np.repeat(starts + sizes, sizes)
    position = np.arange(len(nodes))
    partners = ends - position - 1
    left = np.repeat(position, partners)
    offset = np.arange(len(left)) - np.repeat(np.cumsum(partners) - partners, partners)
    return nodes[left], nodes[left + 1 + offset]
