"""Where true pairs were lost and where wrong pairs came from, with examples of each.

A true pair whose records are not one customer was lost at the first step that let it go:
*ingestion* (a record is not in the warehouse), *blocking* (their profiles were never proposed),
*scoring* (proposed, not decided AUTO_MERGE) or *clustering* (merged by the score, kept apart all
the same). A wrong pair came from records that look the *same* (one profile), from *scoring*
(AUTO_MERGE), or from *clustering* (joined through others).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from mdm.evaluation_pairs import (
    AUTO_MERGE,
    DECISIONS,
    FLAG_REVIEW,
    Agreeing,
    Groups,
    Ints,
    ScoredPairs,
    agreeing,
    pairs_parted,
    pairs_within,
    sums,
)

EXAMPLES = 10
_WINDOW = 25
"""Examples of pairs without a score are looked for among this many neighbours of each group."""


@dataclass(frozen=True)
class Example:
    """Two records as ``source:record_id``, and the score of their profiles if there is one."""

    left: str
    right: str
    probability: float | None = None
    decision: str | None = None


@dataclass(frozen=True)
class Losses:
    """True pairs of records that are not one customer, by the step that lost them.

    ``review`` are those of ``scoring`` that wait for a steward. ``proposed`` counts the true
    pairs of different profiles that blocking found, lost or not.
    """

    ingestion: int
    blocking: int
    scoring: int
    review: int
    clustering: int
    proposed: int
    examples: dict[str, tuple[Example, ...]]


@dataclass(frozen=True)
class Wrong:
    """Pairs of records that are one customer and should not be, by what joined them."""

    same_profile: int
    scoring: int
    clustering: int
    examples: dict[str, tuple[Example, ...]]


@dataclass(frozen=True)
class RuleYield:
    """What one blocking rule cost and bought: pairs that it found first.

    ``pairs`` are scored pairs of profiles, ``true_pairs`` the true pairs of records among them.
    """

    rule: str
    pairs: int
    true_pairs: int


def rule_yields(
    pairs: ScoredPairs, true: Agreeing, names: Mapping[int, str]
) -> tuple[RuleYield, ...]:
    """What each rule bought, in the order of the rules; 0 is what closes proposed groups."""
    paid = np.bincount(pairs.rule, minlength=1)
    bought = np.bincount(pairs.rule[true.pair], weights=true.weight, minlength=len(paid))
    return tuple(
        RuleYield(names.get(rule, "closing groups"), int(paid[rule]), int(bought[rule]))
        for rule in [*sorted(names), 0]
        if rule < len(paid) and paid[rule]
    )


def losses(records: pl.DataFrame, groups: Groups, pairs: ScoredPairs, true: Agreeing) -> Losses:
    """The lost true pairs of ``records`` by step; ``true`` are the scored ones."""
    present = records.filter(pl.col("profile").is_not_null())
    apart = true.where(groups.customer[true.left] != groups.customer[true.right])
    decision = pairs.decision[apart.pair]
    merged = apart.where(decision == AUTO_MERGE)
    unmerged = apart.where(decision != AUTO_MERGE)
    # Equal profiles are one customer unless a steward parted them: clustering's doing.
    alike = pairs_parted(records, "truth", "customer", within="profile")
    lost = pairs_parted(records, "truth", "customer")
    scored = sums(groups.truth[apart.left], apart.weight, records["truth"])
    return Losses(
        ingestion=pairs_within(records, "truth") - pairs_within(present, "truth"),
        blocking=int((lost - scored - alike).sum()),
        scoring=unmerged.total,
        review=apart.where(decision == FLAG_REVIEW).total,
        clustering=merged.total + int(alike.sum()),
        proposed=true.total,
        examples={
            "blocking": _unscored(records, groups, pairs, "truth", lost - scored - alike),
            "scoring": _scored(records, groups, pairs, unmerged, groups.truth),
            "clustering": _scored(records, groups, pairs, merged, groups.truth),
        },
    )


def wrong_pairs(records: pl.DataFrame, groups: Groups, pairs: ScoredPairs) -> Wrong:
    """The wrong pairs within customers by what joined them."""
    merged = pairs.where(pairs.decision == AUTO_MERGE)
    joined = agreeing(groups, merged, groups.customer)
    scored = joined.where(groups.truth[joined.left] != groups.truth[joined.right])
    alike = pairs_parted(records, "customer", "truth", within="profile")
    wrong = pairs_parted(records, "customer", "truth")
    chained = wrong - alike - sums(groups.customer[scored.left], scored.weight, records["customer"])
    return Wrong(
        same_profile=int(alike.sum()),
        scoring=scored.total,
        clustering=int(chained.sum()),
        examples={
            "scoring": _scored(records, groups, merged, scored, groups.customer),
            "clustering": _unscored(records, groups, merged, "customer", chained),
        },
    )


def _scored(
    records: pl.DataFrame, groups: Groups, pairs: ScoredPairs, found: Agreeing, cluster: Ints
) -> tuple[Example, ...]:
    """Ten of ``found``, the most probable first, from as many different clusters as there are."""
    order = np.lexsort((found.right, found.left, -pairs.probability[found.pair]))
    _, best = np.unique(cluster[found.left[order]], return_index=True)
    chosen = np.concatenate([np.sort(best), np.setdiff1d(np.arange(len(order)), best)])[:EXAMPLES]
    return tuple(
        _example(
            records,
            int(groups.record[found.left[i]]),
            int(groups.record[found.right[i]]),
            probability=round(float(pairs.probability[found.pair[i]]), 4),
            decision=DECISIONS[pairs.decision[found.pair[i]]],
        )
        for i in order[chosen]
    )


def _unscored(
    records: pl.DataFrame, groups: Groups, pairs: ScoredPairs, key: str, weight: Ints
) -> tuple[Example, ...]:
    """Pairs not among ``pairs`` within the clusters of largest ``weight``, one per cluster.

    Each group is held against its next ones only, so that a huge cluster costs no more than its
    size. One whose groups were all scored near each other may give none: the counts are exact,
    these are examples.
    """
    own, other = (
        (groups.truth, groups.customer) if key == "truth" else (groups.customer, groups.truth)
    )
    worst = np.argsort(-weight, kind="stable")[:EXAMPLES]
    position = np.repeat(np.arange(len(groups.profiles)), groups.count)
    members = np.flatnonzero(np.isin(own, worst[weight[worst] > 0]))
    near = np.isin(pairs.left, position[members])
    known = set(zip(pairs.left[near].tolist(), pairs.right[near].tolist(), strict=True))
    examples = []
    for cluster in worst:
        inside = members[own[members] == cluster]
        for left, right in _neighbours(inside):
            pair = (int(position[left]), int(position[right]))
            if other[left] != other[right] and pair[0] != pair[1] and pair not in known:
                examples.append(
                    _example(records, int(groups.record[left]), int(groups.record[right]))
                )
                break
    return tuple(examples)


def _neighbours(members: Ints) -> Iterator[tuple[int, int]]:
    for step in range(1, min(_WINDOW, len(members))):
        yield from zip(members[:-step].tolist(), members[step:].tolist(), strict=True)


def _example(
    records: pl.DataFrame,
    left: int,
    right: int,
    *,
    probability: float | None = None,
    decision: str | None = None,
) -> Example:
    names = sorted(":".join(records.select("source", "record_id").row(i)) for i in (left, right))
    return Example(names[0], names[1], probability, decision)
