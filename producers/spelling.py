"""How one system writes one person down: nicknames, initials, typing errors, old data, blanks,
placeholders.

`spell` returns the columns of a batch of records. Every choice is a hash of (population, person,
system, variant), so a customer who orders ten times under variant 0 is written the same way ten
times, and a correction knows which attributes were wrong before.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from producers import noise, reference, typing_errors
from producers.population import NONE, Flags, Ints, Population, city_of
from producers.reference import FIRM_KINDS, STREET_KINDS, Strings

MAIL_PLACEHOLDERS = ("n/a", "test@test.com", "none@none.com", "noemail@noemail.com")
PHONE_PLACEHOLDERS = ("0000000000", "9999999999", "1234567890", "n/a")
DATE_PLACEHOLDER = -25567
"""1900-01-01, in days since 1970-01-01."""

System = int | Ints

ATTRIBUTES = ("given_name", "family_name", "email", "phone", "date_of_birth", "street")
"""What a correction may put right; a system may also write `ALSO`."""
ALSO = ("middle_name", "city", "firm", "account")


@dataclass(frozen=True, slots=True)
class Habits:
    """Shares of a system's records, in [0, 1], in which something is wrong, old or absent."""

    typo: float = 0.02
    nickname: float = 0.06
    initial: float = 0.01
    swapped: float = 0.008
    middle: float = 0.10
    old_mail: float = 0.15
    old_phone: float = 0.15
    old_address: float = 0.05
    old_family: float = 0.0
    landline: float = 0.5
    """Of those who share a phone at home, how many give that one."""
    firm_contact: float = 0.04
    placeholder: float = 0.006
    no_mail: float = 0.04
    no_phone: float = 0.12
    no_birth: float = 0.25
    no_street: float = 0.05
    no_city: float = 0.02


@dataclass(frozen=True, slots=True)
class Batch:
    """Who is written, by row: the person, the way of writing, and whether care is taken."""

    person: Ints
    variant: NDArray[np.int8]
    """0 = as this system usually writes the person; 1, 2 = typed anew, with more errors."""
    careful: Flags
    """Checked with the customer: current values, nothing misspelt."""

    def __len__(self) -> int:
        return len(self.person)


@dataclass(slots=True)
class Spelled:
    """Columns of a batch, None where the system has nothing; phones and dates not yet formatted."""

    given: Strings
    middle: Strings
    family: Strings
    suffix: NDArray[np.int8]
    gender: NDArray[np.int8]
    email: Strings
    phone: Strings
    """Digits with the country's code as int, or a placeholder as str."""
    born: Strings
    """Days since 1970-01-01 as int."""
    street: Strings
    city: Strings
    region: Strings
    postcode: Strings
    country: Strings
    firm: Strings
    account: Strings
    wrong: dict[str, Flags]
    """Attribute -> rows where what is written is not the current truth, for `ATTRIBUTES`."""


def spell(
    people: Population,
    batch: Batch,
    system: System,
    habits: Habits,
    writes: Collection[str] = ATTRIBUTES + ALSO,
) -> Spelled:
    """Return the batch as the system writes it: a small number, or one per row.

    Columns that are not in `writes` (of `ATTRIBUTES` and `ALSO`) stay empty where they cost time.
    """
    return _Speller(people, batch, system, habits, frozenset(writes)).columns()


class _Speller:
    def __init__(
        self,
        people: Population,
        batch: Batch,
        system: System,
        habits: Habits,
        writes: frozenset[str],
    ) -> None:
        self.people, self.batch, self.system, self.habits = people, batch, system, habits
        self.writes = writes
        self.key = noise.seed_key(people.seed, people.tag)
        self.ref = reference.load()
        # A record typed anew has twice the errors of a profile that was looked over before.
        self.haste = np.where(batch.careful, 0.0, np.where(batch.variant == 0, 0.7, 2.0))

    def hashes(self, purpose: str) -> noise.Keys:
        return noise.mix(self.key, purpose, self.batch.person, self.batch.variant, self.system)

    def chance(self, purpose: str, share: float) -> Flags:
        """Rows in which something of this share happens; never in a careful record."""
        return noise.unit(self.hashes(purpose)) < share * self.haste

    def of_system(self, purpose: str, share: float) -> Flags:
        """Rows whose person has this trait in this system, whatever the variant."""
        return noise.draw(self.key, purpose, self.batch.person, self.system) < share

    def blank(self) -> Strings:
        """A column with nothing in it."""
        return np.full(len(self.batch), None, dtype=object)

    def columns(self) -> Spelled:
        people, row = self.people, self.batch.person
        wrong: dict[str, Flags] = {}
        given, family = self._names(wrong)
        email = self._email(wrong)
        phone = self._phone(wrong)
        address = np.where(
            (people.earlier_address[row] != NONE)
            & ~self.batch.careful
            & self.of_system("old address", self.habits.old_address),
            people.earlier_address[row],
            people.address[row],
        )
        street, city, region, postcode, country = self._address(address, wrong)
        middle = self.blank()
        if "middle_name" in self.writes:
            used = (people.middle[row] != NONE) & self.of_system("middle", self.habits.middle)
            middle[used] = self.ref.given[people.middle[row[used]]]
        account = self.blank()
        if "account" in self.writes:
            holders = np.flatnonzero(people.account[row] & ~self.chance("no account", 0.25))
            account[holders] = [f"C-{people.tag}-{n + 1:06d}" for n in row[holders].tolist()]
        firm = self.blank()
        if "firm" in self.writes:
            employed = (people.firm[row] != NONE) & self.of_system("names the firm", 0.5)
            for at in np.flatnonzero(employed):
                firm[at] = firm_name(self.key, int(people.firm[row[at]]))
        return Spelled(
            given=given,
            middle=middle,
            family=family,
            suffix=np.where(self.of_system("suffix", 0.6), people.suffix[row], 0).astype(np.int8),
            gender=people.gender[row],
            email=email,
            phone=phone,
            born=self._born(wrong),
            street=street,
            city=city,
            region=region,
            postcode=postcode,
            country=country,
            firm=firm,
            account=account,
            wrong=wrong,
        )

    def _names(self, wrong: dict[str, Flags]) -> tuple[Strings, Strings]:
        people, row, habits = self.people, self.batch.person, self.habits
        given = self.ref.given[people.given[row]]
        old_family = ~self.batch.careful & self.of_system("old family", habits.old_family)
        family = self.ref.family[np.where(old_family, people.birth_family[row], people.family[row])]
        hashes = self.hashes("name error").tolist()
        # Nicknames are a way of calling somebody and stay with the system; errors come and go.
        nicked = (
            self.of_system("nickname", habits.nickname)
            & self.ref.has_nickname[people.given[row]]
            & ~self.batch.careful
        )
        for at in np.flatnonzero(nicked):
            names = self.ref.nicknames[people.given[row[at]]]
            given[at] = names[hashes[at] % len(names)]
        misspelt = self.chance("given typo", habits.typo)
        _mistype(given, misspelt, hashes)
        initial = self.chance("initial", habits.initial)
        for at in np.flatnonzero(initial):
            given[at] = given[at][0] + "."
        family_misspelt = self.chance("family typo", habits.typo)
        _mistype(family, family_misspelt, [value >> 7 for value in hashes])
        swapped = self.chance("swapped names", habits.swapped)
        given[swapped], family[swapped] = family[swapped], given[swapped]
        changed = old_family & (people.birth_family[row] != people.family[row])
        wrong["given_name"] = nicked | misspelt | initial | swapped
        wrong["family_name"] = family_misspelt | swapped | changed
        return given, family

    def _email(self, wrong: dict[str, Flags]) -> Strings:
        people, row, habits = self.people, self.batch.person, self.habits
        hashes = self.hashes("mail error").tolist()
        old = (
            _is_filled(people.earlier_email[row])
            & ~self.batch.careful
            & self.of_system("old mail", habits.old_mail)
        )
        email = np.where(old, people.earlier_email[row], people.email[row])
        misspelt = self.chance("mail typo", habits.typo * 0.6)
        for at in np.flatnonzero(misspelt):
            local, _, domain = email[at].partition("@")
            email[at] = f"{typing_errors.mistype(local, hashes[at])}@{domain}"
        shared = self.chance("firm mailbox", habits.firm_contact) & (people.firm[row] != NONE)
        for at in np.flatnonzero(shared):
            email[at] = firm_mailbox(self.key, int(people.firm[row[at]]))
        fake = self.chance("mail placeholder", habits.placeholder)
        for at in np.flatnonzero(fake):
            email[at] = MAIL_PLACEHOLDERS[hashes[at] % len(MAIL_PLACEHOLDERS)]
        blank = self.of_system("no mail", habits.no_mail) & ~self.batch.careful
        email[blank] = None
        wrong["email"] = old | misspelt | shared | fake | blank
        return email

    def _phone(self, wrong: dict[str, Flags]) -> Strings:
        people, row, habits = self.people, self.batch.person, self.habits
        hashes = self.hashes("phone error")
        old = (
            (people.earlier_phone[row] != NONE)
            & ~self.batch.careful
            & self.of_system("old phone", habits.old_phone)
        )
        landline = (people.landline[row] != NONE) & self.of_system("landline", habits.landline)
        digits = np.where(old, people.earlier_phone[row], people.phone[row])
        digits = np.where(landline, people.landline[row], digits)
        misdialled = self.chance("phone typo", habits.typo * 0.6)
        step = 10 ** (hashes % np.uint64(6)).astype(np.int64)
        digits = np.where(
            misdialled, digits + np.where(digits // step % 10 < 9, step, -step), digits
        )
        shared = self.chance("switchboard", habits.firm_contact) & (people.firm[row] != NONE)
        phone = digits.astype(object)
        for at in np.flatnonzero(shared):
            phone[at] = firm_switchboard(self.key, int(people.firm[row[at]]))
        fake = self.chance("phone placeholder", habits.placeholder)
        for at in np.flatnonzero(fake):
            phone[at] = PHONE_PLACEHOLDERS[int(hashes[at]) % len(PHONE_PLACEHOLDERS)]
        # Someone who left neither mail nor phone could never be called back: one of them is there.
        reachable = ~self.of_system("no mail", habits.no_mail)
        blank = self.of_system("no phone", habits.no_phone) & reachable & ~self.batch.careful
        phone[blank] = None
        wrong["phone"] = old | misdialled | shared | fake | blank
        return phone

    def _born(self, wrong: dict[str, Flags]) -> Strings:
        habits = self.habits
        days = self.people.born[self.batch.person]
        hashes = self.hashes("birth error")
        misspelt = self.chance("birth typo", habits.typo * 0.4)
        days = np.where(misspelt, typing_errors.mistype_days(days, hashes), days)
        fake = self.chance("birth placeholder", habits.placeholder)
        days = np.where(fake, DATE_PLACEHOLDER, days)
        born = days.astype(object)
        born[self.of_system("no birth", habits.no_birth)] = None
        given = _is_filled(born)
        wrong["date_of_birth"] = (misspelt | fake) & given
        return born

    def _address(
        self, address: Ints, wrong: dict[str, Flags]
    ) -> tuple[Strings, Strings, Strings, Strings, Strings]:
        ref, habits = self.ref, self.habits
        street = city = region = country = postcode = self.blank()
        wrong["street"] = np.zeros(len(self.batch), bool)
        if "street" in self.writes:
            street = streets(self.key, address, self.hashes("street style"))
            misspelt = self.chance("street typo", habits.typo)
            _mistype(street, misspelt, self.hashes("street error").tolist())
            no_street = self.of_system("no street", habits.no_street) & ~self.batch.careful
            street[no_street] = None
            old = address != self.people.address[self.batch.person]
            wrong["street"] = (misspelt | old) & ~no_street
        if "city" in self.writes:
            place = city_of(self.key, address)
            city, region, country = ref.city[place], ref.region[place], ref.country[place]
            mistaken = self.chance("city typo", habits.typo * 0.5)
            _mistype(city, mistaken, self.hashes("city error").tolist())
            postcode = postcodes(self.key, address, place)
            no_city = self.of_system("no city", habits.no_city) & ~self.batch.careful
            for column in (city, region, country, postcode):
                column[no_city] = None
            no_postcode = self.of_system("no postcode", habits.no_city) & ~self.batch.careful
            postcode[no_postcode] = None
        return street, city, region, postcode, country


def streets(key: int, address: Ints, style: noise.Keys) -> Strings:
    """Street lines such as "1204 Maple Ave Apt 3"; `style` chooses between the spellings of a
    line."""
    names = reference.load().streets
    hashes = noise.mix(key, "street", address)
    number = (noise.unit(hashes) ** 2 * 9_800 + 1).astype(np.int64).tolist()
    name = names[((hashes >> np.uint64(8)) % np.uint64(len(names))).astype(np.int64)]
    kind = ((hashes >> np.uint64(24)) % np.uint64(len(STREET_KINDS))).astype(np.int64).tolist()
    unit = ((hashes >> np.uint64(40)) % np.uint64(120)).astype(np.int64).tolist()
    short = (style % np.uint64(4)).tolist()
    lines = [
        f"{n} {s} {STREET_KINDS[k][a > 0]}"
        + ("" if u > 24 else f" Apt {u + 1}" if a < 3 else f" #{u + 1}")
        for n, s, k, u, a in zip(number, name, kind, unit, short, strict=True)
    ]
    return _objects(lines)


def postcodes(key: int, address: Ints, city: NDArray[np.int32]) -> Strings:
    """Postcodes in the form of the city's country; neighbours of one city share some."""
    ref = reference.load()
    hashes = noise.mix(key, "postcode", address).tolist()
    letters = "ABDEFGHJLNPQRSTUWXYZ"
    codes = []
    for prefix, country, value in zip(
        ref.postcode_prefix[city], ref.country[city], hashes, strict=True
    ):
        if country == "US":
            codes.append(f"{prefix}{value % 60:02d}")
        elif country == "DE":
            codes.append(f"{prefix}{value % 700:03d}")
        else:
            unit = letters[value // 200 % 20] + letters[value // 4_000 % 20]
            codes.append(f"{prefix}{value % 20 + 1} {value // 20 % 9 + 1}{unit}")
    return _objects(codes)


@lru_cache(maxsize=100_000)
def firm_name(key: int, firm: int) -> str:
    """The name of a firm by its number."""
    names = reference.load().family
    value = noise.seed_key(key, "firm", firm)
    return f"{names[value % 400]} {FIRM_KINDS[value // 400 % len(FIRM_KINDS)]}"


def firm_mailbox(key: int, firm: int) -> str:
    """The mailbox that everybody at the firm may give."""
    mail = reference.load().family_mail[noise.seed_key(key, "firm", firm) % 400]
    kind = firm_name(key, firm).rsplit(" ", 1)[1].lower()
    return f"info@{mail}-{kind}{firm}.com"


def firm_switchboard(key: int, firm: int) -> int:
    """The phone of the firm's front desk."""
    return 1_212_200_0000 + 10_000 * (firm // 10_000 % 300) + firm % 10_000


def _is_filled(column: Strings) -> Flags:
    return np.fromiter((value is not None for value in column), dtype=bool, count=len(column))


def _mistype(column: Strings, rows: Flags, hashes: list[int]) -> None:
    for at in np.flatnonzero(rows):
        column[at] = typing_errors.mistype(column[at], hashes[at])


def _objects(values: list[str]) -> Strings:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
