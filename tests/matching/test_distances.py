"""Distances over whole arrays: the filter by letters changes no outcome, whatever the values."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA, JaroWinkler

from matching import distances
from matching.encode import Codes, Column, encode

WORDS = st.lists(
    st.one_of(
        st.text("ab12", min_size=1, max_size=7),
        st.text("abcdefghijklmnopqrstuvwxyz0123456789@.+ éñß", min_size=1, max_size=12),
    ),
    min_size=2,
    max_size=12,
)


def every_pair(column: Column) -> tuple[Codes, Codes]:
    """All ordered pairs of the column's values."""
    n = len(column.text)
    left, right = np.divmod(np.arange(n * n, dtype=np.int32), max(n, 1))
    return left.astype(np.int32), right.astype(np.int32)


@pytest.mark.parametrize("most", [1, 2, 3])
@given(words=WORDS)
def test_edit_distances_are_those_of_every_pair(words: list[str], most: int) -> None:
    column = encode(pl.Series(words))
    left, right = every_pair(column)
    expected = [
        min(OSA.distance(column.values[a], column.values[b]), most + 1)
        for a, b in zip(left, right, strict=True)
    ]
    assert distances.edit_distances(column, left, right, most=most).tolist() == expected


@pytest.mark.parametrize("classes", [16, 32])
@given(words=WORDS)
def test_letters_never_say_more_than_the_distance(words: list[str], classes: int) -> None:
    column = encode(pl.Series(words))
    left, right = every_pair(column)
    bags = distances.letter_bags(column.text, classes)
    apart = distances.letters_apart(bags[left], bags[right])
    for a, b, least in zip(left, right, apart, strict=True):
        assert least <= OSA.distance(column.values[a], column.values[b])


@pytest.mark.parametrize("classes", [16, 32])
def test_letters_are_told_alike_in_any_company_and_however_often(classes: int) -> None:
    words = ["anna", "a" * 256, "b" + "a" * 300]
    alone = distances.letter_bags(pl.Series(words), classes)
    beside = distances.letter_bags(pl.Series([*words, "東京"]), classes)
    assert beside[:3].tolist() == alone.tolist()
    assert distances.letters_apart(alone[1:2], alone[2:]).tolist() == [1]


def test_letters_rule_out_most_strangers() -> None:
    bags = distances.letter_bags(pl.Series(["+14155550101", "+12068879943"]), 16)
    assert distances.letters_apart(bags[:1], bags[1:])[0] >= 3


@pytest.mark.parametrize("memo_values", [0, 100])
def test_similarity_is_the_same_with_and_without_memory(
    memo_values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distances, "_MEMO_VALUES", memo_values)
    column = encode(pl.Series(["berlin", "berlln", "bern", "san jose", "sanjose", "oslo"]))
    left, right = every_pair(column)
    expected = [
        JaroWinkler.similarity(column.values[a], column.values[b]) >= 0.88
        for a, b in zip(left, right, strict=True)
    ]
    for _ in range(2):
        assert distances.are_alike(column, left, right, least=0.88).tolist() == expected


def test_no_values_have_no_letters() -> None:
    assert distances.letter_bags(pl.Series([], dtype=pl.String), 32).tolist() == []
