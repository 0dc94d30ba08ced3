"""The comparison levels of pairs of profiles, for every attribute that the profiles have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matching import addresses, comparisons, contacts, organisations
from matching.comparisons import ABSENT, Levels, blank_levels
from matching.encode import Codes, Column
from matching.name_scores import compare_whole_name
from matching.profiles import ORGANISATION, PERSON, Profiles

_BY_TYPE: dict[str, Callable[[Column, Codes, Codes], Levels]] = {
    "middle_name": comparisons.compare_middle_name,
    "category": comparisons.compare_category,
    "name_suffix": comparisons.compare_category,
    "gender": comparisons.compare_category,
    "date": comparisons.compare_date,
    "email": contacts.compare_email,
    "phone": contacts.compare_phone,
    "identifier": contacts.compare_identifier,
    "text": comparisons.compare_text,
    "number": comparisons.compare_number,
    "name": compare_whole_name,
}


@dataclass
class Compared:
    """One attribute of many pairs: level per pair, and the code of the value agreed on."""

    name: str
    type: str
    levels: Levels
    column: Column | None = None
    values: Codes | None = None
    codes: Codes | None = None
    """The attribute's value code of every profile."""
    full_names: Codes | None = None
    """Of given names: the full name (``Profiles.full_name``) that a pair agrees on, else -1."""


def compare(
    profiles: Profiles, left: NDArray[np.int64], right: NDArray[np.int64], kind: str
) -> list[Compared]:
    """Levels of pairs of positions, one entry per attribute, always in the same order."""
    return list(_compare(profiles, left, right, kind))


def _compare(
    profiles: Profiles, left: NDArray[np.int64], right: NDArray[np.int64], kind: str
) -> Iterator[Compared]:
    columns = profiles.columns

    def simple(name: str, kind_of: str) -> Iterator[Compared]:
        if name in columns:
            column = columns[name]
            a, b = column.codes[left], column.codes[right]
            yield Compared(name, kind_of, _BY_TYPE[kind_of](column, a, b), column, a, column.codes)

    given_level = family_level = blank_levels(len(left))
    if kind == PERSON and len(profiles.person_names.text):
        given_level, family_level, given, family = comparisons.compare_person_name(
            profiles.person_names,
            (profiles.given[left], profiles.given[right]),
            (profiles.family[left], profiles.family[right]),
            (profiles.middle[left], profiles.middle[right]),
        )
        names = profiles.person_names
        full = profiles.full_name[left]
        shares_both = np.minimum(given_level, family_level) == comparisons.NAME_EXACT
        full = np.where(shares_both & (full == profiles.full_name[right]), full, -1)
        yield Compared("given_name", "given_name", given_level, names, given, profiles.given, full)
        yield Compared("family_name", "family_name", family_level, names, family, profiles.family)
        yield from simple("middle_name", "middle_name")
        yield from simple("name_suffix", "name_suffix")
        yield from simple("date_of_birth", "date")
        for gender in simple("gender", "gender"):
            # Equal given names mean equal gender: the second coincidence is none.
            gender.levels[given_level >= comparisons.NAME_NICKNAME] = ABSENT
            yield gender
    if kind == ORGANISATION and "organisation" in columns:
        column = columns["organisation"]
        a, b = column.codes[left], column.codes[right]
        yield Compared(
            "organisation",
            "organisation",
            organisations.compare_organisation(column, a, b),
            column,
            a,
            column.codes,
        )
    for email in simple("email", "email"):
        _discount_names_in_email(profiles, left, right, email)
        yield email
    yield from simple("phone", "phone")
    yield from _compare_address(profiles, left, right)
    yield from simple("tax_id", "identifier")
    yield from simple("customer_number", "identifier")
    for name, extra in profiles.extra_types.items():
        yield from simple(name, extra)


def _discount_names_in_email(
    profiles: Profiles, left: NDArray[np.int64], right: NDArray[np.int64], email: Compared
) -> None:
    """Take back what addresses say only because both are made of names, which count already.

    john.smith@a and john.smith@b are no coincidence between two John Smiths, nor are jon.smith@a
    and john.smith@a between a Jon and a John (no evidence); john71@a and john85@a are two
    different addresses. A slip that leaves an address unlike the name is evidence still.
    """
    levels, column = email.levels, email.column
    alike = (levels >= contacts.EMAIL_LOCAL_SIMILAR) & (levels < contacts.EMAIL_EXACT)
    at = np.flatnonzero(alike)
    if not at.size or column is None:
        return
    made = np.ones(len(at), dtype=bool)
    for own in (left[at], right[at]):
        of_one = [
            contacts.made_of_name(
                column,
                column.codes[own],
                profiles.person_names,
                profiles.given[person],
                profiles.family[person],
            )
            for person in (left[at], right[at])
        ]
        made &= of_one[0] | of_one[1]
    numbers = contacts.mailbox_numbers(column)
    number_l, number_r = numbers[column.codes[left[at]]], numbers[column.codes[right[at]]]
    levels[at[made & (number_l != number_r)]] = contacts.EMAIL_DIFFERENT
    levels[at[made & (number_l < 0) & (number_r < 0)]] = ABSENT


def _compare_address(
    profiles: Profiles, left: NDArray[np.int64], right: NDArray[np.int64]
) -> Iterator[Compared]:
    columns = profiles.columns
    street = postcode = city = blank_levels(len(left))
    if "street" in columns:
        column = columns["street"]
        a, b = column.codes[left], column.codes[right]
        street = addresses.compare_street(column, a, b)
        yield Compared("street", "street", street, column, a, column.codes)
    if "postcode" in columns:
        column = columns["postcode"]
        a, b = column.codes[left], column.codes[right]
        postcode = addresses.compare_postcode(column, a, b, street)
        yield Compared("postcode", "postcode", postcode, column, a, column.codes)
    if "city" in columns:
        column = columns["city"]
        a, b = column.codes[left], column.codes[right]
        city = addresses.compare_city(column, a, b, street=street, postcode=postcode)
        yield Compared("city", "city", city, column, a, column.codes)
    street_known = np.where(street >= addresses.STREET_CLOSE, street, ABSENT)
    postcode_known = np.where(postcode >= addresses.POSTCODE_TYPO, postcode, ABSENT)
    finer = np.maximum(np.maximum(street_known, postcode_known), city).astype(np.int8)
    for name in ("region", "country"):
        if name in columns:
            column = columns[name]
            a, b = column.codes[left], column.codes[right]
            level = addresses.compare_area(column, a, b, finer=finer)
            finer = np.maximum(finer, level)
            yield Compared(name, "area", level, column, a, column.codes)
