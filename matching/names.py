"""Knowledge about person names: nickname groups, a phonetic key, name tables over distinct values.

Everything here works on *folded* names (ASCII, lower case, single blanks) and once per distinct
value; the comparison of millions of pairs then needs integer look-ups only.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from importlib import resources

import numpy as np
import polars as pl
from numpy.typing import NDArray

NICKNAME_SLOTS = 6
"""How many nickname groups of one name are kept; the most ambiguous name of the table has six."""

_PHONETIC_STEPS: tuple[tuple[str, str], ...] = (
    (r"[^a-z]", ""),
    (r"^(?:kn|gn|pn)", "n"),
    (r"^wr", "r"),
    (r"^x", "s"),
    (r"tsch|tch|sch|sh|ch|cz|sz", "S"),
    (r"ph", "f"),
    (r"gh([aeiouy]|$)", r"g\1"),
    (r"gh", ""),
    (r"ck|cq|q", "k"),
    (r"c([eiy])", r"s\1"),
    (r"c", "k"),
    (r"x", "ks"),
    (r"z|ts", "s"),
    (r"dt|th|d", "t"),
    # Twice, as the letter behind one b may be the next b.
    (r"b([^aeiouyh]|$)", r"p\1"),
    (r"b([^aeiouyh]|$)", r"p\1"),
    (r"w|v", "f"),
    (r"j|dg", "g"),
    (r"(.)[aeiouyh]+", r"\1"),
    (r"^[aeiouyh]+", "A"),
    *((f"{letter}{letter}+", letter) for letter in "bfgklmnprsSt"),
)
"""Replacements in this order, in the syntax that Python's and polars' regular expressions share."""


@functools.lru_cache(maxsize=1 << 16)
def phonetic(name: str) -> str:
    """A consonant key under which names that sound alike in European languages agree; may be "".

    In the spirit of Metaphone (Philips 1990), with fewer and language-neutral rules: Meyer, Meier
    and Mayr agree, so do Schmidt and Schmitt, Smith and Smyth, Geoffrey and Jeffrey.
    """
    key = name.lower()
    for pattern, replacement in _PHONETIC_STEPS:
        key = re.sub(pattern, replacement, key)
    return key


def phonetic_keys(names: pl.Series) -> pl.Series:
    """The key that ``phonetic`` gives, of many names at once."""
    keys = names.str.to_lowercase()
    for pattern, replacement in _PHONETIC_STEPS:
        keys = keys.str.replace_all(pattern, replacement.replace(r"\1", "${1}"))
    return keys


@functools.cache
def nickname_groups() -> Mapping[str, tuple[int, ...]]:
    """The numbers of the nickname groups that each known given name belongs to."""
    text = resources.files("matching").joinpath("data/nicknames.txt").read_text(encoding="utf-8")
    groups: dict[str, list[int]] = {}
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    for number, line in enumerate(lines):
        for name in dict.fromkeys(line.split()):
            groups.setdefault(name, []).append(number)
    return {name: tuple(numbers[:NICKNAME_SLOTS]) for name, numbers in groups.items()}


def nickname_numbers(names: pl.Series) -> NDArray[np.int16]:
    """The place of each name in the table of known given names; -1 for all others."""
    known = list(nickname_groups())
    places = pl.Series(range(len(known)), dtype=pl.Int16)
    numbers = names.replace_strict(pl.Series(known), places, default=-1, return_dtype=pl.Int16)
    return numbers.to_numpy()


def share_nickname(left: NDArray[np.int16], right: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Whether names with these numbers have a nickname group in common."""
    found: NDArray[np.bool_] = _sharing()[left, right]
    return found


@functools.cache
def _sharing() -> NDArray[np.bool_]:
    """For each two known names whether they share a group; the last row and column are unknown."""
    members: dict[int, list[int]] = {}
    for place, groups in enumerate(nickname_groups().values()):
        for group in groups:
            members.setdefault(group, []).append(place)
    size = len(nickname_groups()) + 1
    table = np.zeros((size, size), dtype=np.bool_)
    for places in members.values():
        table[np.ix_(places, places)] = True
    return table
