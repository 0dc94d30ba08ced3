"""Comparison of addresses: the street line, then what postcode, city and region add to it.

The parts of an address depend on each other: who shares a street line and house number shares the
postcode too. So postcode is judged given the street, city given the postcode, and region and
country only where nothing finer was known. Otherwise one household would count as three
coincidences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from matching.comparisons import (
    ABSENT,
    Bools,
    Levels,
    compare_category,
    compare_text,
    equal_codes,
    highest,
    split_equal,
    text_lengths,
)
from matching.distances import WORKERS, edit_distances, letter_bags
from matching.encode import Codes, Column, encode, group_codes, pick
from matching.vocabulary import spellings, words

STREET_DIFFERENT, STREET_NUMBER, STREET_NAME, STREET_NAME_ONLY, STREET_CLOSE, STREET_EXACT = range(
    6
)
_TYPES = spellings("streets")
_TYPE_WORDS = words("streets", "kinds")


@dataclass(frozen=True)
class _StreetTable:
    """What the comparison of street lines asks about each of them; keys as group codes.

    ``names`` are the lines without numbers and kinds of street; ``tight`` the same without blanks.
    """

    names: Column
    tight: Codes
    normal: Codes
    number: Codes
    last_number: Codes


def _street_names(lines: pl.Series) -> pl.Series:
    """The words of each line that name the street: no "street" or "road" …

    … unless nothing else were left. Kinds of street are brought to one spelling before.
    """
    kept = (
        pl.DataFrame({"word": lines.str.split(" ")})
        .with_row_index("place")
        .explode("word")
        .filter(pl.col("word") != "")
        .with_columns(pl.col("word").replace(_TYPES))
        .with_columns(is_kind=pl.col("word").is_in(_TYPE_WORDS))
        .filter(~pl.col("is_kind") | pl.col("is_kind").all().over("place"))
        .group_by("place", maintain_order=True)
        .agg(name=pl.col("word").str.join(" "))
    )
    return kept["name"]


def _street_table(text: pl.Series) -> _StreetTable:
    # Without words that hold a digit few lines remain distinct.
    lines = encode(text.str.replace_all(r"\S*\d\S*", ""))
    of_line = encode(_street_names(lines.text))
    names = Column(np.append(of_line.codes, np.int32(-1))[lines.codes], of_line.text)
    tight = names.text.str.replace_all(" ", "", literal=True)
    tight = pl.concat([tight, pl.Series([""])]).gather(names.codes % (len(tight) + 1))
    numbers = text.str.extract_all(r"\d+")
    # One numbering for both, as the first number of one line may be the last of the other.
    outer = group_codes(
        pl.concat([numbers.list.first(), numbers.list.last()]).str.strip_chars_start("0")
    )
    return _StreetTable(
        names=names,
        tight=group_codes(tight),
        normal=group_codes(tight + "|" + numbers.list.join(" ")),
        number=outer[: len(text)],
        last_number=outer[len(text) :],
    )


def compare_street(column: Column, left: Codes, right: Codes) -> Levels:
    """Levels of street lines; house numbers must agree for the two upper ones."""
    levels, todo = split_equal(column, left, right, STREET_EXACT)
    if not todo.size:
        return levels
    table: _StreetTable = column.derive("street_table", _street_table)
    a, b = pick(left, todo), pick(right, todo)
    number_a, number_b = pick(table.number, a), pick(table.number, b)
    last_a, last_b = pick(table.last_number, a), pick(table.last_number, b)
    same_number = (
        equal_codes(number_a, number_b)
        | equal_codes(number_a, last_b)
        | equal_codes(last_a, number_b)
    )
    names = table.names
    close_name = equal_codes(pick(table.tight, a), pick(table.tight, b)) | _alike_names(
        names, pick(names.codes, a), pick(names.codes, b), same_number
    )
    no_number = np.minimum(number_a, number_b) < 0
    same_line = equal_codes(pick(table.normal, a), pick(table.normal, b))
    levels[todo] = highest(
        (same_number, STREET_NUMBER),
        (close_name, STREET_NAME),
        (close_name & no_number, STREET_NAME_ONLY),
        (close_name & same_number, STREET_CLOSE),
        (same_line & ~no_number, STREET_EXACT),
    )
    return levels


def _alike_names(names: Column, left: Codes, right: Codes, same_number: Bools) -> Bools:
    """Whether streets have the same words or nearly, in any order.

    A building or a town may stand before or behind the street: so with the same house number it is
    enough that one name contains the other.
    """
    alike: Bools = left == right
    compared = np.flatnonzero(~alike & (left >= 0) & (right >= 0))
    bags = names.derive("letter_bags_32", lambda text: letter_bags(text, 32))
    lengths = names.derive("lengths", text_lengths)
    a, b = pick(left, compared), pick(right, compared)
    # 75 of 100 alike: at most a quarter of all letters stand on one side only.
    odd = np.bitwise_count(pick(bags, a) ^ pick(bags, b))
    likely = compared[4 * odd.astype(np.int16) <= pick(lengths, a) + pick(lengths, b)]
    alike[likely] = _ratios(names, left[likely], right[likely], fuzz.token_sort_ratio, 75) > 0
    unsure = compared[same_number[compared] & ~alike[compared]]
    alike[unsure] = _ratios(names, left[unsure], right[unsure], fuzz.token_set_ratio, 85) > 0
    return alike


def _ratios(
    names: Column, left: Codes, right: Codes, scorer: Callable[..., float], least: int
) -> NDArray[np.uint8]:
    """Likeness of names out of 100; 0 when it is less than ``least``."""
    return process.cpdist(
        names.strings(left),
        names.strings(right),
        scorer=scorer,
        score_cutoff=least,
        dtype=np.uint8,
        workers=WORKERS,
    )


(
    POSTCODE_DIFFERENT,
    POSTCODE_DIFFERENT_SAME_STREET,
    POSTCODE_AREA,
    POSTCODE_TYPO,
    POSTCODE_SAME_STREET,
    POSTCODE_EXACT,
) = range(6)


def _postcode_areas(text: pl.Series) -> Codes:
    compact = pl.DataFrame({"code": text.str.replace_all(r"[^\p{L}\p{N}]+", "")})
    code = pl.col("code")
    kept = pl.max_horizontal(code.str.len_chars().cast(pl.Int32) - 2, 2)
    return group_codes(compact.select(code.str.head(kept)).to_series())


def compare_postcode(column: Column, left: Codes, right: Codes, street: Levels) -> Levels:
    """Levels of postcodes given the street level: exact, typo, same area, different."""
    levels, todo = split_equal(column, left, right, POSTCODE_EXACT)
    if todo.size:
        a, b = pick(left, todo), pick(right, todo)
        areas: Codes = column.derive("postcode_areas", _postcode_areas)
        levels[todo] = highest(
            (equal_codes(pick(areas, a), pick(areas, b)), POSTCODE_AREA),
            (edit_distances(column, a, b, most=1) <= 1, POSTCODE_TYPO),
        )
    same = np.flatnonzero(street >= STREET_CLOSE)
    found = levels[same]
    levels[same[found == POSTCODE_EXACT]] = POSTCODE_SAME_STREET
    levels[same[found == POSTCODE_DIFFERENT]] = POSTCODE_DIFFERENT_SAME_STREET
    return levels


(
    CITY_DIFFERENT,
    CITY_DIFFERENT_SAME_AREA,
    CITY_SIMILAR,
    CITY_ALIKE_SAME_AREA,
    CITY_EXACT,
) = range(5)
# What different, similar and equal text (and, as index -1, absent text) is for a city.
_CITY_LEVELS = np.array([CITY_DIFFERENT, CITY_SIMILAR, CITY_EXACT, ABSENT], dtype=np.int8)
_CITY_LEVELS_IN_AREA = np.array(
    [CITY_DIFFERENT_SAME_AREA, CITY_ALIKE_SAME_AREA, CITY_ALIKE_SAME_AREA, ABSENT], dtype=np.int8
)


def compare_city(
    column: Column, left: Codes, right: Codes, *, street: Levels, postcode: Levels
) -> Levels:
    """Levels of cities; absent where the postcode or the street already says it.

    Postcodes that are near each other are mostly of one city: there the city is judged given that.
    """
    found = compare_text(column, left, right)
    levels = pick(_CITY_LEVELS, found)
    at = np.flatnonzero((postcode == POSTCODE_AREA) | (postcode == POSTCODE_TYPO))
    levels[at] = pick(_CITY_LEVELS_IN_AREA, found[at])
    known = (postcode >= POSTCODE_SAME_STREET) | ((street >= STREET_CLOSE) & (found > 0))
    levels[np.flatnonzero(known)] = ABSENT
    return levels


def compare_area(column: Column, left: Codes, right: Codes, *, finer: Levels) -> Levels:
    """Levels of regions and countries; absent where ``finer`` (the best finer level) agrees."""
    levels = compare_category(column, left, right)
    levels[np.flatnonzero(finer > 0)] = ABSENT
    return levels
