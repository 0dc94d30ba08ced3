"""The groups that a night may change, and the scored pairs inside them.

A group is what pairs that are not rejected tie together. Groups are small, so they are walked from
where they change, one step of all of them at a time. Only such pairs are read on the way. Of the
others, three in four, it matters only inside a group whether they are there at all, and where a
group was closed and has lasted that needs no look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from db import binary_copy
from db.queries import load, query
from matching import closure
from matching.engine import CLOSURE_RULE
from matching.keys import Ints
from matching.pair_tables import SQL

_WALKED = ("pg_temp", "walked_profiles")
_LISTED = ("pg_temp", "listed_pairs")
_ENDS = (("profile_id_l", "i8"), ("profile_id_r", "i8"))
PAIR = (*_ENDS, ("rule_id", "i2"), ("match_weight", "f4"), ("decision", "i2"))
_SETTLED = -1
"""Stands for the rule of a pair that is there and stays as it is, whichever found it."""


@dataclass(frozen=True)
class Pairs:
    """Scored pairs by profile id, the smaller left; ``decision`` indexes DECISIONS."""

    left: Ints
    right: Ints
    rule: NDArray[np.int16]
    weight: NDArray[np.float32]
    decision: NDArray[np.int8]

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
        ties: NDArray[np.bool_] = self.proposes & (self.rule != CLOSURE_RULE)
        return ties

    def where(self, chosen: NDArray[Any] | slice) -> Pairs:
        """The chosen pairs only."""
        return Pairs(
            self.left[chosen],
            self.right[chosen],
            self.rule[chosen],
            self.weight[chosen],
            self.decision[chosen],
        )

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
        return replace(self, label=closure.components(len(self.ids), left, right))


class Walk:
    """Walks the stored pairs of profiles; what it has read once it keeps.

    ``new`` are the profiles (ids in order) of which nothing can be stored yet.
    """

    def __init__(self, conn: Connection, new: Ints) -> None:
        self._conn, self._new = conn, new
        self._read = new
        self._ties: list[Pairs] = []
        self._ends: list[tuple[Ints, Ints]] = []

    def read(self, profile_ids: Ints) -> None:
        """Reads the ties of these profiles (ids in order), where that has not been done."""
        step = profile_ids[~places(self._read, profile_ids)[1]]
        if not step.size:
            return
        self._read = distinct(np.concatenate([self._read, step]))
        pairs = self._pairs_of(step, "select_ties_of_walked")
        ties = pairs.where(pairs.ties)
        ends = binary_copy.read_rows(self._conn, load(SQL)["select_left_ends_of_walked"], _ENDS)
        left = ends["profile_id_l"].astype(np.int64)
        right = ends["profile_id_r"].astype(np.int64)
        self._ties.append(pairs)
        self._ends += [(ties.left, ties.right), (right, left)]

    def groups(self, seeds: Ints, came: Pairs, went: Pairs) -> Groups:
        """The groups of the profiles ``seeds`` (ids in order).

        Scored pairs that ``came`` are not stored yet, those that ``went`` no longer.
        """
        tied = came.where(came.ties)
        ends = [(tied.left, tied.right), (tied.right, tied.left)]
        reached = step = seeds
        while step.size:
            self.read(step)
            found = [end[places(step, start)[1]] for start, end in (*ends, *self._ends)]
            step = distinct(np.concatenate(found))
            step = step[~places(reached, step)[1]]
            reached = distinct(np.concatenate([reached, step]))
        stored = _inside(reached, Pairs.joined([came.where(slice(0)), *self._ties]))
        came, went = _inside(reached, came), _inside(reached, went)
        inner = Pairs.joined([stored, came, self._rejected(reached, stored, came, went)])
        ties = inner.where(inner.ties)
        return Groups(reached, inner, closure.components(len(reached), ties.left, ties.right))

    def _rejected(self, ids: Ints, stored: Pairs, came: Pairs, went: Pairs) -> Pairs:
        """The rejected pairs that are stored between two profiles of a group, as it is or was.

        Where all of a group was closed, and what of it has lasted is one group still, they need
        not be read: all that did not go are there, and stay.
        """
        known = Pairs.joined([stored, came, went])
        ties = known.where(known.ties)
        label = closure.components(len(ids), ties.left, ties.right)
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
        sought = ~(is_new[left] | is_new[right])
        left, right = left[sought], right[sought]
        ties = stored.where(stored.ties)
        lasting = closure.components(len(ids), ties.left, ties.right)
        settled = lasting[left] == lasting[right]
        listed = ids[left[~settled]], ids[right[~settled]]
        read = [self._among(*listed), self._pairs_of(ids[is_large], "select_rejected_of_walked")]
        return Pairs.joined(
            [
                unscored(left[settled], right[settled], _SETTLED),
                *(_inside(ids, pairs) for pairs in read),
            ]
        )

    def _among(self, left: Ints, right: Ints) -> Pairs:
        """Which of these pairs are stored and rejected."""
        list_pairs(self._conn, left, right)
        select = load(SQL)["select_rejected_of_listed"]
        return pairs_of(binary_copy.read_rows(self._conn, select, PAIR))

    def _pairs_of(self, profile_ids: Ints, select: str) -> Pairs:
        self._conn.execute(query(SQL, "empty_walked_profiles"))
        wanted: list[binary_copy.Field] = [("profile_id", "i8", profile_ids)]
        binary_copy.write(self._conn, _WALKED, wanted, len(profile_ids))
        return pairs_of(binary_copy.read_rows(self._conn, load(SQL)[select], PAIR))


def list_pairs(conn: Connection, left: Ints, right: Ints) -> None:
    """Puts these pairs, and no others, into the temporary table of listed pairs."""
    conn.execute(query(SQL, "empty_listed_pairs"))
    ends = {"profile_id_l": left, "profile_id_r": right}
    binary_copy.write_columns(conn, _LISTED, ends)


def unscored(left: Ints, right: Ints, rule: int) -> Pairs:
    """Pairs that one rule found, with no score."""
    size = len(left)
    return Pairs(
        left,
        right,
        np.full(size, rule, dtype=np.int16),
        np.zeros(size, dtype=np.float32),
        np.zeros(size, dtype=np.int8),
    )


def pairs_of(rows: NDArray[Any]) -> Pairs:
    """Pairs from rows as COPY gives them."""
    return Pairs(
        rows["profile_id_l"].astype(np.int64),
        rows["profile_id_r"].astype(np.int64),
        rows["rule_id"].astype(np.int16),
        rows["match_weight"].astype(np.float32),
        rows["decision"].astype(np.int8),
    )


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
