"""Whether ``match_probability`` means what it says, and what other thresholds would have linked.

*Sweep*: for each threshold the pairs of records that would be linked directly, before clustering:
those of one profile, and those whose profiles score at least the threshold and are not vetoed.

*Reliability* (DeGroot and Fienberg, "The comparison and evaluation of forecasters", 1983): scored
pairs of profiles by tenths of probability, the mean probability beside the share that is true. A
pair of profiles counts once however many records show them, as it is one statement of the model;
where its records are partly of one person, it counts as true for the share of its pairs of
records that are. The *calibration error* is the mean distance of the two, weighted by pairs
(Naeini, Cooper and Hauskrecht, AAAI 2015). Only pairs whose two profiles have records in the
truth count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mdm.evaluation_pairs import Agreeing, Groups, Ints, ScoredPairs, pairs_within

#: What a person may want to choose from.
THRESHOLDS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999)
_TENTHS = 10
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """What linking at ``threshold`` means: precision and recall over pairs of records."""

    threshold: float
    precision: float
    recall: float
    pairs: int


@dataclass(frozen=True)
class Bin:
    """Scored pairs of profiles with probability in [low, high) (the last one includes 1)."""

    low: float
    high: float
    pairs: int
    mean_probability: float
    share_true: float


@dataclass(frozen=True)
class Calibration:
    """The sweep, the reliability table (bins without pairs are left out) and its one-figure sum."""

    sweep: tuple[Point, ...]
    reliability: tuple[Bin, ...]
    calibration_error: float


def calibrate(
    records: pl.DataFrame, groups: Groups, pairs: ScoredPairs, true: Agreeing
) -> Calibration:
    """The calibration of scored ``pairs``, of which ``true`` are true, over ``records``."""
    size = groups.records_of_profile
    weight = size[pairs.left] * size[pairs.right]
    reliability = _reliability(
        pairs.probability, pairs.probability[true.pair], true.weight / weight[true.pair]
    )
    scored_n = sum(row.pairs for row in reliability)
    gap = sum(row.pairs * abs(row.mean_probability - row.share_true) for row in reliability)
    return Calibration(
        sweep=_sweep(records, pairs, weight, true),
        reliability=reliability,
        calibration_error=gap / scored_n if scored_n else 0.0,
    )


def _sweep(
    records: pl.DataFrame, pairs: ScoredPairs, weight: Ints, true: Agreeing
) -> tuple[Point, ...]:
    present = records.filter(pl.col("profile").is_not_null())
    true_pairs = pairs_within(records, "truth")
    alike = pairs_within(present, "profile")
    alike_true = pairs_within(present, "profile", "truth")
    # what a rule forbids is linked at no threshold
    probability = np.where(pairs.vetoed, np.float32(-1), pairs.probability)
    return tuple(
        Point(
            threshold=threshold,
            precision=(alike_true + good) / (alike + found) if alike + found else 1.0,
            recall=(alike_true + good) / true_pairs if true_pairs else 1.0,
            pairs=alike + found,
        )
        for threshold, found, good in zip(
            THRESHOLDS,
            _at_least(probability, weight),
            _at_least(probability[true.pair], true.weight),
            strict=True,
        )
    )


def _at_least(probability: NDArray[np.float32], weight: Ints) -> list[int]:
    """The summed weight at or above each threshold."""
    # float32, as the scores are: 0.9 must not fall below 0.9
    edges = np.array(THRESHOLDS, dtype=np.float32)
    sums = np.bincount(
        np.searchsorted(edges, probability, side="right"),
        weights=weight,
        minlength=len(edges) + 1,
    )
    return [round(total) for total in np.cumsum(sums[::-1])[::-1][1:]]


def _reliability(
    probability: NDArray[np.float32], true_probability: NDArray[np.float32], share: Floats
) -> tuple[Bin, ...]:
    tenth = _tenths(probability)
    pairs = np.bincount(tenth, minlength=_TENTHS)
    total = np.bincount(tenth, weights=probability, minlength=_TENTHS)
    good = np.bincount(_tenths(true_probability), weights=share, minlength=_TENTHS)
    return tuple(
        Bin(
            low=i / _TENTHS,
            high=(i + 1) / _TENTHS,
            pairs=int(pairs[i]),
            mean_probability=float(total[i] / pairs[i]),
            share_true=float(good[i] / pairs[i]),
        )
        for i in range(_TENTHS)
        if pairs[i]
    )


def _tenths(probability: NDArray[np.float32]) -> NDArray[np.int64]:
    edges = (np.arange(1, _TENTHS) / _TENTHS).astype(np.float32)
    return np.searchsorted(edges, probability, side="right")
