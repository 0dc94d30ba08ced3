"""Plain values in bulk: where a row is certain, it is what the function for one value says."""

from __future__ import annotations

from datetime import date
from functools import partial

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staging import plain
from staging.addresses import Address, standardise_address
from staging.dates import standardise_date
from staging.emails import standardise_email
from staging.names import DEGREES, PARTICLES, TITLES, PersonName, standardise_name
from staging.phones import phone_standardiser

TODAY = date(2026, 1, 1)
REGIONS = ("US", "GB", "DE", "FR", "IT", "AU", "IN", "BR", "MX", "JP", "CA", "RU", "AR", "SG")
CASES = settings(derandomize=True, max_examples=300, deadline=None)

alphabet = st.sampled_from(" .,-'#@+/0159aAbdeEéßmMnrstT\t?")
anything = st.text(alphabet, max_size=14)
word = st.one_of(
    st.sampled_from(
        ["Ann", "O'Brien", "Lee", "Anne-Marie", "J.", "J", "Zoë", "III", "Jr.", "Smith", "Test"]
    ),
    st.sampled_from(sorted(TITLES)[:20] + sorted(DEGREES)[:10] + sorted(PARTICLES)[:20]),
)
spoken = st.lists(word, min_size=1, max_size=4).map(" ".join)
name = st.one_of(st.none(), spoken, anything)
street_word = st.sampled_from(
    ["12", "N.", "N", "Main", "Street", "St.", "St", "Apt", "Unit", "#4", "4", "B12", "90210", "Rd",
     "Haupt-Straße", "Bahnhofstrasse", "U.S.", "Springfield", "IL", "Box", "1204", "de", "5-B"]
)  # fmt: skip
street = st.one_of(st.none(), st.lists(street_word, min_size=1, max_size=6).map(" ".join), anything)
place = st.one_of(st.none(), st.sampled_from(["Springfield", "Saint Paul", "St", "B12", "Box"]))
phone = st.one_of(
    st.from_regex(r"\+?[0-9]{5,13}", fullmatch=True),
    st.from_regex(r"(\+1 |1-|)\(?[2-9][0-9]{2}\)?[ .-][2-9][0-9]{2}[ .-][0-9]{4}", fullmatch=True),
    st.from_regex(r"(\+44 ?|0|0044|44)(7[0-9]{9}|20 [0-9]{4} [0-9]{4})", fullmatch=True),
    st.from_regex(r"(\+49 ?|0|0049|49)(1[5-7][0-9]{8,9}|30[0-9]{6,8})(\.0)?", fullmatch=True),
    anything,
)
email = st.one_of(
    st.from_regex(r"[A-Za-z.+_-]{1,6}@[a-zA-Z0-9.-]{1,9}\.[a-zA-Z]{1,4}", fullmatch=True), anything
)
day = st.one_of(
    st.dates(min_value=date(1, 1, 1)).map(date.isoformat),
    st.from_regex(r"[0-9]{4}-[01][0-9]-[0-3][0-9]( 00:00)?", fullmatch=True),
    anything,
)


def filled(values: list[str | None]) -> list[str | None]:
    """As a batch holds them: blank values are null."""
    return [value if value and value.strip() else None for value in values]


def certain_rows(
    shortcut: plain.Shortcut, columns: dict[str, list[str | None]]
) -> list[tuple[tuple[str | None, ...], tuple[str | None, ...]]]:
    """Inputs and outputs of the rows that the shortcut is certain of."""
    known = pl.DataFrame({key: filled(values) for key, values in columns.items()}, strict=True)
    known = known.cast(pl.String)
    found = shortcut(known)
    certain = found[plain.CERTAIN]
    assert certain.null_count() == 0
    rows = zip(known.iter_rows(), found.drop(plain.CERTAIN).iter_rows(), certain, strict=True)
    return [(row, output) for row, output, is_certain in rows if is_certain]


@given(st.lists(email, min_size=1, max_size=30))
@CASES
def test_emails(values: list[str | None]) -> None:
    for (written,), found in certain_rows(plain.emails, {"email": values}):
        assert found == standardise_email(written), written


@given(st.lists(day, min_size=1, max_size=30))
@CASES
def test_dates_of_birth(values: list[str | None]) -> None:
    shortcut = plain.dates_of_birth(TODAY)
    for (written,), found in certain_rows(shortcut, {"date_of_birth": values}):
        assert found == standardise_date(written, "DMY", today=TODAY), written


@pytest.mark.parametrize("region", REGIONS)
@given(values=st.lists(phone, min_size=1, max_size=60))
@settings(derandomize=True, max_examples=60, deadline=None)
def test_phone_numbers(region: str, values: list[str | None]) -> None:
    shortcut, one = plain.phone_numbers(region), phone_standardiser(region)
    if shortcut is not None:
        for (written,), found in certain_rows(shortcut, {"phone": values}):
            assert found == one(written), written


@given(st.lists(st.tuples(name, name, name, name), min_size=1, max_size=20))
@CASES
def test_person_names(rows: list[tuple[str | None, ...]]) -> None:
    columns = ("full_name", "given_name", "middle_name", "family_name")
    for present in (columns, columns[:1], columns[1:], ("given_name", "family_name")):
        written = {key: [row[columns.index(key)] for row in rows] for key in present}
        for values, found in certain_rows(plain.person_names, written):
            one = standardise_name(**dict(zip(present, values, strict=True)))
            assert PersonName(*found) == one, values


@given(st.lists(st.tuples(street, place, place, name, place), min_size=1, max_size=20))
@CASES
def test_postal_addresses(rows: list[tuple[str | None, ...]]) -> None:
    columns = ("street", "city", "region", "postcode", "country")
    for present in (columns, columns[:2], ("street",), ("street", "city", "postcode")):
        written = {key: [row[columns.index(key)] for row in rows] for key in present}
        for values, found in certain_rows(plain.postal_addresses, written):
            one = standardise_address(**dict(zip(present, values, strict=True)))
            assert Address(*found) == one, values


@pytest.mark.parametrize(("postcode", "country"), [("501", "US"), ("01234", "USA"), ("123", "DE")])
def test_a_lost_zero_is_put_back_in_the_us(postcode: str, country: str) -> None:
    columns = {"street": ["1 Main St"], "postcode": [postcode], "country": [country]}
    for values, found in certain_rows(plain.postal_addresses, columns):
        one = standardise_address(values[0], postcode=values[1], country=values[2])
        assert Address(*found) == one


@pytest.mark.parametrize(
    ("shortcut", "columns"),
    [
        (plain.emails, {"email": ["Ann.Lee+x@Mail.Example.com"]}),
        (plain.dates_of_birth(TODAY), {"date_of_birth": ["1980-02-29"]}),
        (partial(plain.person_names), {"full_name": ["Ann Mary Lee"]}),
        (partial(plain.person_names), {"given_name": ["Ann"], "family_name": ["Lee"]}),
        (plain.postal_addresses, {"street": ["12 Main Street Apt 4"], "city": ["Springfield"]}),
        (plain.phone_numbers("US"), {"phone": ["(415) 867-5309"]}),
        (plain.phone_numbers("US"), {"phone": ["+1 415 867 5309"]}),
        (plain.phone_numbers("GB"), {"phone": ["07858 793461"]}),
    ],
)
def test_what_most_values_look_like_is_certain(
    shortcut: plain.Shortcut, columns: dict[str, list[str | None]]
) -> None:
    assert len(certain_rows(shortcut, columns)) == 1


def test_a_standard_form_that_is_a_placeholder_is_not_certain() -> None:
    shortcut = plain.without({"a@a.com"}, plain.emails)
    columns: dict[str, list[str | None]] = {"email": ["A@a.com", "b@a.com", None]}
    assert [row for (row,), _ in certain_rows(shortcut, columns)] == ["b@a.com", None]
