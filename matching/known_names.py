"""Which names are names of their own, so that Mary and Mark are two people and no typing error.

A name that several other names go with was not mistyped. Two such names that differ by a letter
are two names, unless one is so much rarer than the other that it may be its usual slip. What goes
with what is learnt from the data at training and frozen in the model, as the frequencies of words
are; so it holds for any language.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from db.arrays import distinct
from matching.encode import Codes, Column, pick
from matching.profiles import Profiles

FEWEST_PARTNERS: Final = 6
RAREST: Final = 0.02
"""A name this much rarer than another may be the usual way to mistype it."""
MOST_NAMES: Final = 10_000
_HEAD: Final = 3
_KNOWN, _COUNTS = "known_names", "name_partners"


def partners(profiles: Profiles) -> dict[str, int]:
    """With how many other names each name goes, of those that go with several.

    The other names count by their first letters, so that one person's, mistyped, is one.
    """
    column = profiles.person_names
    both = np.flatnonzero(np.minimum(profiles.given, profiles.family) >= 0)
    if not both.size:
        return {}
    heads = column.text.str.head(_HEAD).rank("dense").cast(pl.Int64).to_numpy()
    given, family = pick(profiles.given, both), pick(profiles.family, both)
    names = np.concatenate([given, family]).astype(np.int64)
    size = len(column.text) + 1
    pairs = distinct(names * size + heads[np.concatenate([family, given])])
    counts = np.bincount(pairs // size, minlength=len(column.text))
    known = np.flatnonzero(counts >= FEWEST_PARTNERS)
    known = np.sort(known[np.argsort(-counts[known], kind="stable")[:MOST_NAMES]])
    return dict(zip(column.text.gather(known).to_list(), counts[known].tolist(), strict=True))


def set_known_names(column: Column, known: Mapping[str, int]) -> None:
    """Fix what the comparison of ``column`` knows of names: what :func:`partners` found."""
    counts = np.zeros(len(column.text), dtype=np.int32)
    codes = column.codes_of(list(known))
    counts[codes[codes >= 0]] = np.array(list(known.values()), dtype=np.int32)[codes >= 0]
    column.cache[_KNOWN], column.cache[_COUNTS] = dict(known), counts


def known_names(column: Column) -> dict[str, int]:
    """What was fixed; nothing before."""
    known: dict[str, int] = column.cache.get(_KNOWN, {})
    return known


def are_two_names(column: Column, left: Codes, right: Codes) -> NDArray[np.bool_]:
    """Whether both of two names are names of their own, as far as is known."""
    counts: NDArray[np.int32] | None = column.cache.get(_COUNTS)
    if counts is None:
        return np.zeros(len(left), dtype=np.bool_)
    one, other = pick(counts, left), pick(counts, right)
    rarer = np.minimum(one, other)
    two: NDArray[np.bool_] = (rarer > 0) & (rarer >= RAREST * np.maximum(one, other))
    return two
