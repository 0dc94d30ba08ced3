"""Folding and cleaning: a table of cases and what holds for any text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staging.text import clean, fold

FOLDED = [
    (None, None),
    ("", None),
    ("   ", None),
    ("--", None),
    ("😀", None),
    ("  Hello,   World! ", "hello world"),
    ("Müller", "muller"),
    ("Straße", "strasse"),
    ("ＦＵＬＬ　width", "full width"),
    ("ﬁne", "fine"),
    ("O'Brien", "obrien"),
    ("L’Aquila", "laquila"),
    ("Children?s House", "childrens house"),
    ("M\ufffdller", "mller"),
    ("Where? There", "where there"),
    ("Anne-Marie", "anne marie"),
    ("Acme® №5", "acme no5"),
    ("ВАСИЛЬЕВ", "vasilev"),
    ("zero\u200bwidth", "zerowidth"),
    ("non\u00a0breaking", "non breaking"),
]
CLEANED = [
    (None, None),
    (" \t\n ", None),
    (" Mary ", "Mary"),
    ("two\n lines\u00a0here", "two lines here"),
    ("e\u0301t\u00e9", "été"),
    ("nul\x00byte", "nulbyte"),
    ("\ufeffBOM", "BOM"),
    ("O’Brien, ®", "O’Brien, ®"),
]


@pytest.mark.parametrize(("value", "expected"), FOLDED)
def test_fold(value: str | None, expected: str | None) -> None:
    assert fold(value) == expected


@pytest.mark.parametrize(("value", "expected"), CLEANED)
def test_clean(value: str | None, expected: str | None) -> None:
    assert clean(value) == expected


@settings(derandomize=True)
@given(st.text())
def test_folding_gives_ascii_words_and_a_second_time_changes_nothing(value: str) -> None:
    folded = fold(value)
    if folded is not None:
        assert folded == " ".join(folded.split())
        assert folded.isascii()
        assert folded.replace(" ", "").isalnum()
        assert fold(folded) == folded


@settings(derandomize=True)
@given(st.text())
def test_cleaning_twice_changes_nothing_and_leaves_what_postgresql_takes(value: str) -> None:
    cleaned = clean(value)
    if cleaned is not None:
        assert "\x00" not in cleaned
        assert clean(cleaned) == cleaned
