"""Placeholders: what the list holds, in any spelling."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staging.placeholders import Placeholders

PLACEHOLDERS = Placeholders(
    ("n/a", "null", "unknown", "not provided"),
    {
        "email": ("test@test.com", "noreply@*", "*@example.invalid"),
        "phone": ("0000000000", "1234567890"),
        "date_of_birth": ("1900-01-01",),
    },
    ("na", "null"),
)


@pytest.mark.parametrize(
    ("attribute", "value", "expected"),
    [
        ("city", "N/A", True),
        ("city", "n.a.", True),
        ("city", "Not Provided", True),
        ("city", "--", True),
        ("city", "?", True),
        ("city", "Nancy", False),
        ("city", "Null", True),
        ("family_name", "Null", False),
        ("family_name", "null", True),
        ("family_name", "NULL", True),
        ("family_name", "Na", False),
        ("given_name", "N/A", True),
        ("given_name", "n.a.", True),
        ("given_name", "Unknown", True),
        ("full_name", "Null", True),
        ("full_name", "Jennifer Null", False),
        ("email", "TEST@test.com", True),
        ("email", "noreply@shop.com", True),
        ("email", "anna@example.invalid", True),
        ("email", "unknown", True),
        ("email", "latest@test.com", False),
        ("phone", "(000) 000-0000", True),
        ("phone", "123-456-7890", True),
        ("phone", "415-555-0101", False),
        ("date_of_birth", "1900-01-01", True),
        ("date_of_birth", "1900-01-02", False),
        ("family_name", "1234567890", False),
    ],
)
def test_holds(attribute: str, value: str, expected: bool) -> None:
    assert PLACEHOLDERS.holds(attribute, value) is expected


def test_an_empty_list_still_refuses_bare_punctuation() -> None:
    nothing = Placeholders((), {})
    assert nothing.holds("city", "...")
    assert not nothing.holds("city", "n/a")


MANY = 300  # these are searched by patterns, fewer are asked one by one
spellings = st.text(st.sampled_from("nNaA/?-. 01*ulLprhoéK@\x01"), max_size=6) | st.sampled_from(
    ["N/A", "n.a.", "Null", "NULL", "noreply@shop.com", "a@example.invalid", "(000) 000-0000",
     "0000000000x", "test@TEST.com", "Not  Provided", "1234567890", "ｎ/ａ", "no-reply"]
)  # fmt: skip


@pytest.mark.parametrize("attribute", ["city", "family_name", "email", "phone"])
@given(values=st.lists(st.none() | spellings, max_size=20))
@settings(derandomize=True, deadline=None)
def test_among_many_values_are_those_that_hold(attribute: str, values: list[str | None]) -> None:
    expected = sorted({v for v in values if v is not None and PLACEHOLDERS.holds(attribute, v)})
    for more in (0, MANY):
        asked = pl.Series([*values, *[None] * more], dtype=pl.String)
        assert PLACEHOLDERS.among(attribute, asked) == expected


def test_a_long_list_is_searched_too() -> None:
    long = Placeholders([f"nothing {number}" for number in range(3000)], {})
    values = pl.Series(["Nothing-0", "nothing 2999", "nothing 3000", "some"] * MANY)
    assert long.among("city", values) == ["Nothing-0", "nothing 2999"]
