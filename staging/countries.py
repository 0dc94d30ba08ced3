"""ISO 3166 codes of countries from their names, codes and the ways people write them.

Codes and names are those of `pycountry` (the iso-codes project), in English and, from its
translations, in the languages below; `staging/data/country_names.csv` adds what people write
besides: "UK", "England", "Holland". Compared folded, so case, accents and punctuation are nothing.
"""

from __future__ import annotations

import csv
import gettext
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

import pycountry

from staging.text import fold

_LANGUAGES = (
    "cs", "da", "de", "es", "fi", "fr", "hu", "it", "nb", "nl", "pl", "pt", "ro", "sv", "tr",
)  # fmt: skip


def code(folded: str) -> str | None:
    """The alpha-2 code of a country's folded name, alpha-2, alpha-3 or numeric code, if known."""
    return names().get(folded) or _numbers().get(folded) or _translations().get(folded)


@cache
def names() -> Mapping[str, str]:
    """Alpha-2 code by folded alpha-2 and alpha-3 code and English name or variant.

    These are clear inside a line of an address too, which a number or a word of another language
    is not.
    """
    found: dict[str, str] = {}
    for country in pycountry.countries:
        for written in (country.alpha_2, country.alpha_3, *_english(country)):
            found.setdefault(fold(written) or "", country.alpha_2)
    rows = resources.files("staging").joinpath("data", "country_names.csv").read_text("utf-8")
    for row in csv.DictReader(rows.splitlines()):
        found |= dict.fromkeys(row["names"].split("|"), row["alpha2"])
    return found


def _english(country: Any) -> Iterator[str]:
    """The names of a country; one such as "Korea, Republic of" in its spoken order too."""
    for kind in ("name", "common_name", "official_name"):
        if name := getattr(country, kind, None):
            yield name
            first, comma, last = name.partition(", ")
            if comma:
                yield f"{last} {first}"


@cache
def _numbers() -> Mapping[str, str]:
    return {country.numeric: country.alpha_2 for country in pycountry.countries}


@cache
def _translations() -> Mapping[str, str]:
    """Alpha-2 code by folded name in another language; a name of two countries is none's."""
    found: dict[str, set[str]] = {}
    for language in _LANGUAGES:
        told = gettext.translation("iso3166-1", pycountry.LOCALES_DIR, languages=[language])
        for country in pycountry.countries:
            for name in _english(country):
                found.setdefault(fold(told.gettext(name)) or "", set()).add(country.alpha_2)
    return {name: codes.pop() for name, codes in found.items() if len(codes) == 1}
