"""Blocks and the pairs within them, as arrays: profiles that share a key of a blocking rule.

PostgreSQL makes the keys. Bringing equal ones together is sorting numbers of eight bytes, which
arrays do with a tenth of the work of joining and grouping table rows of sixty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from matching.distances import WORKERS
from matching.keys import Ints, Keys

_PIECES = 4
_SAMPLE = 10_000
Rules = NDArray[np.int16]
PairsByRule = tuple[Ints, Ints, Rules]
"""Pairs as columns: the smaller profile id, the larger one, the first rule that found the pair."""


@dataclass(frozen=True)
class Blocks:
    """The blocks of one rule: block i is ``members[starts[i]:][:sizes[i]]``.

    ``keys_n`` counts all keys of the rule, those of one profile alone included.
    """

    rule_id: int
    keys_n: int
    keys: Ints
    starts: Ints
    sizes: Ints
    members: Ints

    @classmethod
    def of(cls, rule_id: int, entries: Keys) -> Blocks:
        """The blocks of two or more that a rule's keys make; keys of one profile alone fall
        away."""
        as_next = entries.keys[1:] == entries.keys[:-1]
        shared = np.zeros(len(entries), dtype=bool)
        shared[:-1] = as_next
        shared[1:] |= as_next
        keys, members = entries.keys[shared], entries.profile_ids[shared]
        first = np.ones(len(keys), dtype=bool)
        first[1:] = keys[1:] != keys[:-1]
        starts = np.flatnonzero(first)
        sizes = np.diff(np.append(starts, len(keys)))
        return cls(rule_id, len(entries), keys[starts], starts, sizes, members)

    def block(self, i: int) -> Ints:
        """The profiles of block ``i``."""
        return self.members[self.starts[i] : self.starts[i] + self.sizes[i]]

    def inside(self, block: Ints) -> tuple[Ints, Ints]:
        """Position of the block, and profile, of each member of the chosen blocks."""
        sizes = self.sizes[block]
        owner = np.repeat(block, sizes)
        offset = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return owner, self.members[self.starts[owner] + offset]

    def by_size(self, cap: int) -> Ints:
        """How many blocks there are of each size from 0 to ``cap``, those below two left out."""
        sizes = self.sizes[(self.sizes > 1) & (self.sizes <= cap)]
        return np.bincount(sizes, minlength=cap + 1)

    def pairs(self, largest: int) -> Iterator[tuple[Ints, Ints]]:
        """All pairs within the blocks of at most ``largest``, in pieces: one size at a time."""
        for size in np.flatnonzero(np.bincount(self.sizes)[: largest + 1]).tolist():
            starts = self.starts[self.sizes == size]
            table = self.members[np.arange(size)[:, None] + starts]  # a column per block
            one, other = np.triu_indices(size, 1)
            yield table[one].ravel(), table[other].ravel()


def pairs_within(blocks_by_size: Ints, largest: int) -> int:
    """How many pairs the blocks of at most ``largest`` make."""
    size = np.arange(min(largest + 1, len(blocks_by_size)))
    return int((blocks_by_size[: len(size)] * (size * (size - 1) // 2)).sum())


def largest_block(blocks_by_size: Ints, *, budget: int) -> int:
    """The largest block size that fits: rarest keys first, until ``budget`` pairs are spent.

    It is one of a few (… 12, 14, 16, 20, 24, 28, 32, 40 …, and the cap): a limit that took every
    step would take one in every other night, and with it all pairs of all blocks of one size.
    """
    size = np.arange(len(blocks_by_size))
    spent = np.cumsum(blocks_by_size * size * (size - 1) // 2)
    # Numbers of at most three binary digits, noughts behind them apart.
    digit = 1 << np.maximum(np.floor(np.log2(np.maximum(size, 1))).astype(int) - 2, 0)
    step = (size % digit == 0) | (size == size[-1])
    return int(np.flatnonzero(step & (spent <= budget) & (size > 0)).max(initial=1))


def first_pairs(every: Sequence[Blocks], *, largest: int) -> Iterator[PairsByRule]:
    """Every pair of profiles in a block of at most ``largest`` once: smaller, larger id, rule.

    The rule is the smallest that found the pair. Pairs come ordered by their ids, in a few pieces,
    two of which are put in order while the one before is written.
    """
    profile_ids, position = numbered([blocks.members for blocks in every])
    found = (
        (blocks.rule_id, one, other)
        for blocks in every
        for one, other in replace(blocks, members=position[blocks.members]).pairs(largest)
    )
    digits = _Digits.of([blocks.rule_id for blocks in every], profile_ids)
    packed = digits.packed(found)
    some = np.sort(packed[:: 1 + len(packed) // _SAMPLE]) >> digits.rule_bits << digits.rule_bits
    bounds = [some[len(some) * nth // _PIECES] for nth in range(1, _PIECES)] if len(some) else []

    def piece(bound: tuple[np.int64 | None, np.int64 | None]) -> PairsByRule:
        low, high = bound
        inside = np.ones(len(packed), dtype=bool) if low is None else packed >= low
        if high is not None:
            inside &= packed < high
        return digits.once(packed[inside])

    with ThreadPoolExecutor(WORKERS) as pool:
        yield from pool.map(piece, pairwise([None, *bounds, None]))


def numbered(several: Sequence[Ints]) -> tuple[Ints, Ints]:
    """The profiles that occur in any of the arrays, in order, and the place of each by its id."""
    # Ids come from a sequence, so a table of them all beats sorting or hashing those that occur.
    last = max((int(ids.max(initial=0)) for ids in several), default=0)
    occurs = np.zeros(last + 1, dtype=bool)
    for ids in several:
        occurs[ids] = True
    return np.flatnonzero(occurs), np.cumsum(occurs) - 1


def once(
    found: Iterable[tuple[int, Ints, Ints]], rule_ids: Sequence[int], profile_ids: Ints
) -> PairsByRule:
    """Each pair once, ordered by ids, with the smallest of the rules that ``found`` it.

    ``found`` gives rules (of ``rule_ids``) with the two sides of their pairs, as positions in
    ``profile_ids``, which are in order.
    """
    digits = _Digits.of(rule_ids, profile_ids)
    return digits.once(digits.packed(found))


@dataclass(frozen=True)
class _Digits:
    """Left, right and rule as the digits of one number: shifts, because a division costs ten."""

    numbers: Rules
    profile_ids: Ints
    rule_bits: int
    side_bits: int

    @classmethod
    def of(cls, rule_ids: Sequence[int], profile_ids: Ints) -> _Digits:
        """Of these rules, and of positions in ``profile_ids``."""
        numbers = np.array(sorted(set(rule_ids)), dtype=np.int16)
        rule_bits = max(len(numbers) - 1, 0).bit_length()
        return cls(numbers, profile_ids, rule_bits, max(len(profile_ids) - 1, 0).bit_length())

    def packed(self, found: Iterable[tuple[int, Ints, Ints]]) -> Ints:
        """One number per pair found, in no order."""
        packed = [np.empty(0, dtype=np.int64)]
        for rule_id, one, other in found:
            place = int(np.searchsorted(self.numbers, rule_id))
            pair = np.minimum(one, other) << self.side_bits | np.maximum(one, other)
            # A profile whose two names are equal stands in one block twice.
            packed.append((pair << self.rule_bits | place)[one != other])
        return np.concatenate(packed)

    def once(self, ordered: Ints) -> PairsByRule:
        """The pairs that numbers stand for, each once; puts the numbers in order."""
        ordered.sort()
        pair = ordered >> self.rule_bits
        first = np.ones(len(pair), dtype=bool)
        first[1:] = pair[1:] != pair[:-1]
        pair, place_of = pair[first], ordered[first] & ((1 << self.rule_bits) - 1)
        left, right = pair >> self.side_bits, pair & ((1 << self.side_bits) - 1)
        return self.profile_ids[left], self.profile_ids[right], self.numbers[place_of]
