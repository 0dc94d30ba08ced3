"""Addresses: parts, and one-line addresses taken apart."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staging.addresses import (
    Address,
    fold_city,
    fold_street,
    standardise_address,
    standardise_country,
    standardise_postcode,
    standardise_region,
)

STREETS = [
    ("123 Main Street", "123 main st"),
    ("123 MAIN ST.", "123 main st"),
    ("1304 Poppy Hills Dr", "1304 poppy hills dr"),
    ("221 E. 51st St.", "221 e 51st st"),
    ("221 East 51st Street", "221 e 51st st"),
    ("1450 N City Rd Suite 900", "1450 n city rd unit 900"),
    ("1450 North City Road #900", "1450 n city rd unit 900"),
    ("1 W 13th St, Apt. #4", "1 w 13th st unit 4"),
    ("P.O. Box 12987", "po box 12987"),
    ("PO BOX 12987", "po box 12987"),
    ("Hardenbergstraße 87", "hardenbergstr 87"),
    ("Hardenbergstrasse 87", "hardenbergstr 87"),
    ("221B Baker Street", "221b baker st"),
    ("First Avenue", "1st ave"),
    ("--", None),
    (None, None),
]
ONE_LINE = [
    # street line, street, city, region, postcode, country
    ("123 Main Street, Las Vegas NV 89132", "123 main st", "las vegas", "nv", "89132", None),
    ("27 Washington Oak Park IL 60302", "27 washington oak park", None, "il", "60302", None),
    ("80 Delaware Ave SE Washington DC 40040", "80 delaware ave se", "washington", "dc", "40040",
     None),
    ("9304 W. 15th St La Blanca, FL 60527", "9304 w 15th st", "la blanca", "fl", "60527", None),
    ("6371 E Foothill Dr, Orroville, CA ", "6371 e foothill dr", "orroville", "ca", None, None),
    ("6371 E Foothill Dr, 95915", "6371 e foothill dr", None, None, "95915", None),
    ("329 Leatherwood Street, Las Vegas, NV", "329 leatherwood st", "las vegas", "nv", None, None),
    ("1515 Adela Ln, LV, NV", "1515 adela ln", "lv", "nv", None, None),
    ("Ansbacher Strasse 23, 56422 Dusseldorf", "ansbacher str 23", "dusseldorf", None, "56422",
     None),
    ("Fieldstrasse 10, FL-2198 Triesen, Lichtenstein", "fieldstr 10", "triesen", None, "2198",
     "LI"),
    ("18 Danver Place, Loughborough, LE11 1UU, United Kingdom", "18 danver pl", "loughborough",
     None, "le111uu", "GB"),
    ("18 Danver Place, Loughborough, United Kingdom, LE11 1UU", "18 danver pl", "loughborough",
     None, "le111uu", "GB"),
    ("10 Downing Street London SW1A 2AA", "10 downing st", "london", None, "sw1a2aa", None),
    ("705 Sheppard Ave, Toronto, M1S 1T4", "705 sheppard ave", "toronto", None, "m1s1t4", None),
    ("12 Smith Street Melbourne VIC 3000", "12 smith st", "melbourne", "vic", "3000", None),
    ("123 N Main Street Suite 4B, Springfield, Illinois 62704-1234", "123 n main st unit 4b",
     "springfield", "il", "62704", None),
    ("Unter den Linden 5, Berlin", "unter den linden 5", "berlin", None, None, None),
    ("10 Rue Oberkampf, Paris", "10 rue oberkampf", "paris", None, None, None),
    # Nothing clear at the end: all of it stays.
    ("Suite 900, 1450 N City Rd", "unit 900 1450 n city rd", None, None, None, None),
    ("Chrysler Building, 405 Lexington Avenue", "chrysler bldg 405 lexington ave", None, None, None,
     None),
    ("P.O. Box 12987", "po box 12987", None, None, None, None),
    ("445 Overpass Rd San Ramon", "445 overpass rd san ramon", None, None, None, None),
]  # fmt: skip


@pytest.mark.parametrize(("written", "expected"), STREETS)
def test_street(written: str | None, expected: str | None) -> None:
    assert fold_street(written) == expected


@pytest.mark.parametrize(("line", "street", "city", "region", "postcode", "country"), ONE_LINE)
def test_one_line(
    line: str,
    street: str,
    city: str | None,
    region: str | None,
    postcode: str | None,
    country: str | None,
) -> None:
    assert standardise_address(line) == Address(street, city, region, postcode, country)


def test_filled_fields_are_never_overruled_and_not_repeated_in_the_street() -> None:
    written = ("1602 Brenville Pl, San Francisco, CA 94105", "San Francisco", "CA", "94105")
    assert standardise_address(*written) == Address(
        "1602 brenville pl", "san francisco", "ca", "94105", None
    )
    assert standardise_address("Hauptstr. 5, 56422 Bonn", None, None, "56244").postcode == "56244"
    assert standardise_address("445 Overpass Rd San Ramon", "San Ramon").street == "445 overpass rd"
    assert standardise_address("27 Washington", "Washington").street == "27 washington"


@pytest.mark.parametrize(
    ("written", "country", "expected"),
    [
        ("NE4 8DJ", None, "ne48dj"),
        ("ne48dj ", None, "ne48dj"),
        ("92723-0000", None, "92723"),
        ("927230000", None, "92723"),
        ("60640.0", None, "60640"),
        ("8030", "US", "08030"),
        ("8030", "CH", "8030"),
        ("D-56244", "DE", "56244"),
        ("M1S 1T4", "CA", "m1s1t4"),
        ("unknown", None, None),
        (None, None, None),
    ],
)
def test_postcode(written: str | None, country: str | None, expected: str | None) -> None:
    assert standardise_postcode(written, country) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("USA", "US"), ("United States", "US"), ("u.s.a.", "US"), ("de", "DE"), ("GER", "DE"),
        ("Deutschland", "DE"), ("Österreich", "AT"), ("Côte d'Ivoire", "CI"), ("England", "GB"),
        ("Atlantis", "atlantis"), ("", None),
    ],
)  # fmt: skip
def test_country(written: str, expected: str | None) -> None:
    assert standardise_country(written) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [("OHIO", "oh"), ("OH", "oh"), ("New South Wales", "nsw"), ("N.S.W.", "nsw"), ("Québec", "qc"),
     ("Rheinland-Pfalz", "rheinland pfalz"), (None, None)],
)  # fmt: skip
def test_region(written: str | None, expected: str | None) -> None:
    assert standardise_region(written) == expected


def test_city() -> None:
    assert fold_city("Saint Louis") == fold_city("St. Louis") == "st louis"
    assert fold_city("Düsseldorf") == "dusseldorf"


@settings(derandomize=True)
@given(st.text(max_size=60), st.text(max_size=20))
def test_any_text_is_taken_apart_without_losing_its_words(street: str, city: str) -> None:
    found = standardise_address(street, city)
    if fold_street(street) is not None:
        assert any(found)
