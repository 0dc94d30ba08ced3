"""Comparison of index pairs, one attribute type at a time: two value codes in, one small level out.

A level is an int8: ``ABSENT`` (-1) when either side has no value, which is no evidence at all,
else the position of the level's name in the type's list in :mod:`matching.priors`, from 0
(different) upwards. All functions are symmetric and look at nothing but the two values, so that
any pair of profiles can be compared at any time with the same outcome, whether blocking proposed
it or not.

String distances (optimal string alignment and Jaro-Winkler) are those of
:mod:`matching.distances`, over whole arrays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from matching.distances import are_alike, edit_distances
from matching.encode import Codes, Column, group_codes, pick
from matching.known_names import are_two_names
from matching.names import nickname_numbers, phonetic_keys, share_nickname

Levels = NDArray[np.int8]
Bools = NDArray[np.bool_]
ABSENT = -1


def blank_levels(size: int) -> Levels:
    """A level array of ``size`` pairs with no evidence yet."""
    return np.full(size, ABSENT, dtype=np.int8)


def split_equal(
    column: Column, left: Codes, right: Codes, exact: int
) -> tuple[Levels, NDArray[np.intp]]:
    """Levels with equal values set to ``exact``, and the positions that still need a comparison."""
    is_equal = left == right
    todo = np.flatnonzero((np.minimum(left, right) >= 0) & ~is_equal)
    is_equal &= left >= 0
    return is_equal * np.int8(exact - ABSENT) + np.int8(ABSENT), todo


def highest(*found: tuple[Bools, int]) -> Levels:
    """Of each pair the highest level that was found; 0 (different) where none was."""
    levels = np.zeros(len(found[0][0]), dtype=np.int8)
    for is_found, level in found:
        # several times faster than to set the level where it was found
        np.maximum(levels, is_found * np.int8(level), out=levels)
    return levels


def text_lengths(text: pl.Series) -> NDArray[np.int16]:
    """How many characters each value has."""
    return text.str.len_chars().clip(0, 999).cast(pl.Int16).to_numpy()


def equal_codes(left: NDArray[np.int32], right: NDArray[np.int32]) -> Bools:
    """Whether two codes are present and equal."""
    both: Bools = (left >= 0) & (left == right)
    return both


# -- person names ----------------------------------------------------------------------------------

(
    NAME_DIFFERENT,
    NAME_OTHER,
    NAME_SIMILAR,
    NAME_INITIAL,
    NAME_NICKNAME,
    NAME_TYPO,
    NAME_EXACT,
) = range(7)


@dataclass(frozen=True)
class _NameTable:
    """What the comparison of names asks about each distinct name; keys as group codes."""

    compact: Codes
    length: NDArray[np.int16]
    initial: Codes
    stem: Codes
    first: Codes
    last: Codes
    is_compound: Bools
    sound: Codes
    nickname: NDArray[np.int16]
    number: Codes


def _name_table(text: pl.Series) -> _NameTable:
    compact = text.str.replace_all(" ", "", literal=True)
    words = text.str.split(" ")
    first = words.list.first()
    ends = group_codes(pl.concat([first, words.list.last()]))
    return _NameTable(
        compact=group_codes(compact),
        length=text_lengths(compact),
        initial=group_codes(compact.str.head(1)),
        stem=group_codes(compact.str.extract("^(...).")),
        first=ends[: len(text)],
        last=ends[len(text) :],
        is_compound=(words.list.len() > 1).to_numpy(),
        sound=group_codes(phonetic_keys(compact)),
        nickname=nickname_numbers(first),
        number=group_codes(compact.str.extract(r"(\d+)$")),
    )


def compare_name_part(column: Column, left: Codes, right: Codes) -> Levels:
    """Levels of given or family names: exact, typo, nickname, initial, similar, two known names
    that are alike, different."""
    levels, todo = split_equal(column, left, right, NAME_EXACT)
    if not todo.size:
        return levels
    table: _NameTable = column.derive("name_table", _name_table)
    a, b = pick(left, todo), pick(right, todo)
    edits = edit_distances(column, a, b, most=3)
    same_initial = pick(table.initial, a) == pick(table.initial, b)
    nicknamed = share_nickname(pick(table.nickname, a), pick(table.nickname, b))
    near = (edits <= 3) | same_initial | nicknamed
    # Whatever makes two names similar shows in one of these: the others are different.
    near |= pick(table.is_compound, a) | pick(table.is_compound, b)
    at = np.flatnonzero(near)
    levels[todo] = NAME_DIFFERENT
    levels[todo[at]] = _near_names(
        column,
        table,
        a[at],
        b[at],
        edits[at],
        same_initial=same_initial[at],
        nicknamed=nicknamed[at],
    )
    return levels


def _near_names(
    column: Column,
    table: _NameTable,
    a: Codes,
    b: Codes,
    edits: NDArray[np.uint8],
    *,
    same_initial: Bools,
    nicknamed: Bools,
) -> Levels:
    length_a, length_b = pick(table.length, a), pick(table.length, b)
    shorter, longer = np.minimum(length_a, length_b), np.maximum(length_a, length_b)
    # Compound names are compared by their outer parts: "home gall" has "gall" in common.
    first_a, last_a, first_b, last_b = (
        pick(ends, side) for side in (a, b) for ends in (table.first, table.last)
    )
    shares_word = (first_a == first_b) | (first_a == last_b)
    shares_word |= (last_a == first_b) | (last_a == last_b)
    shares_word &= shorter > 2
    sounds_alike = equal_codes(pick(table.sound, a), pick(table.sound, b)) & (shorter > 2)
    # Behind a common beginning either letters are left out, or less than half of them differ: Alex
    # and Alexander, but not Mark and Marsha. (Edits are counted up to three.)
    left_out = longer - shorter
    same_behind = (edits == left_out) | ((edits <= 3) & (edits * np.int16(5) <= longer * 2))
    same_behind |= (left_out > 3) & (left_out <= 5)
    similar = (
        ((edits <= 2) & (shorter > 4))
        | ((edits <= 3) & (shorter > 7))
        | ((edits <= 1) & (shorter > 2))
        | (sounds_alike & same_initial)
        | (equal_codes(pick(table.stem, a), pick(table.stem, b)) & same_behind)
    )
    typo = ((edits <= 1) & (shorter > 3)) | ((edits <= 2) & (shorter > 7))
    typo |= sounds_alike & (edits <= 2)
    two_names = are_two_names(column, a, b)
    # Given names that everybody knows need not be learnt: so it holds in small files too.
    # Names that end in different numbers were given one after the other: Keller 1 and Keller 2.
    number_a, number_b = pick(table.number, a), pick(table.number, b)
    numbered_apart = (np.minimum(number_a, number_b) >= 0) & (number_a != number_b)
    two_names |= (np.minimum(pick(table.nickname, a), pick(table.nickname, b)) >= 0) & ~nicknamed
    levels = highest(
        (similar | typo, NAME_OTHER),
        ((similar & ~two_names) | shares_word, NAME_SIMILAR),
        ((shorter == 1) & same_initial, NAME_INITIAL),
        (nicknamed, NAME_NICKNAME),
        (typo & ~two_names, NAME_TYPO),
        (equal_codes(pick(table.compact, a), pick(table.compact, b)), NAME_EXACT),
    )
    levels[numbered_apart] = NAME_DIFFERENT
    return levels


# What a level says about "the same name", to choose between straight and swapped alignment.
_ALIGNMENT_WORTH = np.array([-1.0, 0.0, 1.0, 1.0, 2.5, 2.5, 3.0, 0.0])  # last: ABSENT (index -1)


def compare_person_name(
    column: Column,
    given: tuple[Codes, Codes],
    family: tuple[Codes, Codes],
    middle: tuple[Codes, Codes],
) -> tuple[Levels, Levels, Codes, Codes]:
    """Levels of given name and family name, and the left value that each agreed on.

    Given and family names share one ``column`` of values, so that a person whose names were
    swapped, or whose only name stands in the other field, is still compared like with like.
    """
    (given_l, given_r), (family_l, family_r) = given, family
    given_level = compare_name_part(column, given_l, given_r)
    family_level = compare_name_part(column, family_l, family_r)
    given_value, family_value = given_l.copy(), family_l.copy()
    doubtful = np.flatnonzero(np.maximum(given_level, family_level) < NAME_NICKNAME)
    if doubtful.size:
        cross_given = compare_name_part(column, pick(given_l, doubtful), pick(family_r, doubtful))
        cross_family = compare_name_part(column, pick(family_l, doubtful), pick(given_r, doubtful))
        straight = pick(_ALIGNMENT_WORTH, given_level[doubtful])
        straight += pick(_ALIGNMENT_WORTH, family_level[doubtful])
        swapped = pick(_ALIGNMENT_WORTH, cross_given) + pick(_ALIGNMENT_WORTH, cross_family)
        better = (swapped > straight) & (swapped >= 2.5)
        at = doubtful[better]
        one, other = cross_given[better], cross_family[better]
        # With a single common name the comparison is one of family names.
        single = (one < 0) | (other < 0)
        only_given_side = other < 0
        given_level[at] = np.where(single, ABSENT, one)
        family_level[at] = np.where(single & only_given_side, one, other)
        family_value[at] = np.where(single & only_given_side, given_l[at], family_l[at])
    for own, level in ((given, given_level), (family, family_level)):
        _look_in_middle_names(column, own, middle, level)
    return given_level, family_level, given_value, family_value


def _look_in_middle_names(
    column: Column, own: tuple[Codes, Codes], middle: tuple[Codes, Codes], levels: Levels
) -> None:
    """Raise different names to similar where one is among the other side's middle names.

    People go by their middle name, and a maiden name moves there at marriage.
    """
    is_other = (levels == NAME_DIFFERENT) | (levels == NAME_OTHER)
    at = np.flatnonzero(is_other & (np.maximum(*middle) >= 0))
    if not at.size:
        return
    table: _NameTable = column.derive("name_table", _name_table)
    found = np.zeros(len(at), dtype=bool)
    for mine, theirs in ((own[0][at], middle[1][at]), (own[1][at], middle[0][at])):
        present = (mine >= 0) & (theirs >= 0)
        last = pick(table.last, mine)
        words = pick(table.first, theirs), pick(table.last, theirs)
        found |= present & ((last == words[0]) | (last == words[1]))
    levels[at[found]] = NAME_SIMILAR


# What each level of a name is for a middle name; last: ABSENT (index -1).
_MIDDLE_LEVELS = np.array([0, 0, 1, 1, 1, 1, 2, ABSENT], dtype=np.int8)


def compare_middle_name(column: Column, left: Codes, right: Codes) -> Levels:
    """Levels of middle names: exact, compatible (initial, part, typo), different."""
    parts = compare_name_part(column, left, right)
    return pick(_MIDDLE_LEVELS, parts)


# -- dates -----------------------------------------------------------------------------------------

(
    DATE_FAR,
    DATE_DECADE,
    DATE_NEAR,
    DATE_TWO_PARTS,
    DATE_YEAR_ONLY,
    DATE_TYPO,
    DATE_SWAPPED,
    DATE_EXACT,
) = range(8)


@dataclass(frozen=True)
class _DateTable:
    """Year, month and day of each distinct date; its eight digits, one per byte of a word."""

    parts: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]
    digits: NDArray[np.uint64]
    is_vague: Bools


def _date_table(text: pl.Series) -> _DateTable:
    pieces = text.str.strip_chars_start("-").str.split("-")
    parts = [
        pieces.list.get(place, null_on_oob=True)
        .str.extract("^([0-9]{1,9})$")
        .cast(pl.Int32)
        .fill_null(0)
        .to_numpy()
        for place in range(3)
    ]
    digits = np.stack(
        [
            (parts[part] // 10**power) % 10
            for part, places in ((0, 4), (1, 2), (2, 2))
            for power in reversed(range(places))
        ],
        axis=1,
    ).astype(np.uint8)
    return _DateTable(
        parts=(parts[0], parts[1], parts[2]),
        digits=digits.view(np.uint64)[:, 0],
        # A first of January, or a date without month, is what a system writes when it knows the
        # year alone.
        is_vague=np.maximum(parts[1], parts[2]) <= 1,
    )


def compare_date(column: Column, left: Codes, right: Codes) -> Levels:
    """Levels of ISO dates, from exact over day and month swapped and typos to decades apart."""
    levels, todo = split_equal(column, left, right, DATE_EXACT)
    if not todo.size:
        return levels
    table: _DateTable = column.derive("date_table", _date_table)
    a, b = pick(left, todo), pick(right, todo)
    year, month, day = ((pick(part, a), pick(part, b)) for part in table.parts)
    years_apart = np.abs(year[0] - year[1])
    same_year, same_month, same_day = years_apart == 0, month[0] == month[1], day[0] == day[1]
    is_vague = pick(table.is_vague, a) | pick(table.is_vague, b)
    levels[todo] = highest(
        (years_apart <= 10, DATE_DECADE),
        (years_apart <= 1, DATE_NEAR),
        (same_year.astype(np.int8) + same_month + same_day == 2, DATE_TWO_PARTS),
        (same_year & is_vague, DATE_YEAR_ONLY),
        (_one_slip(pick(table.digits, a), pick(table.digits, b)), DATE_TYPO),
        (same_year & (month[0] == day[1]) & (day[0] == month[1]), DATE_SWAPPED),
    )
    return levels


def _one_slip(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> Bools:
    """Whether one digit is wrong, or two neighbours are swapped."""
    # A digit has four bits: fold them onto the lowest of its byte, and count the bytes.
    wrong = left ^ right
    wrong |= wrong >> np.uint64(2)
    wrong |= wrong >> np.uint64(1)
    wrong_n = np.bitwise_count(wrong & np.uint64(0x0101010101010101))
    slip: Bools = wrong_n == 1
    at = np.flatnonzero(wrong_n == 2)
    one, other = (side[at].view(np.uint8).reshape(-1, 8) for side in (left, right))
    crossed = (one[:, :-1] == other[:, 1:]) & (one[:, 1:] == other[:, :-1])
    slip[at] = (crossed & (one[:, :-1] != other[:, :-1])).any(axis=1)
    return slip


# -- categories, text, numbers ---------------------------------------------------------------------

TEXT_DIFFERENT, TEXT_SIMILAR, TEXT_EXACT = range(3)


def compare_category(column: Column, left: Codes, right: Codes) -> Levels:
    """Levels of categories: 1 equal, 0 different."""
    levels, todo = split_equal(column, left, right, 1)
    levels[todo] = 0
    return levels


def compare_text(column: Column, left: Codes, right: Codes) -> Levels:
    """Levels of free text and place names: exact, similar, different."""
    levels, todo = split_equal(column, left, right, TEXT_EXACT)
    if not todo.size:
        return levels
    alike = are_alike(column, pick(left, todo), pick(right, todo), least=0.88)
    levels[todo] = highest((alike, TEXT_SIMILAR))
    return levels


def _numbers(text: pl.Series) -> NDArray[np.float64]:
    out = np.full(len(text), np.nan)
    for row, value in enumerate(text):
        try:
            out[row] = float(value)
        except ValueError:
            continue
    return out


def compare_number(column: Column, left: Codes, right: Codes) -> Levels:
    """Levels of numbers: exact, within five percent, different; what is no number is absent."""
    levels, todo = split_equal(column, left, right, TEXT_EXACT)
    if not todo.size:
        return levels
    numbers = column.derive("numbers", _numbers)
    a, b = numbers[left[todo]], numbers[right[todo]]
    near = np.abs(a - b) <= 0.05 * np.maximum(np.abs(a), np.abs(b))
    found = np.where(near, TEXT_SIMILAR, TEXT_DIFFERENT)
    levels[todo] = np.where(np.isnan(a) | np.isnan(b), ABSENT, found)
    return levels
