"""The lists a population is drawn from: names, nicknames, cities, streets, firms and mail
providers.

The CSV files in `data/` were made for this project. Weights follow a Zipf-like curve, so that a few
names are everywhere and most are rare; `peak_decade` is when a given name was most in fashion.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from anyascii import anyascii
from numpy.typing import NDArray

DATA = Path(__file__).parent / "data"

CULTURES = {
    "english": 0.56,
    "hispanic": 0.15,
    "german": 0.05,
    "italian": 0.04,
    "polish": 0.03,
    "french": 0.03,
    "indian": 0.04,
    "chinese": 0.03,
    "vietnamese": 0.015,
    "arabic": 0.02,
    "nordic": 0.02,
    "korean": 0.015,
}
GENDERS = ("F", "M")
FIRST_DECADE, DECADES = 1920, 11

MAIL_DOMAINS = {
    "gmail.com": 0.44,
    "yahoo.com": 0.13,
    "hotmail.com": 0.10,
    "outlook.com": 0.09,
    "icloud.com": 0.07,
    "aol.com": 0.05,
    "comcast.net": 0.03,
    "live.com": 0.03,
    "proton.me": 0.02,
    "gmx.net": 0.02,
    "mail.com": 0.02,
}
FIRM_KINDS = (
    "Logistics", "Foods", "Systems", "Partners", "Holdings", "Plumbing", "Dental", "Legal",
    "Motors", "Textiles", "Energy", "Media", "Consulting", "Interiors", "Pharmacy", "Farms",
    "Robotics", "Travel", "Bakery", "Roofing",
)  # fmt: skip
STREET_KINDS = (
    ("Street", "St"),
    ("Avenue", "Ave"),
    ("Road", "Rd"),
    ("Drive", "Dr"),
    ("Lane", "Ln"),
    ("Court", "Ct"),
    ("Place", "Pl"),
    ("Boulevard", "Blvd"),
)

Strings = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Choices:
    """Weighted lists, one per group, drawn from in bulk: `pick(groups, uniforms)` gives indices."""

    ladder: NDArray[np.float64]
    """Each group's cumulative weights in [0, 1], plus the group's number: rising over all
    groups."""
    items: NDArray[np.int32]

    @classmethod
    def of(cls, groups: list[tuple[list[int], list[float]]]) -> Choices:
        """Build from (items, weights) per group; every group needs at least one item."""
        steps = [
            number + np.minimum(np.cumsum(weights) / np.sum(weights), 1.0)
            for number, (_, weights) in enumerate(groups)
        ]
        items = [np.asarray(members, dtype=np.int32) for members, _ in groups]
        return cls(np.concatenate(steps), np.concatenate(items))

    def pick(
        self, groups: NDArray[np.integer] | int, uniforms: NDArray[np.float64]
    ) -> NDArray[np.int32]:
        """One item per uniform number in [0, 1), out of the group given beside it."""
        place = np.searchsorted(self.ladder, np.asarray(groups) + uniforms, side="right")
        return self.items[np.minimum(place, len(self.items) - 1)]


@dataclass(frozen=True, slots=True)
class Reference:
    """All lists, as arrays that a population indexes."""

    given: Strings
    given_mail: Strings
    """The given names as they appear in a mail address: lower-case ASCII letters."""
    nicknames: tuple[tuple[str, ...], ...]
    has_nickname: NDArray[np.bool_]
    given_choices: Choices
    """Group = (culture * 2 + gender) * DECADES + decade of birth."""
    family: Strings
    family_mail: Strings
    family_choices: Choices
    """Group = culture."""
    culture_choices: Choices
    city: Strings
    region: Strings
    country: Strings
    postcode_prefix: Strings
    dialling: Strings
    city_choices: Choices
    streets: Strings
    mail_domains: Strings
    mail_domain_choices: Choices


@cache
def load() -> Reference:
    """The reference lists of `data/`, read once."""
    given = _rows("given_names.csv")
    family = _rows("family_names.csv")
    cities = _rows("cities.csv")
    cultures = list(CULTURES)
    nicknames = tuple(tuple(filter(None, row["nicknames"].split("|"))) for row in given)
    return Reference(
        given=_strings(row["name"] for row in given),
        given_mail=_strings(_mail(row["name"]) for row in given),
        nicknames=nicknames,
        has_nickname=np.array([bool(names) for names in nicknames]),
        given_choices=_given_choices(given, cultures),
        family=_strings(row["name"] for row in family),
        family_mail=_strings(_mail(row["name"]) for row in family),
        family_choices=Choices.of(
            [
                _weighted(
                    [(i, float(r["weight"])) for i, r in enumerate(family) if r["culture"] == c]
                )
                for c in cultures
            ]
        ),
        culture_choices=Choices.of([(list(range(len(cultures))), list(CULTURES.values()))]),
        city=_strings(row["city"] for row in cities),
        region=_strings(row["region"] for row in cities),
        country=_strings(row["country"] for row in cities),
        postcode_prefix=_strings(row["postcode_prefix"] for row in cities),
        dialling=_strings(row["dialling"] for row in cities),
        city_choices=Choices.of(
            [_weighted([(i, float(r["weight"])) for i, r in enumerate(cities)])]
        ),
        streets=_strings(row["name"] for row in _rows("street_names.csv")),
        mail_domains=_strings(MAIL_DOMAINS),
        mail_domain_choices=Choices.of(
            [(list(range(len(MAIL_DOMAINS))), list(MAIL_DOMAINS.values()))]
        ),
    )


def _given_choices(given: list[dict[str, str]], cultures: list[str]) -> Choices:
    groups = []
    for culture in cultures:
        for gender in GENDERS:
            members = [
                (i, float(row["weight"]), int(row["peak_decade"]))
                for i, row in enumerate(given)
                if row["culture"] == culture and row["gender"] == gender
            ]
            for step in range(DECADES):
                decade = FIRST_DECADE + 10 * step
                # A name never quite dies out.
                groups.append(
                    _weighted(
                        [
                            (i, weight * (0.015 + np.exp(-(((decade - peak) / 22.0) ** 2))))
                            for i, weight, peak in members
                        ]
                    )
                )
    return Choices.of(groups)


def _weighted(pairs: list[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [item for item, _ in pairs], [weight for _, weight in pairs]


def _rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _strings(values: object) -> Strings:
    found = list(values)  # type: ignore[call-overload]
    array = np.empty(len(found), dtype=object)
    array[:] = found
    return array


def _mail(name: str) -> str:
    return "".join(filter(str.isalpha, anyascii(name).lower()))
