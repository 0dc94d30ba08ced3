"""Tables of cases: which level two values of a type come out at."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from matching import addresses, comparisons, contacts, known_names, organisations
from matching.encode import Codes, Column, encode
from matching.priors import PRIORS

Compare = Callable[[Column, Codes, Codes], comparisons.Levels]


def level(compare: Compare, left: str | None, right: str | None) -> int:
    """The level of one pair, checked to be the same from the other side."""
    column = encode(pl.Series([left, right], dtype=pl.String))
    one = compare(column, column.codes[:1], column.codes[1:])
    other = compare(column, column.codes[1:], column.codes[:1])
    assert one.tolist() == other.tolist()
    return int(one[0])


def name_of(type_: str, number: int) -> str | None:
    return None if number < 0 else PRIORS[type_].levels[number].name


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("john", "john", "exact"),
        ("mary ann", "maryann", "exact"),
        ("john", "jhon", "typo"),
        ("geoffrey", "jeffrey", "typo"),
        ("robert", "bob", "nickname"),
        ("muhammad", "mhd", "nickname"),
        ("j", "john", "initial"),
        ("k", "john", "different"),
        ("mary ann", "mary", "nickname"),
        ("francisco", "francisca", "other_name"),
        ("fransisco", "francisco", "typo"),
        ("john", "peter", "different"),
        ("aristides", "arist", "similar"),  # letters are left out behind a common beginning,
        ("shepner", "shephercl", "similar"),  # or less than half of them differ
        ("mark", "marsha", "different"),
        ("klempsky", "klein", "different"),
        ("john", None, None),
        (None, None, None),
    ],
)
def test_given_names(left: str | None, right: str | None, expected: str | None) -> None:
    assert name_of("given_name", level(comparisons.compare_name_part, left, right)) == expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("smith", "smyth", "typo"),
        ("o hare", "ohare", "exact"),
        ("home gall", "gall", "similar"),
        ("meyer", "mayer", "typo"),
        ("garcia lopez", "lopez", "similar"),
        ("smith", "jones", "different"),
        ("keller1", "keller2", "different"),  # given one after the other
        ("keller 1", "keller 12", "different"),
        ("keller1", "keller", "typo"),
    ],
)
def test_family_names(left: str, right: str, expected: str) -> None:
    assert name_of("family_name", level(comparisons.compare_name_part, left, right)) == expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("mary", "mark", "other_name"),
        ("darla", "darlene", "different"),
        ("paul", "paula", "other_name"),  # known to everybody, whatever the data say
        ("mary", "maryy", "typo"),  # nobody's name
        ("mark", "marck", "typo"),  # some people's, but so rare beside Mark
        ("mark", "mark", "exact"),
        ("mary", "darla", "different"),
        ("jon", "jonathan", "nickname"),
        ("mary", "mary ann", "nickname"),
    ],
)
def test_two_known_names_are_no_typing_error(left: str, right: str, expected: str) -> None:
    column = encode(pl.Series([left, right]))
    known = {"mary": 80, "mark": 300, "darla": 9, "darlene": 7, "marck": 4}
    known_names.set_known_names(column, known | {"jon": 20, "jonathan": 60, "mary ann": 5})
    code = [column.codes_of([name]) for name in (left, right)]
    assert name_of("given_name", comparisons.compare_name_part(column, *code)[0]) == expected


@pytest.mark.parametrize(
    ("cities", "postcodes", "expected"),
    [
        (("raleigh", "raleigh"), ("27610", "28801"), "exact"),
        (("raleigh", "raleigh"), ("27610", "27613"), "alike_same_area"),
        (("raleigh", "ralegh"), ("27610", "27658"), "alike_same_area"),
        (("raleigh", "durham"), ("27610", "27613"), "different_same_area"),
        (("raleigh", "ralegh"), ("27610", "28801"), "similar"),
        (("raleigh", "durham"), ("27610", "28801"), "different"),
        (("raleigh", None), ("27610", "27613"), None),
        (("raleigh", "raleigh"), (None, "27613"), "exact"),
    ],
)
def test_near_postcodes_make_one_city_likely(
    cities: tuple[str, str | None], postcodes: tuple[str | None, str], expected: str | None
) -> None:
    none = comparisons.blank_levels(1)
    postcode = level(lambda *ends: addresses.compare_postcode(*ends, none), *postcodes)
    near = np.array([postcode], dtype=np.int8)
    found = level(lambda *ends: addresses.compare_city(*ends, street=none, postcode=near), *cities)
    assert name_of("city", found) == expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("1970-03-01", "1970-03-01", "exact"),
        ("1978-12-11", "1978-11-12", "day_month_swapped"),
        ("1970-03-01", "1970-03-07", "typo"),
        ("1970-03-12", "1970-03-21", "typo"),
        ("1907-03-01", "1970-03-01", "typo"),
        ("1970-01-01", "1970-06-23", "year_only"),
        ("1970-03-12", "1970-03-29", "two_parts_equal"),
        ("1970-03-12", "1971-05-29", "within_a_year"),
        ("1970-03-12", "1976-05-29", "within_ten_years"),
        ("1970-03-12", "1996-05-29", "far"),
        ("1970-03-12", None, None),
    ],
)
def test_dates(left: str, right: str | None, expected: str | None) -> None:
    assert name_of("date", level(comparisons.compare_date, left, right)) == expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("a.smith@web.de", "a.smith@web.de", "exact"),
        ("a.smith@web.de", "a.smith@wbe.de", "typo"),
        ("a.smith@web.de", "a.smiht@web.de", "typo"),
        ("a.smith@web.de", "a_smith@web.de", "local_part"),
        ("mary71@web.de", "mary72@web.de", "local_part_similar"),
        ("a1@corporation.com", "a2@corporation.com", "same_domain"),
        ("a.smith@web.de", "a.smith@corporation.com", "local_part"),
        ("asmith12@web.de", "asmith99@corporation.com", "local_part_similar"),
        ("a.smith@web.de", "peter@web.de", "same_domain"),
        ("a.smith@web.de", "peter@corporation.com", "different"),
    ],
)
def test_emails(left: str, right: str, expected: str) -> None:
    assert name_of("email", level(contacts.compare_email, left, right)) == expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("+14155550101", "+14155550101", "exact"),
        ("+14155550101", "5550101", "last_seven_digits"),
        ("+14155550101", "+14155550107", "typo"),
        ("+14155550101", "+14155559999", "different"),
    ],
)
def test_phones(left: str, right: str, expected: str) -> None:
    assert name_of("phone", level(contacts.compare_phone, left, right)) == expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("12 high street", "12 high st", "exact"),
        ("12 high street", "12 hihg street", "close"),
        ("405 lexington avenue", "chrysler building 405 lexington avenue", "close"),
        ("12 high street", "14 high street", "street_other_number"),
        ("12 high street", "high street", "street_without_number"),
        ("12 high street", "12 station road", "number_only"),
        ("12 high street", "7 station road", "different"),
        ("12 high street unit 7", "7 station road", "number_only"),
        ("12 high street unit 9", "9 high street", "close"),
        ("12 high street unit 9", "3 high street unit 12", "close"),
    ],
)
def test_streets(left: str, right: str, expected: str) -> None:
    assert name_of("street", level(addresses.compare_street, left, right)) == expected


def test_house_numbers_of_many_streets_are_told_apart() -> None:
    column = encode(pl.Series(["8455 center blvd", "8725 mill ct", "1007 anchor ln", "5 n ct 22"]))
    left, right = (side.astype(np.int32) for side in np.triu_indices(4, 1))
    assert set(addresses.compare_street(column, left, right)) == {addresses.STREET_DIFFERENT}


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("12345678", "12345678", "exact"),
        ("12345678", "12545678", "typo"),
        ("12345678", "1234567x", "typo"),
        ("a12345-x", "a12345-y", "typo"),
        ("12345678", "12345679", "different"),
        ("c-4709", "c-4713", "different"),
        ("1234", "1334", "different"),
        ("12345678", "87654321", "different"),
    ],
)
def test_identifiers(left: str, right: str, expected: str) -> None:
    assert name_of("identifier", level(contacts.compare_identifier, left, right)) == expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("acme gmbh", "acme", "exact"),
        ("acme holdings ltd", "acme holding", "exact"),
        ("universal exports usa", "univrsl exports usa", "similar"),
        ("universal exports", "mueller brewery", "different"),
    ],
)
def test_organisations(left: str, right: str, expected: str) -> None:
    found = level(organisations.compare_organisation, left, right)
    assert name_of("organisation", found) == expected


@pytest.mark.parametrize(
    ("left", "right", "expected"), [("3", "3", 2), ("100", "103", 1), ("3", "9", 0), ("x", "9", -1)]
)
def test_numbers(left: str, right: str, expected: int) -> None:
    assert level(comparisons.compare_number, left, right) == expected


def test_swapped_names_are_compared_crosswise() -> None:
    column = encode(pl.Series(["florence", "brown", "smith"]))
    code = {value: np.array([i], dtype=np.int32) for i, value in enumerate(column.values)}
    none = np.array([-1], dtype=np.int32)
    given, family, *_ = comparisons.compare_person_name(
        column,
        (code["florence"], code["brown"]),
        (code["brown"], code["florence"]),
        (none, none),
    )
    assert (given[0], family[0]) == (comparisons.NAME_EXACT, comparisons.NAME_EXACT)


def test_a_single_name_is_found_in_the_other_field() -> None:
    column = encode(pl.Series(["william", "elstob"]))
    code = {value: np.array([i], dtype=np.int32) for i, value in enumerate(column.values)}
    none = np.array([-1], dtype=np.int32)
    given, family, *_ = comparisons.compare_person_name(
        column, (code["elstob"], code["william"]), (none, code["elstob"]), (none, none)
    )
    assert (given[0], family[0]) == (comparisons.ABSENT, comparisons.NAME_EXACT)


def test_priors_are_distributions() -> None:
    for type_, prior in PRIORS.items():
        for condition in {one.given for one in prior.levels}:
            levels = [one for one in prior.levels if one.given == condition]
            assert sum(one.m for one in levels) == pytest.approx(1, abs=0.011), type_
            assert sum(one.u for one in levels) == pytest.approx(1, abs=0.011), type_
