"""String distances of many pairs of values: rapidfuzz on the pairs that letters do not rule out.

Most pairs that blocking proposes differ widely in most attributes. How many letters one value has
and the other lacks is a lower bound of every edit distance, and comes out of two machine words per
pair; only pairs that pass it are gathered as text. The outcome is the same as without it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import OSA, JaroWinkler

from db.arrays import distinct
from matching.encode import Codes, Column, pick

WORKERS = 2
Bags = NDArray[np.uint64]
Counts = NDArray[np.uint8]
Bools = NDArray[np.bool_]
Positions = NDArray[np.integer[Any]]

_CHUNK = 1 << 16
_MEMO_VALUES = 6_000
"""Up to so many distinct values, what pairs of them came out at is kept, a byte per pair."""


def letter_bags(text: pl.Series, classes: int) -> Bags:
    """One word of 64 flags per value: which letters it has, and how often.

    Letters fall into ``classes`` (16 or 32) by their code point; flag k of a class is set when the
    value has more than k letters of it. So flags that one word has and the other lacks are letters
    that an edit must change: at most one in each direction per insertion, deletion or replacement.
    """
    levels = 64 // classes
    bags = np.empty(len(text), dtype=np.uint64)
    for start in range(0, len(text), _CHUNK):
        part = text.slice(start, _CHUNK)
        letters = str(part.str.join("").item())
        if letters.isascii():
            points: NDArray[Any] = np.frombuffer(letters.encode(), dtype=np.uint8)
        else:
            points = np.frombuffer(letters.encode("utf-32-le"), dtype=np.uint32)
        lengths = part.str.len_chars().to_numpy()
        places = np.repeat(np.arange(0, len(part) * classes, classes), lengths)
        places += points % classes
        found = np.bincount(places, minlength=len(part) * classes).reshape(len(part), classes)
        # Bytes, as nothing beyond ``levels`` is asked for.
        counts = np.minimum(found, levels, out=np.empty(found.shape, np.uint8), casting="unsafe")
        flags = np.empty((len(part), levels, classes), dtype=bool)
        for level in range(levels):
            np.greater(counts, level, out=flags[:, level])
        packed = np.packbits(flags.reshape(len(part), 64), axis=1)
        bags[start : start + len(part)] = packed.view(np.uint64)[:, 0]
    return bags


def letters_apart(left: Bags, right: Bags) -> Counts:
    """The least number of edits between values with these bags, as far as bags can tell."""
    shared = left & right
    apart: Counts = np.maximum(np.bitwise_count(left ^ shared), np.bitwise_count(right ^ shared))
    return apart


def edit_distances(column: Column, left: Codes, right: Codes, *, most: int) -> Counts:
    """Edit distance of value pairs (optimal string alignment); ``most`` + 1 when it is more."""
    # One wrong digit is looked for in numbers, in which digits repeat; more in words.
    classes = 16 if most == 1 else 32
    bags = column.derive(f"letter_bags_{classes}", lambda text: letter_bags(text, classes))
    near = np.flatnonzero(letters_apart(pick(bags, left), pick(bags, right)) <= most)
    edits = np.full(len(left), most + 1, dtype=np.uint8)
    edits[near] = process.cpdist(
        column.strings(pick(left, near)),
        column.strings(pick(right, near)),
        scorer=OSA.distance,
        score_cutoff=most,
        dtype=np.uint8,
        workers=WORKERS,
    )
    return edits


def are_alike(column: Column, left: Codes, right: Codes, *, least: float) -> Bools:
    """Whether the Jaro-Winkler similarity of value pairs is ``least`` or more."""
    size = len(column.text)
    if size > _MEMO_VALUES:
        return _are_similar(column, left, right, least)
    # Places and other vocabularies are small: the same few pairs come again and again.
    memo = column.derive(f"alike_{least}", lambda _: np.full(size * size, -1, dtype=np.int8))
    keys = left.astype(np.int64) * size + right
    known = pick(memo, keys)
    new = distinct(keys[np.flatnonzero(known < 0)])
    if new.size:
        memo[new] = _are_similar(column, new // size, new % size, least)
        known = pick(memo, keys)
    alike: Bools = known > 0
    return alike


def _are_similar(column: Column, left: Positions, right: Positions, least: float) -> Bools:
    similarity: NDArray[np.float32] = process.cpdist(
        column.strings(left),
        column.strings(right),
        scorer=JaroWinkler.similarity,
        dtype=np.float32,
        workers=WORKERS,
    )
    similar: Bools = similarity >= least
    return similar
