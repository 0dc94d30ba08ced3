"""The groups that a night may change, and the scored pairs inside them.

A group is what pairs that are not rejected tie together; ``staging.match_groups`` tells of each as
the last matching left it. New pairs may tie several of them to one: then it matters which pairs
between these were scored before, and rejected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from db import binary_copy, match_groups
from db.arrays import are_in, array_of
from db.graphs import components
from db.match_groups import VETOED
from db.queries import load
from matching import closure
from matching.encode import pick
from matching.engine import CLOSURE_RULE, ScoredPairs
from matching.keys import Ints
from matching.pair_tables import SQL

PAIR = (
    ("left", "i8"),
    ("right", "i8"),
    ("weight", "f4"),
    ("probability", "f4"),
    ("decision", "i2"),
    ("closes", "?"),
)


@dataclass(frozen=True)
class Pairs:
    """Scored pairs by profile id, the smaller left.

    ``decision`` indexes DECISIONS, or is VETOED. A pair that ``closes`` was found by no rule.
    """

    left: Ints
    right: Ints
    weight: NDArray[np.float32]
    probability: NDArray[np.float32]
    decision: NDArray[np.int8]
    closes: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.left)

    @property
    def proposes(self) -> NDArray[np.bool_]:
        """Which of them are not rejected."""
        return self.decision > 0

    def joins(self, *, merge_flagged: bool) -> NDArray[np.bool_]:
        """Which of them can make their ends one customer: of no others does identity make ties."""
        return self.decision > (0 if merge_flagged else 1)

    @property
    def ties(self) -> NDArray[np.bool_]:
        """Which of them tie a group: a pair that only closes one does not."""
        return self.proposes & ~self.closes

    def where(self, chosen: NDArray[Any] | slice) -> Pairs:
        """The chosen pairs only (boolean mask, positions or a stretch)."""
        if isinstance(chosen, slice):
            return Pairs(*(getattr(self, each.name)[chosen] for each in fields(self)))
        at = chosen.nonzero()[0] if chosen.dtype == np.bool_ else chosen
        return Pairs(*(pick(getattr(self, each.name), at) for each in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Pairs]) -> Pairs:
        """The pairs of all parts, of which there is at least one."""
        return cls(
            *(np.concatenate([getattr(one, each.name) for one in parts]) for each in fields(cls))
        )


@dataclass(frozen=True)
class Groups:
    """Whole groups: the profiles (ids in order), the pairs between them, as positions.

    ``label`` numbers the group of each profile.
    """

    ids: Ints
    inner: Pairs
    label: Ints

    def group_of(self, profile_ids: Ints) -> Ints:
        """The number of the group of each profile, -1 where it is in none of these."""
        group: Ints = np.append(self.label, -1)[places(self.ids, profile_ids)[0]]
        return group

    def by_id(self, inner: Pairs) -> Pairs:
        """Some of the inner pairs by profile id."""
        return replace(inner, left=self.ids[inner.left], right=self.ids[inner.right])

    def regrouped(self, ties: Pairs) -> Groups:
        """The same profiles in the groups that these pairs of them (by profile id) make."""
        left, right = places(self.ids, ties.left)[0], places(self.ids, ties.right)[0]
        return replace(self, label=components(len(self.ids), left, right))


class Walk:
    """Finds the groups of profiles, as they were and as they are; what it has read once it keeps.

    ``new`` are the profiles (ids in order) of which nothing can be stored yet.
    """

    def __init__(self, new: Ints) -> None:
        self._new = self._read = new
        self._stored = [none()]

    def read(self, conn: Connection, profile_ids: Ints) -> None:
        """Reads the stored groups of these profiles (ids in order) not read yet."""
        step = profile_ids[~places(self._read, profile_ids)[1]]
        if not step.size:
            return
        pairs = pairs_of(match_groups.read_of(conn, step))
        self._read = distinct(np.concatenate([self._read, step, pairs.left, pairs.right]))
        self._stored.append(pairs)

    def groups(self, conn: Connection, seeds: Ints, came: Pairs, went: Pairs) -> Groups:
        """The groups of the profiles ``seeds`` (ids in order).

        Scored pairs that ``came`` are in no stored group yet, those that ``went`` may be still; of
        a pair that was scored anew both is true. Whether they are stored as pairs does not matter.
        """
        tied = came.where(came.ties)
        reached = step = seeds
        while step.size:
            self.read(conn, step)
            found = []
            for pairs in (tied, *self._stored):
                found += [pairs.right[places(step, pairs.left)[1]]]
                found += [pairs.left[places(step, pairs.right)[1]]]
            step = distinct(np.concatenate(found))
            step = step[~places(reached, step)[1]]
            reached = distinct(np.concatenate([reached, step]))
        stored = _inside(reached, Pairs.joined(self._stored))
        was = components(len(reached), stored.left, stored.right)
        came, went = _inside(reached, came), _inside(reached, went)
        inner = Pairs.joined([stored.where(~are_among(stored, went)), came])
        rejected = self._rejected(conn, reached, was, inner)
        rejected = rejected.where(~are_among(rejected, Pairs.joined([came, went])))
        inner = Pairs.joined([inner, rejected])
        ties = inner.where(inner.ties)
        return Groups(reached, inner, components(len(reached), ties.left, ties.right))

    def _rejected(self, conn: Connection, ids: Ints, was: Ints, known: Pairs) -> Pairs:
        """The rejected pairs scored before between two stored groups (``was``) now one."""
        ties = known.where(known.ties)
        label = components(len(ids), ties.left, ties.right)
        is_large = np.bincount(label, minlength=1)[label] > closure.LARGEST_GROUP
        found = closure.closure_pairs(
            len(ids),
            known.left,
            known.right,
            weight=known.weight,
            proposes=known.ties,
            threshold=np.inf,  # of a group too large to be closed as it is, nothing
        )
        left, right = np.minimum(*found), np.maximum(*found)
        is_new = places(self._new, ids)[1]
        sought = (was[left] != was[right]) & ~(is_new[left] | is_new[right])
        left, right = left[sought], right[sought]
        ends = {"left": array_of(ids[left]), "right": array_of(ids[right])}
        read = [_read(conn, "select_rejected_among", **ends)]
        if is_large.any():
            profiles = array_of(ids[is_large])
            read.append(_read(conn, "select_rejected_of", profiles=profiles))
        pairs = _inside(ids, Pairs.joined(read))
        return pairs.where(was[pairs.left] != was[pairs.right])


def unscored(left: Ints, right: Ints) -> Pairs:
    """Pairs that close groups, with no score."""
    size = len(left)
    nothing = np.zeros(size, dtype=np.float32)
    return Pairs(
        left, right, nothing, nothing, np.zeros(size, dtype=np.int8), np.ones(size, dtype=bool)
    )


def none() -> Pairs:
    """No pairs."""
    nothing = np.empty(0, dtype=np.int64)
    return unscored(nothing, nothing)


def _read(conn: Connection, name: str, **values: object) -> Pairs:
    return pairs_of(binary_copy.read_rows(conn, load(SQL)[name], PAIR, **values))


def pairs_scored(scored: ScoredPairs, profile_id: Ints, at: Ints | slice = slice(None)) -> Pairs:
    """Pairs by profile id from scored pairs of positions, or some of these."""
    one, other = profile_id[scored.left[at]], profile_id[scored.right[at]]
    return Pairs(
        np.minimum(one, other),
        np.maximum(one, other),
        scored.weight[at],
        scored.probability[at],
        np.where(scored.vetoed[at], np.int8(VETOED), scored.decision[at]),
        scored.rule[at] == CLOSURE_RULE,
    )


def pairs_of(rows: NDArray[Any]) -> Pairs:
    """Pairs from rows as COPY gives them (``PAIR``), or as they are stored in groups."""
    return Pairs(
        rows["left"].astype(np.int64),
        rows["right"].astype(np.int64),
        rows["weight"].astype(np.float32),
        rows["probability"].astype(np.float32),
        rows["decision"].astype(np.int8),
        rows["closes"].astype(np.bool_),
    )


def are_among(these: Pairs, those: Pairs) -> NDArray[np.bool_]:
    """Which of ``these`` are among ``those``, by their ends."""
    base = int(max(these.right.max(initial=0), those.right.max(initial=0))) + 1
    return are_in(these.left * base + these.right, those.left * base + those.right)


def _inside(ids: Ints, pairs: Pairs) -> Pairs:
    """Those of the ``pairs`` that are between profiles ``ids`` (in order), as positions in them."""
    left, has_left = places(ids, pairs.left)
    right, has_right = places(ids, pairs.right)
    return replace(pairs, left=left, right=right).where(has_left & has_right)


def places(ids: Ints, wanted: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Where each wanted profile is among the ``ids`` (-1: nowhere), and whether it is there.

    As ids are dense, a table of all beats a search for each.
    """
    size = max(int(ids.max(initial=-1)), int(wanted.max(initial=-1))) + 1
    table = np.full(size, -1, dtype=np.int32)
    table[ids] = np.arange(len(ids), dtype=np.int32)
    place = table[wanted].astype(np.int64)
    return place, place >= 0


def distinct(profile_ids: Ints) -> Ints:
    """Each id once, in order; by a table too."""
    is_there = np.zeros(int(profile_ids.max(initial=-1)) + 1, dtype=bool)
    is_there[profile_ids] = True
    return np.flatnonzero(is_there)
