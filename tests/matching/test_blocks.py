"""Blocks and their pairs, against the plain way to find them."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.blocks import Blocks, first_pairs, largest_block, pairs_within
from matching.keys import Keys

KEYS = st.lists(st.tuples(st.integers(-4, 4), st.integers(1, 12)), max_size=40)


def blocks_of(rule_id: int, keys: list[tuple[int, int]]) -> Blocks:
    table = np.array(keys, dtype=np.int64).reshape(-1, 2)
    return Blocks.of(rule_id, Keys.of(table[:, 0], table[:, 1]))


@settings(derandomize=True)
@given(st.lists(KEYS, min_size=1, max_size=3), st.integers(1, 6))
def test_every_pair_of_a_small_block_comes_once_with_its_first_rule(
    rules: list[list[tuple[int, int]]], largest: int
) -> None:
    expected: dict[tuple[int, int], int] = {}
    for rule_id, keys in reversed(list(enumerate(rules, start=4))):
        sizes = Counter(key for key, _ in keys)
        for (key, one), (other_key, other) in combinations(keys, 2):
            if key == other_key and one != other and sizes[key] <= largest:
                expected[min(one, other), max(one, other)] = rule_id
    every = [blocks_of(rule_id, keys) for rule_id, keys in enumerate(rules, start=4)]
    found = [
        pair
        for piece in first_pairs(every, largest=largest)
        for pair in zip(*(column.tolist() for column in piece), strict=True)
    ]
    assert [(pair, rule) for *pair, rule in found] == [
        (list(pair), rule) for pair, rule in sorted(expected.items())
    ]


def test_rarest_blocks_are_taken_until_the_budget_is_spent() -> None:
    pair = [(1, 1), (1, 2)]  # 1 pair
    trio = [(2, 1), (2, 2), (2, 3)]  # 3 pairs
    five = [(3, i) for i in range(5)]  # 10 pairs
    every = [blocks_of(1, pair + five), blocks_of(2, trio)]
    cases = [(0, 10, 1), (1, 10, 2), (3, 10, 2), (4, 10, 4), (13, 10, 4), (14, 10, 10), (99, 4, 4)]
    for budget, cap, largest in cases:
        by_size = np.sum([blocks.by_size(cap) for blocks in every], axis=0)
        assert largest_block(by_size, budget=budget) == largest


def test_the_largest_block_is_one_of_few() -> None:
    one_pair_each = np.array([0, 0, *(1 for _ in range(98)), 0])
    size = np.arange(101)
    spent = np.cumsum(one_pair_each * size * (size - 1) // 2)
    found = {largest_block(one_pair_each, budget=int(budget)) for budget in spent}
    assert sorted(found) == [
        *range(1, 9), 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 100,
    ]  # fmt: skip
    assert all(largest_block(one_pair_each, budget=int(spent[n])) <= n for n in range(1, 99))


def test_blocks_count_their_keys_and_give_their_members() -> None:
    blocks = blocks_of(7, [(5, 1), (9, 4), (5, 3), (6, 2), (9, 1), (9, 2)])
    assert (blocks.keys_n, blocks.keys.tolist(), blocks.sizes.tolist()) == (6, [5, 9], [2, 3])
    by_size = blocks.by_size(4)
    assert by_size.tolist() == [0, 0, 1, 1, 0]
    assert (pairs_within(by_size, 2), pairs_within(by_size, 3)) == (1, 4)
    owner, members = blocks.inside(np.array([1]))
    assert (owner.tolist(), sorted(members.tolist())) == ([1, 1, 1], [1, 2, 4])
