"""Addresses: street, city, region, postcode and country in a form that compares equal.

Street words have one spelling each (`staging/data/addresses.toml`); house numbers stay. Regions of
US, CA and AU are their folded codes, countries ISO 3166 codes. Many systems keep the whole address
in one line, so what ends a street line and is known to be a country, postcode, region or city is
moved to where it belongs: into an empty field, or away if the field says the same already. A field
that is filled is never overruled.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from staging import countries, one_line, vocabulary
from staging.text import fold, to_ascii


class Address(NamedTuple):
    """An address in comparable parts."""

    street: str | None = None
    city: str | None = None
    region: str | None = None
    postcode: str | None = None
    country: str | None = None


_TABLES = vocabulary.words("addresses")
STREET_WORDS: dict[str, str] = {
    word: short
    for table in ("street_types", "units", "directions", "other")
    for word, short in _TABLES[table].items()
}
_DOTTED = re.compile(r"(?<![A-Za-z])((?:[A-Za-z]\.\s?)+[A-Za-z])\.?(?![A-Za-z])")
_UNIT_MARK = re.compile(r"#\s*(?=\w)")

_JOINED_STRASSE = re.compile(r"(?<=[a-z]{3})stra(?:sse|se)\b")
_SPREADSHEET_FLOAT = re.compile(r"(\d+)\.0")
_COUNTRY_PREFIX = re.compile(r"[a-z]{1,3}-(\d{4,6})")
_NOT_CODE = re.compile(r"[^a-z0-9]+")
_DIGIT = re.compile(r"\d")


def standardise_address(
    street: str | None = None,
    city: str | None = None,
    region: str | None = None,
    postcode: str | None = None,
    country: str | None = None,
) -> Address:
    """The comparable parts of an address; a one-line `street` fills the parts that are empty."""
    std_city, std_region = fold_city(city), standardise_region(region)
    std_country = standardise_country(country)
    std_postcode = standardise_postcode(postcode, std_country)
    if not street:
        return Address(None, std_city, std_region, std_postcode, std_country)
    if not one_line.may_hold_more(street):
        std_street = _without_city(fold_street(street), std_city)
        return Address(std_street, std_city, std_region, std_postcode, std_country)
    line = one_line.take_apart(to_ascii(street), city=std_city)
    found_country = standardise_country(line.country)
    found_postcode = standardise_postcode(line.postcode, std_country or found_country)
    return Address(
        _without_city(fold_street(line.street), std_city),
        std_city or fold_city(line.city),
        std_region or standardise_region(line.region),
        std_postcode or found_postcode,
        std_country or found_country,
    )


def fold_street(value: str | None) -> str | None:
    """The folded street line with one spelling per street word: "12 main st unit 4"."""
    if not value:
        return None
    text = to_ascii(value)
    if "." in text:
        text = _DOTTED.sub(lambda dotted: re.sub(r"[.\s]", "", dotted.group(1)), text)
    if "#" in text:
        text = _UNIT_MARK.sub(" unit ", text)
    folded = fold(text)
    if folded is None:
        return None
    street = " ".join([STREET_WORDS.get(word, word) for word in folded.split(" ")])
    if "stra" in street:
        street = _JOINED_STRASSE.sub("str", street)
    return street.replace("unit unit", "unit") if "unit unit" in street else street


def _without_city(street: str | None, city: str | None) -> str | None:
    """`street` without a trailing `city`: "445 overpass rd san ramon", but not "27 washington"."""
    if street and city and street.endswith(f" {city}"):
        rest = street[: -len(city) - 1]
        last = rest[rest.rfind(" ") + 1 :]
        if " " in rest and (last in one_line.STREET_ENDS or last[-1].isdigit()):
            return rest
    return street


@lru_cache(maxsize=1 << 14)
def fold_city(value: str | None) -> str | None:
    """The folded city name; "St", "Mt" and "Ft" in front are the written-out words' short forms."""
    folded = fold(value)
    if folded is None:
        return None
    first, _, rest = folded.partition(" ")
    short = {"saint": "st", "mount": "mt", "fort": "ft"}.get(first, first)
    return f"{short} {rest}" if rest else folded


@lru_cache(maxsize=1 << 13)
def standardise_region(value: str | None) -> str | None:
    """The folded code of a US, CA or AU state or province, else the folded name."""
    folded = fold(value)
    return None if folded is None else vocabulary.regions().get(folded, folded)


@lru_cache(maxsize=1 << 13)
def standardise_country(value: str | None) -> str | None:
    """The ISO 3166 alpha-2 code of a country's name, code or variant, else the folded name.

    A name that is not known still equals itself; it is in lower case, codes are in upper case.
    """
    folded = fold(value)
    return None if folded is None else countries.code(folded) or folded


@lru_cache(maxsize=1 << 15)
def standardise_postcode(value: str | None, country: str | None = None) -> str | None:
    """The postcode in lower case without spaces; None if it has no digit.

    A US ZIP+4 is cut to its five digits, a zero that a spreadsheet lost is put back where the
    country is the US, a country prefix ("D-56244") goes.
    """
    if not value:
        return None
    code = value
    if not (value.isascii() and value.isdigit()):
        text = to_ascii(value).strip().lower()
        text = _SPREADSHEET_FLOAT.sub(r"\1", text)
        text = _COUNTRY_PREFIX.sub(r"\1", text)
        code = _NOT_CODE.sub("", text)
        if not _DIGIT.search(code):
            return None
    if len(code) == 9 and code.isdigit():
        return code[:5]
    return code.zfill(5) if country == "US" and code.isdigit() and len(code) in {3, 4} else code
