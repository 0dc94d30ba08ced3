"""Knowledge about person names: nickname groups, a phonetic key, name tables over distinct values.

Everything here works on *folded* names (ASCII, lower case, single blanks) and once per distinct
value; the comparison of millions of pairs then needs integer look-ups only.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from importlib import resources

import numpy as np
from numpy.typing import NDArray

NICKNAME_SLOTS = 6
"""How many nickname groups of one name are kept; the most ambiguous name of the table has six."""

_PHONETIC_STEPS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"[^a-z]", ""),
        (r"^(?:kn|gn|pn)", "n"),
        (r"^wr", "r"),
        (r"^x", "s"),
        (r"tsch|tch|sch|sh|ch|cz|sz", "S"),
        (r"ph", "f"),
        (r"gh(?=[aeiouy]|$)", "g"),
        (r"gh", ""),
        (r"ck|cq|q", "k"),
        (r"c(?=[eiy])", "s"),
        (r"c", "k"),
        (r"x", "ks"),
        (r"z|ts", "s"),
        (r"dt|th|d", "t"),
        (r"b(?=[^aeiouyh]|$)", "p"),
        (r"w|v", "f"),
        (r"j|dg", "g"),
        (r"(?<=.)[aeiouyh]+", ""),
        (r"^[aeiouyh]+", "A"),
        (r"(.)\1+", r"\1"),
    )
)


@functools.lru_cache(maxsize=1 << 16)
def phonetic(name: str) -> str:
    """A consonant key under which names that sound alike in European languages agree; may be "".

    In the spirit of Metaphone (Philips 1990), with fewer and language-neutral rules: Meyer, Meier
    and Mayr agree, so do Schmidt and Schmitt, Smith and Smyth, Geoffrey and Jeffrey.
    """
    key = name.lower()
    for pattern, replacement in _PHONETIC_STEPS:
        key = pattern.sub(replacement, key)
    return key


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


def nickname_matrix(names: Sequence[str]) -> NDArray[np.int16]:
    """Nickname groups of each name, one row per name, -1 where a slot is free.

    Of a compound given name ("mary ann") the first part counts.
    """
    table = nickname_groups()
    matrix = np.full((len(names), NICKNAME_SLOTS), -1, dtype=np.int16)
    for row, name in enumerate(names):
        numbers = table.get(name.partition(" ")[0])
        if numbers:
            matrix[row, : len(numbers)] = numbers
    return matrix


def share_nickname(left: NDArray[np.int16], right: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Whether the rows of two nickname matrices have a group in common."""
    found = np.zeros(len(left), dtype=bool)
    for slot in range(NICKNAME_SLOTS):
        known = left[:, slot] >= 0
        if known.any():
            found |= known & (left[:, slot, None] == right).any(axis=1)
    return found
