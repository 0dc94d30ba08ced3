"""The groups that a night may change, and the scored pairs inside them.

A group is what pairs that are not rejected tie together. Groups are small, so they are walked from
where they change, one step of all of them at a time.
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
from matching.closure import components
from matching.engine import CLOSURE_RULE
from matching.keys import Ints
from matching.pair_tables import SQL

_WALKED = ("pg_temp", "walked_profiles")
_KINDS = (
    ("profile_id_l", "i8"),
    ("profile_id_r", "i8"),
    ("rule_id", "i2"),
    ("match_weight", "f4"),
    ("decision", "i2"),
    ("is_own", "?"),
)


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
        place, found = places(self.ids, profile_ids)
        group = np.append(self.label, -1)[place]
        return np.where(found, group, -1)

    def by_id(self, inner: Pairs) -> Pairs:
        """Some of the inner pairs by profile id."""
        return replace(inner, left=self.ids[inner.left], right=self.ids[inner.right])

    def regrouped(self, ties: Pairs) -> Groups:
        """The same profiles in the groups that these pairs of them (by profile id) make."""
        left, right = places(self.ids, ties.left)[0], places(self.ids, ties.right)[0]
        return replace(self, label=components(len(self.ids), left, right))


def walked(conn: Connection, seeds: Ints, unwritten: Pairs) -> Groups:
    """The groups of the profiles ``seeds`` (ids in order).

    ``unwritten`` are scored pairs that are not in ``staging.identity_match_candidates`` yet.
    """
    tied = unwritten.where(unwritten.ties)
    ends = np.concatenate([tied.left, tied.right])
    partners = np.concatenate([tied.right, tied.left])
    reached = step = seeds
    found = [unwritten]
    while step.size:
        pairs, is_own = _pairs_of(conn, step)
        found.append(pairs.where(is_own))
        beyond = np.concatenate(
            [
                pairs.right[is_own & pairs.ties],
                pairs.left[~is_own],
                partners[places(step, ends)[1]],
            ]
        )
        step = distinct(beyond)
        step = step[~places(reached, step)[1]]
        reached = distinct(np.concatenate([reached, step]))
    return _whole(reached, found)


def _pairs_of(conn: Connection, profile_ids: Ints) -> tuple[Pairs, NDArray[np.bool_]]:
    """All stored pairs of which a profile is the left side, and the ties of which it is the right;
    and which of them are the former."""
    conn.execute(query(SQL, "empty_walked_profiles"))
    binary_copy.write(conn, _WALKED, [("profile_id", "i8", profile_ids)], len(profile_ids))
    rows = binary_copy.read_rows(conn, load(SQL)["select_pairs_of_walked"], _KINDS)
    return pairs_of(rows), rows["is_own"]


def pairs_of(rows: NDArray[Any]) -> Pairs:
    """Pairs from rows as COPY gives them; without a weight where it was not asked for."""
    weight = rows["match_weight"] if "match_weight" in (rows.dtype.names or ()) else None
    return Pairs(
        rows["profile_id_l"].astype(np.int64),
        rows["profile_id_r"].astype(np.int64),
        rows["rule_id"].astype(np.int16),
        np.zeros(len(rows), dtype=np.float32) if weight is None else weight.astype(np.float32),
        rows["decision"].astype(np.int8),
    )


def _whole(ids: Ints, found: list[Pairs]) -> Groups:
    """The groups of profiles ``ids`` (in order) out of all ``found`` pairs of theirs."""
    parts = []
    for pairs in found:
        left, has_left = places(ids, pairs.left)
        right, has_right = places(ids, pairs.right)
        parts.append(replace(pairs, left=left, right=right).where(has_left & has_right))
    inner = Pairs.joined(parts)
    label = components(len(ids), inner.left[inner.ties], inner.right[inner.ties])
    return Groups(ids, inner, label)


def places(ids: Ints, wanted: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Where each wanted number is among the ``ids`` (in order), and whether it is there."""
    if not ids.size:
        return np.zeros(len(wanted), dtype=np.int64), np.zeros(len(wanted), dtype=bool)
    place = np.searchsorted(ids, wanted).clip(0, len(ids) - 1)
    return place, ids[place] == wanted


def distinct(profile_ids: Ints) -> Ints:
    """Each id once, in order: as ids are dense, a table of all beats sorting them."""
    is_there = np.zeros(int(profile_ids.max(initial=-1)) + 1, dtype=bool)
    is_there[profile_ids] = True
    return np.flatnonzero(is_there)
