"""What new and retired profiles change in the candidate pairs: a night's blocking, in arrays.

Candidate pairs are a pure function of the keys of the profiles that live. So the pairs that come
and go can be found without the others: all blocks that gain or lose a member are compared before
and after, those whose treatment changes with it (a block that passes the largest size gives no
pairs, one over the cap is cut by further attributes) stir up all their members, and the pairs of
every stirred profile are made from the keys as they were and as they are.

Keys are a pure function of a profile, so those of stirred profiles are made anew; what is stored is
only asked who else has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from db.arrays import are_in
from matching.blocks import Blocks, PairsByRule, largest_block, numbered, once
from matching.keys import NONE, Ints, Keys, Mask, Sought

Entries = Keys | Sought
KeysOf = Callable[[Ints], Mapping[int, Keys]]
"""From profiles that live on to their keys, by rule."""

Refine = Callable[[Mapping[int, Keys]], dict[int, Keys]]
"""From entries under keys of blocks over the cap, by rule, to those that cut these blocks."""

_RULES = 1 << 10  # more than there are rules


@dataclass(frozen=True)
class Layer:
    """The entries of one rule at one time, less those of profiles that are ``gone``."""

    rule_id: int
    segments: tuple[Entries, ...]
    gone: Mask

    def under(self, wanted: Ints) -> Blocks:
        """The blocks, empty ones too, of the keys ``wanted`` (in order)."""
        found = [segment.under(wanted) for segment in self.segments]
        owner = np.concatenate([at for at, _ in found])
        members = np.concatenate([profile_ids for _, profile_ids in found])
        live = ~self.gone[members]
        owner, members = owner[live], members[live]
        order = np.argsort(owner, kind="stable")
        sizes = np.bincount(owner, minlength=len(wanted))
        starts = np.cumsum(sizes) - sizes
        return Blocks(self.rule_id, len(order), wanted, starts, sizes, members[order])

    def of_profiles(self, meant: Mask) -> Keys:
        """The entries of the profiles that are meant: reads all there are."""
        return self.whole().of_profiles(meant & ~self.gone)

    def whole(self) -> Keys:
        """All entries, those of gone profiles too."""
        return Keys.joined([one.whole() for one in self.segments])

    def of_sizes(self, smallest: int, largest: int) -> Ints:
        """The keys of all blocks of ``smallest`` to ``largest`` profiles."""
        blocks = Blocks.of(self.rule_id, self.of_profiles(np.ones_like(self.gone)))
        return blocks.keys[(blocks.sizes >= smallest) & (blocks.sizes <= largest)]


@dataclass(frozen=True)
class Change:
    """One layer before and after, and its blocks that gained or lost a member."""

    before: Layer
    after: Layer
    touched: Ints

    @cached_property
    def blocks_before(self) -> Blocks:
        """The touched blocks as they were."""
        return self.before.under(self.touched)

    @cached_property
    def blocks_after(self) -> Blocks:
        """The touched blocks as they are."""
        return self.after.under(self.touched)

    @classmethod
    def by(
        cls,
        before: Layer,
        kept: Sequence[Entries],
        added: Keys,
        lost: Keys,
        *,
        gone: Mask,
    ) -> Change:
        """The change of ``before`` to what was ``kept`` and ``added``, without those ``gone``."""
        after = Layer(before.rule_id, (*kept, added), gone)
        return cls(before, after, touched(added, lost))


def touched(added: Keys, lost: Keys) -> Ints:
    """The keys, in order, of the blocks that gain or lose a member."""
    return Keys.joined([added, lost]).distinct()


@dataclass(frozen=True)
class KeptKeys:
    """The stored keys by rule, with some of ``gone`` profiles still among them.

    ``segments`` are those of the rules themselves, ``refined`` those that cut blocks over the cap.
    """

    segments: Mapping[int, tuple[Entries, ...]]
    refined: Mapping[int, Keys]
    gone: Mask


@dataclass(frozen=True)
class Limits:
    """The cap on a block, the most pairs that blocks may make, and the largest block so far."""

    cap: int
    budget: int
    largest: int


@dataclass
class Reblocked:
    """The outcome: pairs that ``came`` and ``left``, and the blocks.

    A pair that has another first rule than before left by the one and came by the other.
    """

    came: PairsByRule
    left: PairsByRule
    largest: int
    blocks_by_size: dict[int, Ints]
    keys_n: dict[int, int] = field(default_factory=dict)
    refined: dict[int, Keys] = field(default_factory=dict)
    touched: list[Blocks] = field(default_factory=list)
    """All blocks that may be treated otherwise than before, as they are."""

    were_over: list[tuple[int, Ints]] = field(default_factory=list)
    """By rule the keys of those that were over the limit."""


def reblock(
    kept: KeptKeys,
    added: Mapping[int, Keys],
    lost: Mapping[int, Keys],
    *,
    retired: Mask,
    blocks_by_size: Mapping[int, Ints],
    limits: Limits,
    refine: Refine,
    keys_of: KeysOf,
) -> Reblocked:
    """What changes when profiles with the ``added`` keys come and ``retired`` ones go.

    The keys that are ``lost`` are those of the retired profiles. ``blocks_by_size`` counts the
    blocks of each rule before, as :meth:`Blocks.by_size` does.
    """
    gone = kept.gone | retired
    plain = [
        Change.by(Layer(rule, segments, kept.gone), segments, added[rule], lost[rule], gone=gone)
        for rule, segments in kept.segments.items()
    ]
    cut = _cut_again(plain, kept, added, retired=retired, gone=gone, cap=limits.cap, refine=refine)
    every = [*plain, *cut]
    sizes = {rule: counts.copy() for rule, counts in blocks_by_size.items()}
    keys_n = dict.fromkeys(sizes, 0)
    for one in every:
        rule = one.before.rule_id
        sizes[rule] += one.blocks_after.by_size(limits.cap)
        sizes[rule] -= one.blocks_before.by_size(limits.cap)
        keys_n[rule] += one.blocks_after.keys_n - one.blocks_before.keys_n
    largest = largest_block(np.sum(list(sizes.values()), axis=0), budget=limits.budget)
    # Blocks that nothing came into, but that are treated otherwise, because the limit moved.
    passed = list(_passed(every, limits.largest, largest))
    compared = [(c.blocks_before, c.blocks_after) for c in every] + [(p, p) for p in passed]
    new, others = np.zeros_like(retired), np.zeros_like(retired)
    for entries in added.values():
        new[entries.profile_ids] = True
    for was, now in compared:
        otherwise = np.flatnonzero((was.sizes <= limits.largest) != (now.sizes <= largest))
        for blocks in (was, now):
            others[blocks.inside(otherwise)[1]] = True
    stirred = retired | new | others
    stay = keys_of(np.flatnonzero(others & ~new & ~retired))
    before, after = (
        _pairs(
            [
                *(
                    (layer, Keys.joined([moved[layer.rule_id], stay[layer.rule_id]]))
                    for layer in of
                ),
                *((layer, layer.of_profiles(stirred)) for layer in of_cut),
            ],
            limit,
        )
        for of, of_cut, moved, limit in (
            ([c.before for c in plain], [c.before for c in cut], lost, limits.largest),
            ([c.after for c in plain], [c.after for c in cut], added, largest),
        )
    )
    return Reblocked(
        came=beyond(after, before),
        left=beyond(before, after),
        largest=largest,
        blocks_by_size=sizes,
        keys_n=keys_n,
        refined={one.after.rule_id: one.after.whole() for one in cut},
        touched=[*(one.blocks_after for one in every), *passed],
        were_over=[(was.rule_id, was.keys[was.sizes > limits.largest]) for was, _ in compared],
    )


def _cut_again(
    plain: Sequence[Change],
    kept: KeptKeys,
    added: Mapping[int, Keys],
    *,
    retired: Mask,
    gone: Mask,
    cap: int,
    refine: Refine,
) -> list[Change]:
    """The change of the keys that cut blocks over the cap, by rule."""
    cut: dict[int, Keys] = {}
    whole: dict[int, Keys] = {}
    for change in plain:
        rule, now = change.before.rule_id, change.blocks_after
        was_over, is_over = change.blocks_before.sizes > cap, now.sizes > cap
        new = added[rule]
        joining = are_in(new.keys, change.touched[was_over & is_over])
        owner, members = now.inside(np.flatnonzero(is_over & ~was_over))
        cut[rule] = Keys.joined([new.where(joining), Keys(now.keys[owner], members)])
        owner, members = now.inside(np.flatnonzero(was_over & ~is_over))
        whole[rule] = Keys(now.keys[owner], members)
    came, went = refine(cut), refine(whole)
    changes = []
    for rule in kept.segments:
        stored = kept.refined.get(rule, NONE)
        dropped = went.get(rule, NONE)
        rest = stored.where(~gone[stored.profile_ids]).without(dropped)
        before = Layer(rule, (stored,), kept.gone)
        lost = Keys.joined([dropped, before.of_profiles(retired)])
        changes.append(Change.by(before, (rest,), came.get(rule, NONE), lost, gone=gone))
    return changes


def _passed(every: Sequence[Change], was: int, now: int) -> Iterator[Blocks]:
    """The untouched blocks of a size between the old limit and the new one."""
    if was == now:
        return
    for change in every:
        keys = change.after.of_sizes(min(was, now) + 1, max(was, now))
        keys = keys[~are_in(keys, change.touched)]
        if keys.size:
            yield change.after.under(keys)


def _pairs(stirred: Sequence[tuple[Layer, Keys]], largest: int) -> PairsByRule:
    """All pairs of which an end is stirred, with their first rules; by the entries of such ends."""
    found: list[tuple[int, Ints, Ints]] = []
    for layer, entries in stirred:
        blocks = layer.under(entries.distinct())
        which = np.searchsorted(blocks.keys, entries.keys)
        at = np.flatnonzero(blocks.sizes[which] <= largest)
        _, others = blocks.inside(which[at])
        ones = np.repeat(entries.profile_ids[at], blocks.sizes[which[at]])
        found.append((layer.rule_id, ones, others))
    profile_ids, position = numbered([side for _, *both in found for side in both])
    dense = ((rule, position[one], position[other]) for rule, one, other in found)
    return once(dense, [layer.rule_id for layer, _ in stirred], profile_ids)


def beyond(these: PairsByRule, those: PairsByRule, *, by_rule: bool = True) -> PairsByRule:
    """The pairs of ``these`` that are not among ``those``; ``by_rule``: not by the same rule.

    Both are ordered by their ids.
    """
    profile_ids, position = numbered([*these[:2], *those[:2]])
    n = len(profile_ids)
    mine, others = (
        (position[left] * n + position[right]) * _RULES + (rules if by_rule else 0)
        for left, right, rules in (these, those)
    )
    new = np.ones(len(mine), dtype=bool)
    if len(others):
        at = np.minimum(np.searchsorted(others, mine), len(others) - 1)
        new = others[at] != mine
    return these[0][new], these[1][new], these[2][new]
