"""Counting pairs of records from sizes of groups, without enumerating them.

A *group* is the records that agree on profile, true cluster and customer. Most profiles have one
group, so that a scored pair of profiles is judged by comparing two numbers; the few that show
records of several clusters or customers are expanded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Ints = NDArray[np.int64]

#: Decisions in order of strength; scored pairs hold their positions.
DECISIONS = ("REJECT", "FLAG_REVIEW", "AUTO_MERGE")
FLAG_REVIEW, AUTO_MERGE = 1, 2
_DENSE = 16


def pairs_within(records: pl.DataFrame, *keys: str) -> int:
    """Pairs of records that agree on all ``keys``: the sum of n(n-1)/2."""
    size = records.group_by(keys).len()["len"].cast(pl.Int64)
    return int((size * (size - 1) // 2).sum())


def pairs_parted(records: pl.DataFrame, key: str, other: str, *, within: str | None = None) -> Ints:
    """Pairs of loaded records that agree on ``key`` but not on ``other``, by code of ``key``.

    With ``within``, only pairs that agree on that too. Of parts n₁, n₂ … these are
    ((Σn)² - Σn²) / 2.
    """
    keys = [key] if within is None else [key, within]
    size = pl.col("n")
    parted = (
        records.filter(pl.col("profile").is_not_null())
        .group_by(*keys, other)
        .agg(n=pl.len().cast(pl.Int64))
        .group_by(keys)
        .agg(weight=(size.sum() * size.sum() - (size * size).sum()) // 2)
    )
    return sums(parted[key].to_numpy(), parted["weight"].to_numpy(), records[key])


def sums(codes: NDArray[np.integer], weights: NDArray[np.integer], domain: pl.Series) -> Ints:
    """The summed weight by code, for all codes of ``domain``."""
    top = int(domain.to_numpy().max(initial=0))
    return np.bincount(codes, weights=weights, minlength=top + 1).astype(np.int64)


@dataclass(frozen=True)
class Groups:
    """The groups of labelled records in the warehouse, sorted by profile.

    Per group: code of true cluster and customer, number of records, row of one of them. Per
    profile (``profiles``, ascending): its first group and how many it has.
    """

    truth: Ints
    customer: Ints
    size: Ints
    record: Ints
    profiles: Ints
    first: Ints
    count: Ints

    @classmethod
    def of(cls, records: pl.DataFrame) -> Groups:
        """The groups of ``records`` (see :class:`mdm.evaluation_truth.Labelled`)."""
        table = (
            records.with_row_index("record")
            .filter(pl.col("profile").is_not_null())
            .group_by("profile", "truth", "customer")
            .agg(size=pl.len(), record=pl.col("record").min())
            .sort("profile", "truth", "customer")
        )
        columns = {name: table[name].to_numpy().astype(np.int64) for name in table.columns}
        profiles, first, count = np.unique(
            columns.pop("profile"), return_index=True, return_counts=True
        )
        return cls(**columns, profiles=profiles, first=first, count=count)

    @property
    def records_of_profile(self) -> Ints:
        """Number of labelled records of each profile."""
        return np.add.reduceat(self.size, self.first) if len(self.first) else self.size


@dataclass(frozen=True)
class ScoredPairs:
    """Scored pairs of profiles that both have labelled records, as positions in the profiles."""

    left: Ints
    right: Ints
    probability: NDArray[np.float32]
    decision: NDArray[np.uint8]
    vetoed: NDArray[np.bool_]
    rule: NDArray[np.int16]

    @classmethod
    def of(cls, pairs: pl.DataFrame, groups: Groups) -> ScoredPairs:
        """The pairs of the frame, whose columns are those of ``mdm.evaluation.PAIRS``."""
        left, known_l = _positions(groups.profiles, pairs["l"])
        right, known_r = _positions(groups.profiles, pairs["r"])
        known = known_l & known_r
        return cls(
            left[known],
            right[known],
            pairs["probability"].to_numpy()[known],
            pairs["decision"].to_physical().to_numpy().astype(np.uint8)[known],
            pairs["vetoed"].to_numpy()[known] != 0,
            pairs["rule"].to_numpy()[known],
        )

    def where(self, chosen: NDArray[np.bool_]) -> ScoredPairs:
        """Those that ``chosen`` marks."""
        return ScoredPairs(
            self.left[chosen],
            self.right[chosen],
            self.probability[chosen],
            self.decision[chosen],
            self.vetoed[chosen],
            self.rule[chosen],
        )


def _positions(profiles: Ints, wanted: pl.Series) -> tuple[Ints, NDArray[np.bool_]]:
    """Where each wanted id is in ``profiles``, and whether it is there at all."""
    ids = wanted.to_numpy()
    if not len(profiles):
        return np.zeros(len(ids), dtype=np.int64), np.zeros(len(ids), dtype=bool)
    # ids come from a sequence: as a rule a table over them is small, and ten times as fast
    if profiles[-1] < _DENSE * len(profiles):
        table = np.full(profiles[-1] + 1, -1, dtype=np.int64)
        table[profiles] = np.arange(len(profiles))
        place = table[np.minimum(ids, profiles[-1])]
        return place, (place >= 0) & (ids <= profiles[-1])
    place = np.minimum(np.searchsorted(profiles, ids), len(profiles) - 1)
    return place, profiles[place] == ids


@dataclass(frozen=True)
class Agreeing:
    """Pairs of groups below scored pairs: position of the pair, both groups, pairs of records."""

    pair: Ints
    left: Ints
    right: Ints
    weight: Ints

    def where(self, chosen: NDArray[np.bool_]) -> Agreeing:
        """Those that ``chosen`` marks."""
        return Agreeing(
            self.pair[chosen], self.left[chosen], self.right[chosen], self.weight[chosen]
        )

    @property
    def total(self) -> int:
        """Pairs of records."""
        return int(self.weight.sum())


def agreeing(groups: Groups, pairs: ScoredPairs, codes: Ints) -> Agreeing:
    """The pairs of groups of scored profiles that share ``codes`` (truth or customer of groups)."""
    left, right = groups.first[pairs.left], groups.first[pairs.right]
    plain = (groups.count[pairs.left] == 1) & (groups.count[pairs.right] == 1)
    same = np.flatnonzero(plain & (codes[left] == codes[right]))
    pair, left, right = np.concatenate(
        [
            np.stack([same, left[same], right[same]]),
            _expanded(groups, pairs, codes, np.flatnonzero(~plain)),
        ],
        axis=1,
    )
    return Agreeing(pair, left, right, groups.size[left] * groups.size[right])


def _expanded(groups: Groups, pairs: ScoredPairs, codes: Ints, mixed: Ints) -> Ints:
    """Pair, left and right group (rows) of ``mixed`` pairs, whose profiles have several
    groups.
    """
    table = pl.DataFrame(
        {
            "position": np.repeat(np.arange(len(groups.profiles)), groups.count),
            "code": codes,
            "group": np.arange(len(codes)),
        }
    )
    found = (
        pl.DataFrame({"pair": mixed, "l": pairs.left[mixed], "r": pairs.right[mixed]})
        .join(table, left_on="l", right_on="position")
        .join(table, left_on=["r", "code"], right_on=["position", "code"], suffix="_r")
    )
    return found.select("pair", "group", "group_r").to_numpy().T.astype(np.int64)
