"""Scores of pairs of profiles under a model: levels, contributions in bits, weight, probability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matching.levels import Compared, compare
from matching.model import AttributeModel, SegmentModel
from matching.profiles import Profiles

BATCH = 1_000_000
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
        self._by_name = {attribute.name: attribute for attribute in segment.attributes}
        self._value_bits: dict[str, NDArray[np.float64]] = {}

    def score(self, left: Positions, right: Positions) -> Scores:
        """Scores of pairs of positions; an attribute that the model does not know counts
        nothing."""
        size = len(left)
        attributes = self.segment.attributes
        levels = np.full((size, len(attributes)), -1, dtype=np.int8)
        contributions = np.zeros((size, len(attributes) + 1), dtype=np.float32)
        for start in range(0, size, BATCH):
            part = slice(start, start + BATCH)
            self._score(left[part], right[part], levels[part], contributions[part])
        prior = np.log2(self.segment.prior_match / (1 - self.segment.prior_match))
        weight = (contributions.sum(axis=1, dtype=np.float64) + prior).astype(np.float32)
        return Scores(weight, levels, contributions)

    def _score(
        self,
        left: Positions,
        right: Positions,
        levels: NDArray[np.int8],
        contributions: NDArray[np.float32],
    ) -> None:
        related = np.zeros(len(left))
        found = {one.name: one for one in compare(self.profiles, left, right, self.segment.kind)}
        for place, attribute in enumerate(self.segment.attributes):
            one = found.get(attribute.name)
            if one is None:
                continue
            bits_u = self._bits_u(attribute, one)
            bits_m = np.append(np.log2(np.maximum(attribute.m, _FLOOR)), 0.0)[one.levels]
            bits_h = np.append(np.log2(np.maximum(attribute.h, _FLOOR)), 0.0)[one.levels]
            levels[:, place] = one.levels
            contributions[:, place] = bits_m - bits_u
            related += bits_h - bits_u
        # Strangers are the base line; related customers are the other way not to match.
        prior = self.segment.prior_related / (
            1 - self.segment.prior_match - self.segment.prior_related
        )
        contributions[:, -1] = -np.logaddexp2(0.0, np.log2(max(prior, 1e-12)) + related)

    def _bits_u(self, attribute: AttributeModel, one: Compared) -> NDArray[np.float64]:
        table = np.append(np.log2(np.maximum(attribute.u, _FLOOR)), 0.0)
        bits: NDArray[np.float64] = table[one.levels]
        level = attribute.frequency_level
        if level is not None and attribute.u_of_value and one.values is not None:
            by_value = self._by_value(attribute, one)
            at = np.flatnonzero(one.levels == level)
            bits[at] = by_value[one.values[at]]
        return bits

    def _by_value(self, attribute: AttributeModel, one: Compared) -> NDArray[np.float64]:
        if attribute.name not in self._value_bits:
            assert one.column is not None
            assert attribute.frequency_level is not None
            rare = attribute.u[attribute.frequency_level]
            known = attribute.u_of_value
            self._value_bits[attribute.name] = np.log2(
                [known.get(value, rare) for value in one.column.values]
            )
        return self._value_bits[attribute.name]


def calibrate(weight: NDArray[np.float32], calibration: list[float]) -> NDArray[np.float32]:
    """Match probabilities of weights in bits; ``calibration`` is (intercept, slope) in bits."""
    intercept, slope = calibration
    bits = np.clip(intercept + slope * weight.astype(np.float64), -60, 60)
    return (1.0 / (1.0 + np.exp2(-bits))).astype(np.float32)
