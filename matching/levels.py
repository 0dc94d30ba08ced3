"""The comparison levels of pairs of profiles, for every attribute that the profiles have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matching import addresses, comparisons, contacts, organisations
from matching.comparisons import ABSENT, Levels, blank_levels
from matching.encode import Codes, Column, pick
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
    "organisation": organisations.compare_organisation,
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
    profiles: Profiles,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    kind: str,
    *,
    workers: int = 1,
) -> list[Compared]:
    """Levels of pairs of positions, one entry per attribute, always in the same order.

    Several ``workers`` share the attributes: worth it for the first pairs, which make the tables of
    distinct values.
    """
    pairs = _Pairs(profiles, left, right, kind)
    parts = (pairs.names, pairs.organisation, pairs.email, pairs.address, pairs.others)
    if workers == 1:
        return [one for part in parts for one in part()]
    with ThreadPoolExecutor(workers) as pool:
        found = pool.map(lambda part: list(part()), parts)
        return [one for part in found for one in part]


@dataclass(frozen=True)
class _Pairs:
    """Pairs of positions under comparison; each method compares attributes that hang together."""

    profiles: Profiles
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    kind: str

    def _simple(self, name: str, kind_of: str) -> Iterator[Compared]:
        if name in self.profiles.columns:
            column = self.profiles.columns[name]
            a, b = pick(column.codes, self.left), pick(column.codes, self.right)
            yield Compared(name, kind_of, _BY_TYPE[kind_of](column, a, b), column, a, column.codes)

    def names(self) -> Iterator[Compared]:
        profiles, left, right = self.profiles, self.left, self.right
        if self.kind != PERSON or not len(profiles.person_names.text):
            return
        given_level, family_level, given, family = comparisons.compare_person_name(
            profiles.person_names,
            (pick(profiles.given, left), pick(profiles.given, right)),
            (pick(profiles.family, left), pick(profiles.family, right)),
            (pick(profiles.middle, left), pick(profiles.middle, right)),
        )
        names = profiles.person_names
        full = np.full(len(left), -1, dtype=np.int32)
        both = np.flatnonzero(np.minimum(given_level, family_level) == comparisons.NAME_EXACT)
        one, other = (pick(profiles.full_name, side[both]) for side in (left, right))
        full[both] = np.where(one == other, one, -1)
        yield Compared("given_name", "given_name", given_level, names, given, profiles.given, full)
        yield Compared("family_name", "family_name", family_level, names, family, profiles.family)
        yield from self._simple("middle_name", "middle_name")
        yield from self._simple("name_suffix", "name_suffix")
        yield from self._simple("date_of_birth", "date")
        for gender in self._simple("gender", "gender"):
            # Equal given names mean equal gender: the second coincidence is none.
            alike = np.flatnonzero(given_level >= comparisons.NAME_NICKNAME)
            gender.levels[alike] = ABSENT
            yield gender

    def organisation(self) -> Iterator[Compared]:
        if self.kind == ORGANISATION:
            yield from self._simple("organisation", "organisation")

    def email(self) -> Iterator[Compared]:
        for email in self._simple("email", "email"):
            _discount_names_in_email(self.profiles, self.left, self.right, email)
            yield email

    def address(self) -> Iterator[Compared]:
        yield from self._simple("phone", "phone")
        yield from _compare_address(self.profiles, self.left, self.right)

    def others(self) -> Iterator[Compared]:
        yield from self._simple("tax_id", "identifier")
        yield from self._simple("customer_number", "identifier")
        for name, extra in self.profiles.extra_types.items():
            yield from self._simple(name, extra)


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
    left, right = left[at], right[at]
    made = _is_made_of_a_name(profiles, column, left, right)
    both = np.flatnonzero(made)
    made[both] = _is_made_of_a_name(profiles, column, right[both], left[both])
    # A name is mistyped more often than the addresses that were made of it: these are the same.
    codes = pick(column.codes, left), pick(column.codes, right)
    rest = np.flatnonzero(~made & contacts.same_letters(column, *codes))
    made[rest] = _is_made_of_a_name(profiles, column, left[rest], right[rest], slips=2)
    numbers = contacts.mailbox_numbers(column)
    number_l, number_r = (pick(numbers, side) for side in codes)
    levels[at[made & (number_l != number_r)]] = contacts.EMAIL_DIFFERENT
    levels[at[made & (number_l < 0) & (number_r < 0)]] = ABSENT


def _is_made_of_a_name(
    profiles: Profiles,
    column: Column,
    own: NDArray[np.int64],
    other: NDArray[np.int64],
    *,
    slips: int = 0,
) -> NDArray[np.bool_]:
    """Whether the address of each of ``own`` is made of its names, or of those of the other."""

    def made(at: NDArray[np.int64], person: NDArray[np.int64]) -> NDArray[np.bool_]:
        given, family = pick(profiles.given, person), pick(profiles.family, person)
        names = profiles.person_names
        email = pick(column.codes, at)
        return contacts.made_of_name(column, email, names, given, family, slips=slips)

    found = made(own, own)
    rest = np.flatnonzero(~found)
    found[rest] = made(own[rest], other[rest])
    return found


def _compare_address(
    profiles: Profiles, left: NDArray[np.int64], right: NDArray[np.int64]
) -> Iterator[Compared]:
    columns = profiles.columns
    street = postcode = city = blank_levels(len(left))
    if "street" in columns:
        column = columns["street"]
        a, b = pick(column.codes, left), pick(column.codes, right)
        street = addresses.compare_street(column, a, b)
        yield Compared("street", "street", street, column, a, column.codes)
    if "postcode" in columns:
        column = columns["postcode"]
        a, b = pick(column.codes, left), pick(column.codes, right)
        postcode = addresses.compare_postcode(column, a, b, street)
        yield Compared("postcode", "postcode", postcode, column, a, column.codes)
    if "city" in columns:
        column = columns["city"]
        a, b = pick(column.codes, left), pick(column.codes, right)
        city = addresses.compare_city(column, a, b, street=street, postcode=postcode)
        yield Compared("city", "city", city, column, a, column.codes)
    street_known = np.where(street >= addresses.STREET_CLOSE, street, ABSENT)
    postcode_known = np.where(postcode >= addresses.POSTCODE_TYPO, postcode, ABSENT)
    city_known = np.where(city >= addresses.CITY_SIMILAR, city, np.minimum(city, 0))
    finer = np.maximum(np.maximum(street_known, postcode_known), city_known).astype(np.int8)
    for name in ("region", "country"):
        if name in columns:
            column = columns[name]
            a, b = pick(column.codes, left), pick(column.codes, right)
            level = addresses.compare_area(column, a, b, finer=finer)
            finer = np.maximum(finer, level)
            yield Compared(name, "area", level, column, a, column.codes)
