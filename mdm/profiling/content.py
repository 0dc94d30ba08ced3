"""What the values of a field look like, whatever the field is called."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib import resources
from statistics import median
from typing import Any

import phonenumbers
import polars as pl
import pycountry

#: Distinct values looked at, the most frequent first.
LOOKED_AT = 1_000

_EMAIL = re.compile(r"[^\s@<>]+@[^\s@<>]+\.[a-z]{2,}", re.IGNORECASE)
_PHONE = re.compile(r"(?:tel:)?\+?[\d\s().\-/]{6,24}(?:\s*(?:x|ext\.?)\s*\d+)?", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_INTEGER = re.compile(r"[+-]?\d+")
_DECIMAL = re.compile(r"[+-]?\d*[.,]\d+(?:e[+-]?\d+)?", re.IGNORECASE)
_POSTCODE = re.compile(
    r"\d{4,5}|\d{5}-\d{4}|[a-z]{1,2}\d[a-z\d]? ?\d[a-z]{2}|[a-z]\d[a-z] ?\d[a-z]\d|\d{4} ?[a-z]{2}"
    r"|\d{2}-\d{3}|\d{3} \d{2}|\d{6}",
    re.IGNORECASE,
)
_LETTERED_POSTCODE = re.compile(r"(?=.*[a-z])(?=.*\d).+", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+")
_WORDS = re.compile(r"[^\W\d_][\w'’.\- ]*", re.UNICODE)
_STREET = re.compile(r"(?=.*\d)(?=.*[^\W\d_]{3}).{5,}")
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ]\d.*)?")
_PARTS = re.compile(r"(\d{1,4})([./\-])(\d{1,2})\2(\d{1,4})(?:[T ,]+\d.*)?")
_COMPACT = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_WITH_MONTH = re.compile(
    r"(?:\d{1,2}[. \-]+)?[^\W\d_]{3,10}\.?[. \-]+(?:\d{1,2}(?:st|nd|rd|th)?,?[ \-]+)?(\d{4}|\d{2})",
    re.IGNORECASE,
)


_PATTERNS = {
    "email": _EMAIL,
    "uuid": _UUID,
    "url": _URL,
    "integer": _INTEGER,
    "decimal": _DECIMAL,
    "postcode": _POSTCODE,
    "words": _WORDS,
    "street": _STREET,
}


@dataclass(frozen=True)
class Dates:
    """The dates among some values: how they are written, and in which years they lie.

    ``orders`` counts what each value says of the order: "YMD", "DMY" and "MDY" where only that
    reading is possible, "either" where two are.
    """

    orders: Counter[str]
    median_year: int | None
    timed: int


@dataclass(frozen=True)
class Content:
    """Shares, from 0 to 1, of the values that look like each kind; kinds may overlap."""

    shares: dict[str, float]
    dates: Dates

    def share(self, kind: str) -> float:
        """The share of values of a kind."""
        return self.shares.get(kind, 0.0)

    @property
    def kind(self) -> str:
        """The most telling kind that nine of ten values have, else "text"."""
        for kind in _TELLING:
            if self.share(kind) >= 0.9:
                return kind
        return "text" if self.shares else "empty"


_TELLING = (
    "email", "uuid", "url", "boolean", "gender", "date", "country", "phone", "integer", "decimal",
    "postcode", "street", "organisation", "words",
)  # fmt: skip


def content_of(counts: pl.DataFrame) -> Content:
    """What the values of a field look like: ``counts`` has each ``value`` and how often, ``n``."""
    looked_at = counts.head(LOOKED_AT)
    if not len(looked_at):
        return Content({}, Dates(Counter(), None, 0))
    found: Counter[str] = Counter()
    orders: Counter[str] = Counter()
    years: list[int] = []
    timed = 0
    for written, n in looked_at.select("value", "n").rows():
        value = str(written).strip()
        found.update(dict.fromkeys(_kinds(value), int(n)))
        read = date_parts(value)
        if read is not None:
            order, year, has_time = read
            found["date"] += int(n)
            orders[order] += 1
            years.append(year)
            timed += has_time
    total = int(looked_at["n"].sum())
    shares = {kind: count / total for kind, count in found.items()}
    return Content(shares, Dates(orders, int(median(years)) if years else None, timed))


def _kinds(value: str) -> list[str]:
    folded = value.casefold()
    kinds = []
    for kind, pattern in _PATTERNS.items():
        if pattern.fullmatch(value):
            kinds.append(kind)
    if "postcode" in kinds and _LETTERED_POSTCODE.fullmatch(value):
        kinds.append("lettered postcode")
    if _PHONE.fullmatch(value) and 7 <= sum(map(str.isdigit, value)) <= 15:
        kinds.append("phone")
    if any(word in _words("legal_forms") for word in _WORD.findall(folded.replace(".", ""))):
        kinds.append("organisation")
    if folded in _words("genders"):
        kinds.append("gender")
    if folded in _words("booleans"):
        kinds.append("boolean")
    if folded in _countries():
        kinds.append("country")
    return kinds


def date_parts(value: str) -> tuple[str, int, bool] | None:
    """How a date is ordered, its year and whether it has a time; None for what is no date."""
    iso = _ISO.fullmatch(value)
    if iso is not None:
        return ("YMD", int(iso[1]), len(value) > 10) if _possible(iso[2], iso[3]) else None
    if _COMPACT.fullmatch(value):
        return "YMD", int(value[:4]), False
    parts = _PARTS.fullmatch(value)
    if parts is not None:
        return _ordered(parts[1], parts[3], parts[4], " " in value or "T" in value)
    with_month = _WITH_MONTH.fullmatch(value)
    if with_month is not None and any(
        word in _words("months") for word in _WORD.findall(value.casefold())
    ):
        return "named month", _full_year(with_month[1]), False
    return None


def _ordered(first: str, second: str, third: str, timed: bool) -> tuple[str, int, bool] | None:
    if len(first) > 2:
        return ("YMD", int(first), timed) if _possible(second, third) else None
    year = _full_year(third)
    if len(third) == 3:
        return None
    day_first, month_first = _possible(second, first), _possible(first, second)
    if not day_first and not month_first:
        return None
    if day_first and month_first:
        return "either", year, timed
    return "DMY" if day_first else "MDY", year, timed


def _possible(month: str, day: str) -> bool:
    return 1 <= int(month) <= 12 and 1 <= int(day) <= 31


def _full_year(text: str) -> int:
    year = int(text)
    return year if len(text) > 2 else year + (1900 if year > 30 else 2000)


@cache
def _words(kind: str) -> frozenset[str]:
    return frozenset(_data()[kind])


@cache
def _data() -> dict[str, Any]:
    text = resources.files("mdm.profiling").joinpath("data/content_words.toml").read_text("utf-8")
    return tomllib.loads(text)


@cache
def _countries() -> dict[str, str]:
    """Names and codes of countries, folded, to ISO 3166 alpha-2."""
    found: dict[str, str] = dict(_data()["countries"])
    for country in pycountry.countries:
        for key in ("alpha_2", "alpha_3", "name", "official_name", "common_name"):
            name = getattr(country, key, None)
            if name:
                found.setdefault(str(name).casefold(), country.alpha_2)
    return found


def country_of(value: str) -> str | None:
    """The ISO 3166 alpha-2 code of a country's name or code."""
    return _countries().get(value.strip().casefold())


def valid_in(value: str, region: str | None) -> str | None:
    """The region of a phone number, read as one of ``region``; None where it is not valid."""
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.region_code_for_number(number)


def country_code_of(value: str) -> str | None:
    """The region that the country code of a phone number stands for, whether or not it is valid."""
    try:
        number = phonenumbers.parse(value, None)
    except phonenumbers.NumberParseException:
        return None
    code = number.country_code or 0
    return valid_in(value, None) or phonenumbers.region_code_for_country_code(code)
