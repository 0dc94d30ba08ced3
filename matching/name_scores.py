"""How alike two whole names are, from 0 to 1, by the best alignment of their words.

Words are paired off one to one (Hungarian method) by how alike they are; what counts against a pair
is a word that *both* sides have left over, as "Ahmad al-Raymi" and "Ahmad al-Hamzi" do. A word that
only one side has (a middle name, a patronymic, "Holding") costs little. From SAME_NAME upwards two
names may well be one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
from anyascii import anyascii
from numpy.typing import NDArray
from rapidfuzz.distance import OSA, JaroWinkler

from matching.comparisons import Levels
from matching.encode import Codes, Column
from matching.names import nickname_groups, phonetic
from matching.organisations import (
    ORGANISATION_DIFFERENT,
    ORGANISATION_EXACT,
    compare_organisation,
    core_words,
)
from matching.vocabulary import words

Floats = NDArray[np.float64]
PERSON_SCHEMA = "Person"
_PARTICLES = words("persons", "particles")
_TITLES = words("persons", "titles")
_GENERIC = words("organisations", "generic")
_EQUAL, _ALIAS, _INITIAL = 1.0, 0.9, 0.75
_UNLIKE = 0.55
SAME_NAME = 0.65
"""Best F1 on the labelled name pairs of OpenSanctions, and flat from 0.55 to 0.75 there."""


def fold(name: str) -> str:
    """The name in ASCII and lower case, apostrophes gone, other punctuation a blank."""
    text = anyascii(unicodedata.normalize("NFKC", name)).lower()
    text = "".join(c for c in text if c not in "'’`")
    return " ".join("".join(c if c.isalnum() else " " for c in text).split())


def score_names(left: Sequence[str], right: Sequence[str], schemas: Sequence[str]) -> Floats:
    """Likeness of each pair of names; ``schemas`` tells persons from everything else."""
    return np.array(
        [
            _score(fold(one), fold(other), is_person=schema == PERSON_SCHEMA)
            for one, other, schema in zip(left, right, schemas, strict=True)
        ]
    )


def compare_whole_name(column: Column, left: Codes, right: Codes) -> Levels:
    """Levels of whole names (attributes of type ``name``), as those of organisations.

    What has words in common is looked at again, word by word.
    """
    levels = compare_organisation(column, left, right)
    at = np.flatnonzero((levels > ORGANISATION_DIFFERENT) & (levels < ORGANISATION_EXACT))
    if at.size:
        schemas = [PERSON_SCHEMA] * len(at)
        scores = score_names(column.strings(left[at]), column.strings(right[at]), schemas)
        levels[at] = np.digitize(scores, (0.4, SAME_NAME, 0.85))
    return levels


def _score(one: str, other: str, *, is_person: bool) -> float:
    if not one or not other:
        return 0.0
    if one.replace(" ", "") == other.replace(" ", ""):
        return 1.0
    if is_person:
        one_words, other_words = _person_words(one), _person_words(other)
    else:
        one_words, other_words = core_words(one), core_words(other)
    if "".join(sorted(one_words)) == "".join(sorted(other_words)):
        return 1.0
    joined = OSA.normalized_similarity("".join(one_words), "".join(other_words))
    aligned = _aligned(one_words, other_words, is_person=is_person)
    # Words run together or cut apart leave nothing to align, but hardly change the letters.
    return max(aligned, joined if joined >= 0.9 and len(one_words) != len(other_words) else 0.0)


def _person_words(name: str) -> list[str]:
    every = name.split()
    kept = [word for word in every if word not in _TITLES and word not in _PARTICLES]
    return kept or every


def _aligned(one: list[str], other: list[str], *, is_person: bool) -> float:
    # Here, because it takes half a second to load, and few configurations have whole names.
    from scipy.optimize import linear_sum_assignment

    alike = np.array([[_word_likeness(a, b, is_person=is_person) for b in other] for a in one])
    rows, columns = linear_sum_assignment(-alike)
    weight_one = np.array([_weight(word, is_person=is_person) for word in one])
    weight_other = np.array([_weight(word, is_person=is_person) for word in other])
    matched = alike[rows, columns] >= _UNLIKE
    rows, columns = rows[matched], columns[matched]
    if not rows.size:
        return 0.0
    pair_weights = (weight_one[rows] + weight_other[columns]) / 2
    agreement = float((alike[rows, columns] * pair_weights).sum() / pair_weights.sum())
    left_one = weight_one.sum() - weight_one[rows].sum()
    left_other = weight_other.sum() - weight_other[columns].sum()
    conflict = min(left_one, left_other)
    surplus = max(left_one, left_other) - conflict
    total = pair_weights.sum()
    return agreement**2 * float(total / (total + 2.5 * conflict + 0.25 * surplus))


def _weight(word: str, *, is_person: bool) -> float:
    if is_person:
        return 0.4 if len(word) == 1 else 1.0
    return 0.35 if word in _GENERIC else 1.0


def _word_likeness(one: str, other: str, *, is_person: bool) -> float:
    if one == other:
        return _EQUAL
    if one.isdigit() or other.isdigit():
        return 0.0
    if is_person:
        groups = nickname_groups()
        if set(groups.get(one, ())) & set(groups.get(other, ())):
            return _ALIAS
        if (len(one) == 1 or len(other) == 1) and one[0] == other[0]:
            return _INITIAL
    shorter, longer = sorted((len(one), len(other)))
    edits = OSA.distance(one, other)
    if shorter <= 2:
        return 0.0
    likeness = 1.0 - edits / longer
    if edits == 1 and shorter >= 4:
        return max(likeness, 0.9)
    if phonetic(one) == phonetic(other) and edits <= 2:
        return max(likeness, 0.85)
    close = JaroWinkler.similarity(one, other) >= 0.88
    return likeness if edits <= 2 or close else 0.0
