"""Scores of pairs of profiles under a model: levels, contributions in bits, weight, probability."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from matching.comparisons import NAME_NICKNAME
from matching.distances import WORKERS
from matching.encode import pick
from matching.levels import Compared, compare
from matching.model import AttributeModel, SegmentModel
from matching.namesakes import bits_of_full_names
from matching.priors import PRIORS
from matching.profiles import Profiles

BATCH = 250_000
_FLOOR = 1e-9
Positions = NDArray[np.int64]


@dataclass
class Scores:
    """Scored pairs of one segment, in the order they were given.

    ``contributions`` are bits per attribute, then one column for the correction that related
    customers ask for; with the prior they add up to ``weight`` (log2 odds of a match).
    """

    weight: NDArray[np.float32]
    levels: NDArray[np.int8]
    contributions: NDArray[np.float32]


class Scorer:
    """Scores pairs of ``profiles`` with one segment of a model."""

    def __init__(self, profiles: Profiles, segment: SegmentModel) -> None:
        self.profiles = profiles
        self.segment = segment
        self._known_bits: dict[str, _Bits] = {}

    def score(self, left: Positions, right: Positions, *, workers: int = WORKERS) -> Scores:
        """Scores of pairs of positions; an attribute that the model does not know counts nothing.

        ``workers`` share the pairs, and the attributes of the first: one, where others score
        meanwhile.
        """
        size = len(left)
        attributes = self.segment.attributes
        levels = np.full((size, len(attributes)), -1, dtype=np.int8)
        contributions = np.zeros((size, len(attributes) + 1), dtype=np.float32)
        weight = np.empty(size, dtype=np.float32)
        prior = np.log2(self.segment.prior_match / (1 - self.segment.prior_match))

        def fill(part: slice, workers: int = 1) -> None:
            self._score(left[part], right[part], levels[part], contributions[part], workers)
            weight[part] = contributions[part].sum(axis=1, dtype=np.float64) + prior

        parts = [slice(start, start + BATCH) for start in range(0, size, BATCH)]
        # The first batch makes the tables of distinct values that all others read.
        for part in parts[:1]:
            fill(part, workers)
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(fill, parts[1:]))
        return Scores(weight, levels, contributions)

    def _score(
        self,
        left: Positions,
        right: Positions,
        levels: NDArray[np.int8],
        contributions: NDArray[np.float32],
        workers: int,
    ) -> None:
        related = np.zeros(len(left))
        compared = compare(self.profiles, left, right, self.segment.kind, workers=workers)
        found = {one.name: one for one in compared}
        for place, attribute in enumerate(self.segment.attributes):
            one = found.get(attribute.name)
            if one is None:
                continue
            bits = self._bits(attribute, one)
            levels[:, place] = one.levels
            known = one.levels.astype(np.intp)
            column, more = pick(bits.match, known), pick(bits.related, known)
            if bits.match_of_value is not None and bits.related_of_value is not None:
                assert one.values is not None
                at = np.flatnonzero(one.levels == attribute.frequency_level)
                values = pick(one.values, at)
                column[at] = pick(bits.match_of_value, values)
                more[at] = pick(bits.related_of_value, values)
                at = np.flatnonzero(pick(bits.is_alike, known))
                surplus = _surplus(bits.match_of_value, one, at, pick(right, at), column[at])
                column[at] -= surplus
                more[at] -= surplus
            if one.full_names is not None:
                at = np.flatnonzero(one.full_names >= 0)
                lost = pick(self._namesake_bits, pick(one.full_names, at))
                column[at] -= lost
                more[at] -= lost
                # Nor do full names that are merely alike say more than equal ones would.
                both = np.minimum(one.levels, found["family_name"].levels)
                at = np.flatnonzero((one.full_names < 0) & (both >= NAME_NICKNAME))
                lost = np.maximum(
                    *(
                        pick(self._namesake_bits, pick(self.profiles.full_name, pick(side, at)))
                        for side in (left, right)
                    )
                )
                column[at] -= lost
                more[at] -= lost
            contributions[:, place] = column
            related += more
        # Strangers are the base line; related customers are the other way not to match.
        prior = self.segment.prior_related / (
            1 - self.segment.prior_match - self.segment.prior_related
        )
        contributions[:, -1] = -np.logaddexp2(0.0, np.log2(max(prior, 1e-12)) + related)

    @cached_property
    def _namesake_bits(self) -> NDArray[np.float32]:
        return bits_of_full_names(self.profiles, self.segment.namesake_bits)

    def _bits(self, attribute: AttributeModel, one: Compared) -> _Bits:
        if attribute.name not in self._known_bits:
            self._known_bits[attribute.name] = _bits(attribute, one)
        return self._known_bits[attribute.name]


@dataclass(frozen=True)
class _Bits:
    """What an attribute says against strangers, in bits: by level (none for an absent value, the
    last) and, at the level that depends on how common a value is, by value. ``is_alike`` tells the
    levels that speak for values which are not equal."""

    match: NDArray[np.float32]
    related: NDArray[np.float64]
    is_alike: NDArray[np.bool_]
    match_of_value: NDArray[np.float32] | None = None
    related_of_value: NDArray[np.float64] | None = None


def _bits(attribute: AttributeModel, one: Compared) -> _Bits:
    bits_m, bits_u, bits_h = (
        np.append(np.log2(np.maximum(likelihoods, _FLOOR)), 0.0)
        for likelihoods in (attribute.m, attribute.u, attribute.h)
    )
    match, related = (bits_m - bits_u).astype(np.float32), bits_h - bits_u
    level, known = attribute.frequency_level, attribute.u_of_value
    own = [not prior.given for prior in PRIORS[attribute.type].levels]
    is_alike = np.append(own, False) & (match > 0)
    is_alike[-1 if level is None else level] = False
    if level is None or not known or one.column is None or one.values is None:
        return _Bits(match, related, is_alike)
    rates = np.full(len(one.column.text), attribute.u[level])
    codes = one.column.codes_of(list(known))
    rates[codes[codes >= 0]] = np.array(list(known.values()))[codes >= 0]
    of_value = np.log2(rates)
    of_equal = (bits_m[level] - of_value).astype(np.float32)
    return _Bits(match, related, is_alike, of_equal, bits_h[level] - of_value)


def _surplus(
    of_equal: NDArray[np.float32],
    one: Compared,
    at: NDArray[np.intp],
    right: Positions,
    said: NDArray[np.float32],
) -> NDArray[np.float32]:
    """By how much values that are alike say more than equal ones would: as much as they must not.

    Bob and Robert are no more of a coincidence than two Roberts are. ``of_equal`` are bits by
    value, ``said`` those of the pairs ``at`` some places of ``one``.
    """
    assert one.values is not None
    assert one.codes is not None
    most = pick(of_equal, pick(one.values, at))
    other = pick(one.codes, right)
    most = np.where(other < 0, most, np.minimum(most, pick(of_equal, other)))
    return np.maximum(said - np.maximum(most, 0.0), 0.0)


def calibrate(weight: NDArray[np.float32], calibration: list[float]) -> NDArray[np.float32]:
    """Match probabilities of weights in bits; ``calibration`` is (intercept, slope) in bits."""
    intercept, slope = calibration
    bits = np.clip(intercept + slope * weight.astype(np.float64), -60, 60)
    return (1.0 / (1.0 + np.exp2(-bits))).astype(np.float32)
