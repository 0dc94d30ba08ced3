"""Comparison of addresses: the street line, then what postcode, city and region add to it.

The parts of an address depend on each other: who shares a street line and house number shares the
postcode too. So postcode is judged given the street, city given the postcode, and region and
country only where nothing finer was known. Otherwise one household would count as three
coincidences.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from matching.comparisons import (
    ABSENT,
    WORKERS,
    Levels,
    compare_category,
    compare_text,
    edit_distances,
    equal_codes,
    split_equal,
)
from matching.encode import Codes, Column, group_codes
from matching.vocabulary import spellings, words

STREET_DIFFERENT, STREET_NUMBER, STREET_NAME, STREET_NAME_ONLY, STREET_CLOSE, STREET_EXACT = range(
    6
)
_NUMBER = re.compile(r"\d+")
_TYPES = spellings("streets")
_TYPE_WORDS = words("streets", "kinds")


def _street_words(value: str) -> list[str]:
    every = [_TYPES.get(word, word) for word in value.split() if not _NUMBER.search(word)]
    return [word for word in every if word not in _TYPE_WORDS] or every


def _street_table(values: list[str]) -> dict[str, object]:
    names = [" ".join(_street_words(value)) for value in values]
    numbers = [_NUMBER.findall(value) for value in values]
    objects = np.empty(len(values), dtype=object)
    objects[:] = names
    normal = [
        name.replace(" ", "") + "|" + " ".join(n) for name, n in zip(names, numbers, strict=True)
    ]
    # One numbering for both, as the first number of one line may be the last of the other.
    outer = group_codes(
        [n[place].lstrip("0") if n else "" for place in (0, -1) for n in numbers]
    ).reshape(2, -1)
    return {
        "names": objects,
        "name": group_codes(["".join(name.split()) for name in names]),
        "normal": group_codes(normal),
        "number": outer[0],
        "last_number": outer[1],
    }


def compare_street(column: Column, left: Codes, right: Codes) -> Levels:
    """Levels of street lines; house numbers must agree for the two upper ones."""
    levels, todo = split_equal(column, left, right, STREET_EXACT)
    if not todo.size:
        return levels
    table = column.derive("street_table", _street_table)
    a, b = left[todo], right[todo]
    names: NDArray[np.object_] = table["names"]
    names_a, names_b = names[a].tolist(), names[b].tolist()
    alike = (
        process.cpdist(
            names_a,
            names_b,
            scorer=fuzz.token_sort_ratio,
            score_cutoff=75,
            dtype=np.uint8,
            workers=WORKERS,
        )
        > 0
    )
    same_name = equal_codes(table["name"][a], table["name"][b])
    number_a, number_b = table["number"][a], table["number"][b]
    last_a, last_b = table["last_number"][a], table["last_number"][b]
    same_number = (
        equal_codes(number_a, number_b)
        | equal_codes(number_a, last_b)
        | equal_codes(last_a, number_b)
    )
    # A building or a town may stand before or behind the street: then one name contains the other.
    unsure = np.flatnonzero(same_number & ~alike)
    alike[unsure] = (
        process.cpdist(
            [names_a[i] for i in unsure],
            [names_b[i] for i in unsure],
            scorer=fuzz.token_set_ratio,
            score_cutoff=85,
            dtype=np.uint8,
            workers=WORKERS,
        )
        > 0
    )
    close_name = same_name | alike
    no_number = (number_a < 0) | (number_b < 0)
    found = np.full(len(todo), STREET_DIFFERENT, dtype=np.int8)
    found[same_number] = STREET_NUMBER
    found[close_name] = STREET_NAME
    found[close_name & no_number] = STREET_NAME_ONLY
    found[close_name & same_number] = STREET_CLOSE
    found[equal_codes(table["normal"][a], table["normal"][b]) & ~no_number] = STREET_EXACT
    levels[todo] = found
    return levels


(
    POSTCODE_DIFFERENT,
    POSTCODE_DIFFERENT_SAME_STREET,
    POSTCODE_AREA,
    POSTCODE_TYPO,
    POSTCODE_SAME_STREET,
    POSTCODE_EXACT,
) = range(6)


def _postcode_areas(values: list[str]) -> Codes:
    compact = ["".join(c for c in value if c.isalnum()) for value in values]
    return group_codes([value[: max(2, len(value) - 2)] for value in compact])


def compare_postcode(column: Column, left: Codes, right: Codes, street: Levels) -> Levels:
    """Levels of postcodes given the street level: exact, typo, same area, different."""
    levels, todo = split_equal(column, left, right, POSTCODE_EXACT)
    if todo.size:
        a, b = left[todo], right[todo]
        areas = column.derive("postcode_areas", _postcode_areas)
        found = np.full(len(todo), POSTCODE_DIFFERENT, dtype=np.int8)
        found[equal_codes(areas[a], areas[b])] = POSTCODE_AREA
        found[edit_distances(column, a, b, most=1) <= 1] = POSTCODE_TYPO
        levels[todo] = found
    same_street = street >= STREET_CLOSE
    levels[same_street & (levels == POSTCODE_EXACT)] = POSTCODE_SAME_STREET
    levels[same_street & (levels == POSTCODE_DIFFERENT)] = POSTCODE_DIFFERENT_SAME_STREET
    return levels


def compare_city(
    column: Column, left: Codes, right: Codes, *, street: Levels, postcode: Levels
) -> Levels:
    """Levels of cities; absent where the postcode or the street already says it."""
    levels = compare_text(column, left, right)
    known = (postcode >= POSTCODE_SAME_STREET) | ((street >= STREET_CLOSE) & (levels > 0))
    levels[known] = ABSENT
    return levels


def compare_area(column: Column, left: Codes, right: Codes, *, finer: Levels) -> Levels:
    """Levels of regions and countries; absent where ``finer`` (the best finer level) agrees."""
    levels = compare_category(column, left, right)
    levels[finer > 0] = ABSENT
    return levels
