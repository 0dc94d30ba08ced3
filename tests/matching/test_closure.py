"""Pairs that close proposed groups, against the plain way to find them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching import closure
from matching.closure import closure_pairs

NODES = 9
pairs_of = st.dictionaries(
    st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1)).filter(lambda p: p[0] < p[1]),
    st.integers(-4, 9).map(float),
    max_size=16,
)
Pairs = dict[tuple[int, int], float]


def closing(pairs: Pairs) -> set[tuple[int, int]]:
    """The pairs that close groups, where 0 bits and more propose."""
    table = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
    weight = np.array(list(pairs.values()), dtype=np.float32)
    left, right = closure_pairs(
        NODES, table[:, 0], table[:, 1], weight=weight, proposes=weight >= 0, threshold=0.0
    )
    found = [(min(a, b), max(a, b)) for a, b in zip(left.tolist(), right.tolist(), strict=True)]
    assert len(found) == len(set(found))
    return set(found)


def groups(pairs: Pairs, cut: float) -> list[set[int]]:
    """Nodes that pairs of ``cut`` bits and more tie together."""
    found = [{node} for node in range(NODES)]
    for pair, weight in pairs.items():
        if weight >= cut:
            tied = [group for group in found if group & set(pair)]
            found = [group for group in found if group not in tied] + [set().union(*tied)]
    return found


@settings(derandomize=True)
@given(pairs_of)
def test_groups_are_closed(pairs: Pairs) -> None:
    inside = {pair for group in groups(pairs, 0) for pair in combinations(sorted(group), 2)}
    assert closing(pairs) == inside - pairs.keys()


@settings(derandomize=True)
@given(pairs_of)
def test_each_group_stands_for_itself(pairs: Pairs) -> None:
    whole = closing(pairs)
    parts = [
        closing({pair: weight for pair, weight in pairs.items() if set(pair) <= group})
        for group in groups(pairs, 0)
    ]
    assert set().union(*parts) == whole
    assert sum(map(len, parts)) == len(whole)


def test_a_group_too_large_is_cut_where_it_is_weakest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closure, "LARGEST_GROUP", 3)
    chain: Pairs = {(0, 1): 5.0, (1, 2): 5.0, (2, 3): 1.0, (3, 4): 5.0, (4, 5): 5.0}
    assert closing(chain) == {(0, 2), (3, 5)}
    assert closing(dict.fromkeys(chain, 5.0)) == set()
