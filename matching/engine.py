"""From profiles and candidate pairs to scored pairs: training, scoring, closure, decisions.

A pure function of its arguments; the phase script only reads and writes tables around it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matching import organisations
from matching.closure import closure_pairs
from matching.distances import WORKERS
from matching.encode import pick
from matching.known_names import known_names, partners, set_known_names
from matching.model import MatchModel, SegmentModel
from matching.profiles import ORGANISATION, PERSON, Profiles
from matching.rules import ExactRules, rule_pairs
from matching.scoring import BATCH, Scorer, calibrate
from matching.training import train_segment

Positions = NDArray[np.int64]
CLOSURE_RULE: Final = 0
"""The rule number of pairs that no blocking rule found but that lie inside a proposed group."""
_FIRST: Final = 1_000
REJECTED_BITS = -60.0
SURE_BITS = 60.0
CALIBRATION: Final = (1.0, 0.85)
"""Intercept and slope from raw to calibrated bits, fitted once over the labelled sets together.

Attributes are never quite independent, so raw weights say too much in both directions: the slope
below one takes that back. See docs/matching.md for the reliability tables.
"""
ORGANISATION_CALIBRATION: Final = (-1.0, 0.85)
"""The same for organisations: names share words, and branches all else, so that evidence depends on
evidence more."""
DECISIONS: Final = ("REJECT", "FLAG_REVIEW", "AUTO_MERGE")


@dataclass
class ScoredPairs:
    """Scored pairs of positions in the profiles; ``decision`` indexes DECISIONS.

    ``levels`` and ``contributions`` are those of each pair's own segment, padded on the right.
    """

    left: Positions
    right: Positions
    rule: NDArray[np.int16]
    weight: NDArray[np.float32]
    probability: NDArray[np.float32]
    vetoed: NDArray[np.bool_]
    decision: NDArray[np.int8]
    levels: NDArray[np.int8]
    contributions: NDArray[np.float32]

    def briefly(self) -> ScoredPairs:
        """These pairs without what explains them, which takes the most room."""
        # (copies: a slice would keep the whole array)
        return replace(
            self, levels=self.levels[:0].copy(), contributions=self.contributions[:0].copy()
        )

    @classmethod
    def joined(cls, parts: Iterable[ScoredPairs]) -> ScoredPairs:
        """All pairs of at least one part, in their order; the parts are of one model."""
        every = list(parts)
        return cls(
            *(np.concatenate([getattr(one, field.name) for one in every]) for field in fields(cls))
        )


def train(
    profiles: Profiles, left: Positions, right: Positions, *, code_version: str
) -> MatchModel:
    """The model of ``profiles``, from their candidate pairs; the same data give the same model."""
    freeze_words(profiles, None)
    segments: dict[str, SegmentModel] = {}
    for kind in (PERSON, ORGANISATION):
        if (profiles.is_organisation == (kind == ORGANISATION)).any():
            segments[kind] = train_segment(profiles, kind, left, right)
    for kind, segment in segments.items():
        segment.word_shares = {
            name: column.cache["word_shares"]
            for name, column in sorted(profiles.columns.items())
            if "word_shares" in column.cache and (name != "organisation" or kind == ORGANISATION)
        }
        if kind == PERSON:
            segment.known_names = known_names(profiles.person_names)
    return MatchModel(
        segments=segments,
        calibration=list(CALIBRATION),
        organisation_calibration=list(ORGANISATION_CALIBRATION),
        code_version=code_version,
    )


def freeze_words(profiles: Profiles, model: MatchModel | None) -> None:
    """Give name columns what ``model`` knows of words and names; what the data say without one."""
    wordy = ["organisation"] + [
        name for name, kind in profiles.extra_types.items() if kind == "name"
    ]
    for name in wordy:
        if name not in profiles.columns:
            continue
        column = profiles.columns[name]
        shares = organisations.word_shares(column) if model is None else {}
        for segment in model.segments.values() if model else ():
            shares = segment.word_shares.get(name, shares)
        organisations.set_word_shares(column, shares)
    if model is None:
        known = partners(profiles)
    else:
        known = model.segments[PERSON].known_names if PERSON in model.segments else {}
    set_known_names(profiles.person_names, known)


def score(
    profiles: Profiles,
    model: MatchModel,
    left: Positions,
    right: Positions,
    *,
    scorers: Mapping[str, Scorer] | None = None,
    workers: int = WORKERS,
) -> tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.float32]]:
    """Weights, levels and contributions of any pairs, blocked or not; mixed kinds are rejected.

    ``scorers`` are those of the model's segments, where there are some already; ``workers``: see
    :meth:`Scorer.score`.
    """
    left, right = _in_order(profiles, left, right)
    scorers = scorers or _scorers(profiles, model)
    width = max((len(segment.attributes) for segment in model.segments.values()), default=0)
    weight = np.full(len(left), REJECTED_BITS, dtype=np.float32)
    levels = np.full((len(left), width), -1, dtype=np.int8)
    contributions = np.zeros((len(left), width + 1), dtype=np.float32)
    kinds = pick(profiles.is_organisation, left), pick(profiles.is_organisation, right)
    for kind, segment in model.segments.items():
        is_kind = kind == ORGANISATION
        at = np.flatnonzero((kinds[0] == is_kind) & (kinds[1] == is_kind))
        if not at.size:
            continue
        if at.size == len(left) and width == len(segment.attributes):
            scores = scorers[kind].score(left, right, workers=workers)
            return scores.weight, scores.levels, scores.contributions
        scores = scorers[kind].score(left[at], right[at], workers=workers)
        weight[at] = scores.weight
        levels[at, : scores.levels.shape[1]] = scores.levels
        contributions[at, : scores.contributions.shape[1]] = scores.contributions
    return weight, levels, contributions


def _scorers(profiles: Profiles, model: MatchModel) -> dict[str, Scorer]:
    return {kind: Scorer(profiles, segment) for kind, segment in model.segments.items()}


@dataclass(frozen=True)
class Judge:
    """What makes a decision of a score: exact rules, and the two thresholds."""

    rules: ExactRules
    auto_merge: float
    review: float


def match(
    profiles: Profiles,
    model: MatchModel,
    candidates: tuple[Positions, Positions, NDArray[np.int16]],
    judge: Judge,
) -> Iterator[ScoredPairs]:
    """All scored pairs in parts: the candidates, then the pairs that close the groups they propose.

    Who writes a part while the next ones are scored need not hold all of them.
    """
    freeze_words(profiles, model)
    left, right, rule = _with_certain_pairs(profiles, candidates, judge.rules)
    weight = np.empty(len(left), dtype=np.float32)
    proposes = np.empty(len(left), dtype=np.bool_)
    scorers = _scorers(profiles, model)
    done = 0
    for part in _judged_in_parts(profiles, model, (left, right, rule), judge, scorers):
        weight[done : done + len(part.left)] = part.weight
        proposes[done : done + len(part.left)] = part.decision > 0
        done += len(part.left)
        yield part
    closing = closure_pairs(
        len(profiles),
        left,
        right,
        weight=weight,
        proposes=proposes,
        threshold=raw_bits(judge.review, model),
    )
    if closing[0].size:
        closes = np.full(len(closing[0]), CLOSURE_RULE, dtype=np.int16)
        yield from _judged_in_parts(profiles, model, (*closing, closes), judge, scorers)


def _judged_in_parts(
    profiles: Profiles,
    model: MatchModel,
    pairs: tuple[Positions, Positions, NDArray[np.int16]],
    judge: Judge,
    scorers: Mapping[str, Scorer],
) -> Iterator[ScoredPairs]:
    """The pairs with scores and decisions, in parts and in their order; at least one part."""
    left, right, rule = pairs

    def part_of(start: int, size: int = BATCH, workers: int = 1) -> ScoredPairs:
        part = slice(start, start + size)
        some = left[part], right[part], rule[part]
        return judged(profiles, model, some, judge, scorers, workers=workers)

    # A few pairs make the tables of distinct values that all others read.
    part_of(0, _FIRST, WORKERS)
    with ThreadPoolExecutor(WORKERS) as pool:
        ahead: deque[Future[ScoredPairs]] = deque()
        for start in range(0, max(len(left), 1), BATCH):
            ahead.append(pool.submit(part_of, start))
            if len(ahead) > WORKERS:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def judged(
    profiles: Profiles,
    model: MatchModel,
    pairs: tuple[Positions, Positions, NDArray[np.int16]],
    judge: Judge,
    scorers: Mapping[str, Scorer] | None = None,
    workers: int = WORKERS,
) -> ScoredPairs:
    """The pairs with scores and decisions; each as if it were alone with its two profiles.

    Name columns must have the word frequencies of the model (:func:`freeze_words`).
    """
    left, right, rule = pairs
    weight, levels, contributions = score(
        profiles, model, left, right, scorers=scorers, workers=workers
    )
    vetoed = judge.rules.forbids(profiles, left, right)
    certain = judge.rules.matches(profiles, left, right) & ~vetoed
    weight = np.where(vetoed, REJECTED_BITS, np.where(certain, SURE_BITS, weight))
    probability = probabilities(profiles, model, left, weight)
    probability[certain], probability[vetoed] = 1.0, 0.0
    decision = (probability >= judge.review).astype(np.int8) + (probability >= judge.auto_merge)
    return ScoredPairs(
        left, right, rule, weight.astype(np.float32), probability, vetoed,
        decision.astype(np.int8), levels, contributions,
    )  # fmt: skip


def probabilities(
    profiles: Profiles, model: MatchModel, left: Positions, weight: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The calibrated probability of each weight, by what the left one of its pair is."""
    found = calibrate(weight, model.calibration)
    at = np.flatnonzero(pick(profiles.is_organisation, left))
    found[at] = calibrate(weight[at], model.organisation_calibration)
    return found


def _in_order(profiles: Profiles, left: Positions, right: Positions) -> tuple[Positions, Positions]:
    """The pairs with the side first whose fingerprint is.

    Comparisons need not be symmetric to the last bit, and ids are in the order of arrival.
    """
    swapped = pick(profiles.rank, left) > pick(profiles.rank, right)
    return np.where(swapped, right, left), np.where(swapped, left, right)


def _with_certain_pairs(
    profiles: Profiles,
    candidates: tuple[Positions, Positions, NDArray[np.int16]],
    rules: ExactRules,
) -> tuple[Positions, Positions, NDArray[np.int16]]:
    """The candidates, and what ``always_match`` ties together though no blocking rule met it."""
    left, right, rule = candidates
    more_l, more_r = rule_pairs(profiles, rules.always)
    if not more_l.size:
        return candidates
    left, right = np.concatenate([left, more_l]), np.concatenate([right, more_r])
    rule = np.concatenate([rule, np.full(len(more_l), CLOSURE_RULE, dtype=np.int16)])
    keys = np.minimum(left, right) * len(profiles) + np.maximum(left, right)
    first = np.sort(np.unique(keys, return_index=True)[1])
    return left[first], right[first], rule[first]


def match_by_rules(
    profiles: Profiles, rules: ExactRules, model_rules: Sequence[Sequence[str]]
) -> ScoredPairs:
    """Scored pairs of the model that is exact rules alone: certain, or not there."""
    every = (*rules.always, *model_rules)
    left, right = rule_pairs(profiles, every)
    keys = np.minimum(left, right) * len(profiles) + np.maximum(left, right)
    _, first = np.unique(keys, return_index=True)
    left, right = left[first], right[first]
    vetoed = rules.forbids(profiles, left, right)
    size = len(left)
    return ScoredPairs(
        left=left,
        right=right,
        rule=np.full(size, CLOSURE_RULE, dtype=np.int16),
        weight=np.where(vetoed, REJECTED_BITS, SURE_BITS).astype(np.float32),
        probability=np.where(vetoed, 0.0, 1.0).astype(np.float32),
        vetoed=vetoed,
        decision=np.where(vetoed, 0, 2).astype(np.int8),
        levels=np.empty((size, 0), dtype=np.int8),
        contributions=np.empty((size, 0), dtype=np.float32),
    )


def raw_bits(probability: float, model: MatchModel) -> float:
    """The weight from which on a pair of persons has this probability."""
    intercept, slope = model.calibration
    odds = np.clip(probability, 1e-9, 1 - 1e-9)
    return float((np.log2(odds / (1 - odds)) - intercept) / slope)
