"""Full names that strangers share more often than their parts say.

Given and family names go together: an Eriksson is called Kristina more often than others are. Who
takes the two as independent believes two Kristina Erikssons to be one, the more so the larger the
file. So the chance that strangers share a full name is learnt per name as it is per value, from the
pairs that share it and are no match; what it exceeds the product of its parts by is taken off. It
is the independence of attributes that Fellegi and Sunter (1969) assume, given up for the one pair
of attributes whose dependence grows with the file.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from matching.encode import Codes
from matching.mixture import Attribute, Floats, Valued
from matching.model import AttributeModel
from matching.profiles import Profiles

PAIRS_OF_ALIKE: Final = 5.0
"""How many pairs' worth equally common names say about a name, beside its own pairs."""
MOST_NAMES: Final = 10_000
NOTABLE_BITS: Final = 0.6
SEPARATOR: Final = "|"


class Namesakes:
    """What training learns of full names, by code of ``Profiles.full_name``.

    ``excess`` is how many times more often strangers share each name than its parts say, 1 until
    :meth:`learn` knows.
    """

    def __init__(self, profiles: Profiles, members: NDArray[np.int64]) -> None:
        self._names = profiles.person_names
        codes = profiles.full_name[members]
        known, codes = members[codes >= 0], codes[codes >= 0]
        low, high = profiles.full_name_parts
        self.holders = np.bincount(codes, minlength=len(low))
        # The order that most holders use; of two equally frequent ones that of the alphabet.
        in_order = np.bincount(codes[profiles.given[known] == low[codes]], minlength=len(low))
        is_turned = 2 * in_order < self.holders
        self.given: Codes = np.where(is_turned, high, low)
        self.family: Codes = np.where(is_turned, low, high)
        self._rate: Floats = np.zeros(len(low))
        self.excess: Floats = np.ones(len(low))

    def learn(self, attributes: list[Attribute], namesakes: Valued, posterior: Floats) -> None:
        """Learn from compared pairs that agree on a full name, and their match probabilities.

        k holders meet k - 1 others each, of whom the matching share of the name's pairs is no
        stranger. Names of which few pairs were seen go by those that as many people hold.
        """
        at, shared = namesakes
        if not at.size:
            return
        size = len(self.holders)
        seen = np.bincount(shared, minlength=size)
        matched = np.bincount(shared, weights=posterior[at], minlength=size)
        alike = np.log2(np.maximum(self.holders, 1)).astype(np.intp)
        of_alike = np.bincount(alike, weights=matched) / np.maximum(
            np.bincount(alike, weights=seen), 1.0
        )
        share = (matched + PAIRS_OF_ALIKE * of_alike[alike]) / (seen + PAIRS_OF_ALIKE)
        self._rate = np.maximum(self.holders - 1, 0) * (1.0 - share) / self.holders.sum()
        given, family = attributes[0].u_of_code, attributes[1].u_of_code
        if given is not None and family is not None:
            self.excess = np.maximum(self._rate / (given[self.given] * family[self.family]), 1.0)

    def bits(self, attributes: list[AttributeModel]) -> dict[str, float]:
        """``SegmentModel.namesake_bits``: of the names that most strangers share, where notable."""
        at = np.flatnonzero(self.excess > 1.0)
        if not at.size:
            return {}
        at = at[np.argsort(-self._rate[at], kind="stable")[:MOST_NAMES]]
        given, family = (
            self._names.text.gather(codes[at]).to_list() for codes in (self.given, self.family)
        )
        of_parts = np.log2(_rates(attributes[0], given)) + np.log2(_rates(attributes[1], family))
        bits = np.round(np.log2(self._rate[at]) - of_parts, 3)
        return {
            f"{one}{SEPARATOR}{other}": float(lost)
            for one, other, lost in zip(given, family, bits, strict=True)
            if lost > NOTABLE_BITS
        }


def bits_of_full_names(profiles: Profiles, known: dict[str, float]) -> NDArray[np.float32]:
    """Bits by code of ``Profiles.full_name``; none for other pairs (code -1, the last)."""
    low, high = profiles.full_name_parts
    bits = np.zeros(len(low) + 1, dtype=np.float32)
    if not known or not len(low):
        return bits
    names = profiles.person_names
    parts = pl.Series(list(known)).str.splitn(SEPARATOR, 2).struct
    one, other = (names.codes_of(parts.field(name)) for name in parts.fields)
    size = np.int64(len(names.text))
    keys, wanted = low * size + high, np.minimum(one, other) * size + np.maximum(one, other)
    places = np.searchsorted(keys, wanted).clip(0, len(keys) - 1)
    found = (keys[places] == wanted) & (np.minimum(one, other) >= 0)
    bits[places[found]] = np.array(list(known.values()))[found]
    return bits


def _rates(attribute: AttributeModel, values: list[str]) -> Floats:
    """How likely strangers share each value of an attribute, as scoring will take it."""
    assert attribute.frequency_level is not None
    rare = attribute.u[attribute.frequency_level]
    return np.array([attribute.u_of_value.get(value, rare) for value in values])
