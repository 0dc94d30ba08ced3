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
from matching.encode import Codes, Column, group_codes
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
    levels = blank_levels(len(left))
    present = (left >= 0) & (right >= 0)
    levels[present & (left == right)] = exact
    return levels, np.flatnonzero(present & (left != right))


def text_lengths(text: pl.Series) -> NDArray[np.int16]:
    """How many characters each value has."""
    return text.str.len_chars().clip(0, 999).cast(pl.Int16).to_numpy()


def equal_codes(left: NDArray[np.int32], right: NDArray[np.int32]) -> Bools:
    """Whether two codes are present and equal."""
    both: Bools = (left >= 0) & (left == right)
    return both


# -- person names ----------------------------------------------------------------------------------

NAME_DIFFERENT, NAME_SIMILAR, NAME_INITIAL, NAME_NICKNAME, NAME_TYPO, NAME_EXACT = range(6)


@dataclass(frozen=True)
class _NameTable:
    """What the comparison of names asks about each distinct name; keys as group codes."""

    compact: Codes
    length: NDArray[np.int16]
    initial: Codes
    stem: Codes
    ends: NDArray[np.int32]
    is_compound: Bools
    sound: Codes
    nickname: NDArray[np.int16]


def _name_table(text: pl.Series) -> _NameTable:
    compact = text.str.replace_all(" ", "", literal=True)
    words = text.str.split(" ")
    first, last = words.list.first(), words.list.last()
    return _NameTable(
        compact=group_codes(compact),
        length=text_lengths(compact),
        initial=group_codes(compact.str.head(1)),
        stem=group_codes(compact.str.extract("^(...).")),
        ends=group_codes(pl.concat([first, last])).reshape(2, -1).T.copy(),
        is_compound=(words.list.len() > 1).to_numpy(),
        sound=group_codes(phonetic_keys(compact)),
        nickname=nickname_numbers(first),
    )


def compare_name_part(column: Column, left: Codes, right: Codes) -> Levels:
    """Levels of given or family names: exact, typo, nickname, initial, similar, different."""
    levels, todo = split_equal(column, left, right, NAME_EXACT)
    if not todo.size:
        return levels
    table: _NameTable = column.derive("name_table", _name_table)
    a, b = left[todo], right[todo]
    edits = edit_distances(column, a, b, most=3)
    same_initial = table.initial[a] == table.initial[b]
    nicknamed = share_nickname(table.nickname[a], table.nickname[b])
    # Whatever makes two names similar shows in one of these: the others are different.
    near = (edits <= 3) | same_initial | nicknamed | table.is_compound[a] | table.is_compound[b]
    at = np.flatnonzero(near)
    levels[todo] = NAME_DIFFERENT
    levels[todo[at]] = _near_names(
        table, a[at], b[at], edits[at], same_initial=same_initial[at], nicknamed=nicknamed[at]
    )
    return levels


def _near_names(
    table: _NameTable,
    a: Codes,
    b: Codes,
    edits: NDArray[np.uint8],
    *,
    same_initial: Bools,
    nicknamed: Bools,
) -> Levels:
    length_a, length_b = table.length[a], table.length[b]
    shorter, longer = np.minimum(length_a, length_b), np.maximum(length_a, length_b)
    # Compound names are compared by their outer parts: "home gall" has "gall" in common.
    ends_a, ends_b = table.ends[a], table.ends[b]
    shares_word = (shorter > 2) & (
        (ends_a[:, :1] == ends_b).any(axis=1) | (ends_a[:, 1:] == ends_b).any(axis=1)
    )
    sounds_alike = equal_codes(table.sound[a], table.sound[b]) & (shorter > 2)
    found = np.full(len(a), NAME_DIFFERENT, dtype=np.int8)
    similar = (
        shares_word
        | ((edits <= 2) & (shorter > 4))
        | ((edits <= 3) & (shorter > 7))
        | ((edits <= 1) & (shorter > 2))
        | (sounds_alike & same_initial)
        | (equal_codes(table.stem[a], table.stem[b]) & (longer - shorter <= 5))
    )
    found[similar] = NAME_SIMILAR
    found[(shorter == 1) & same_initial] = NAME_INITIAL
    found[nicknamed] = NAME_NICKNAME
    typo = ((edits <= 1) & (shorter > 3)) | ((edits <= 2) & (shorter > 7))
    found[typo | (sounds_alike & (edits <= 2))] = NAME_TYPO
    found[equal_codes(table.compact[a], table.compact[b])] = NAME_EXACT
    return found


# What a level says about "the same name", to choose between straight and swapped alignment.
_ALIGNMENT_WORTH = np.array([-1.0, 1.0, 1.0, 2.5, 2.5, 3.0, 0.0])  # last: ABSENT (index -1)


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
    straight = _ALIGNMENT_WORTH[given_level] + _ALIGNMENT_WORTH[family_level]
    doubtful = np.flatnonzero((given_level < NAME_NICKNAME) & (family_level < NAME_NICKNAME))
    if doubtful.size:
        cross_given = compare_name_part(column, given_l[doubtful], family_r[doubtful])
        cross_family = compare_name_part(column, family_l[doubtful], given_r[doubtful])
        swapped = _ALIGNMENT_WORTH[cross_given] + _ALIGNMENT_WORTH[cross_family]
        better = (swapped > straight[doubtful]) & (swapped >= 2.5)
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
    at = np.flatnonzero((levels == NAME_DIFFERENT) & ((middle[0] >= 0) | (middle[1] >= 0)))
    if not at.size:
        return
    table: _NameTable = column.derive("name_table", _name_table)
    found = np.zeros(len(at), dtype=bool)
    for mine, theirs in ((own[0][at], middle[1][at]), (own[1][at], middle[0][at])):
        present = (mine >= 0) & (theirs >= 0)
        words = table.ends[theirs]
        found |= present & (table.ends[mine][:, 1:] == words).any(axis=1)
    levels[at[found]] = NAME_SIMILAR


def compare_middle_name(column: Column, left: Codes, right: Codes) -> Levels:
    """Levels of middle names: exact, compatible (initial, part, typo), different."""
    parts = compare_name_part(column, left, right)
    levels = np.where(parts == NAME_EXACT, 2, np.where(parts > NAME_DIFFERENT, 1, parts))
    return levels.astype(np.int8)


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
    a, b = left[todo], right[todo]
    year, month, day = table.parts
    years_apart = np.abs(year[a] - year[b])
    same_year, same_month, same_day = years_apart == 0, month[a] == month[b], day[a] == day[b]
    found = np.full(len(todo), DATE_FAR, dtype=np.int8)
    found[years_apart <= 10] = DATE_DECADE
    found[years_apart <= 1] = DATE_NEAR
    found[same_year.astype(np.int8) + same_month + same_day == 2] = DATE_TWO_PARTS
    found[same_year & (table.is_vague[a] | table.is_vague[b])] = DATE_YEAR_ONLY
    found[_one_slip(table.digits[a], table.digits[b])] = DATE_TYPO
    at = np.flatnonzero(same_year)
    swapped = (month[a[at]] == day[b[at]]) & (day[a[at]] == month[b[at]])
    found[at[swapped]] = DATE_SWAPPED
    levels[todo] = found
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
    a, b = left[todo], right[todo]
    alike = are_alike(column, a, b, least=0.88)
    levels[todo] = np.where(alike, TEXT_SIMILAR, TEXT_DIFFERENT)
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
