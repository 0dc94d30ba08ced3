"""The one seeded population that all demo systems meet: people, their households, and how to reach
them.

People are rows of arrays, so that 400,000 of them take a second and some tens of megabytes. What
can be derived from an id (the street of an address, the digits of a phone) is derived when a record
is written, by `noise.mix`, and not stored. Nothing here depends on the clock.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from producers import noise, reference
from producers.reference import DECADES, FIRST_DECADE, Strings

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

NO_SUFFIX, JUNIOR, SENIOR = 0, 1, 2
NONE = -1
REFERENCE_YEAR = 2025
"""Ages are counted from here: a population must not change from one New Year to the next."""

_HEAD, _PARTNER, _CHILD, _NAMESAKE, _TWIN, _FLATMATE, _EMPTY = 0, 1, 2, 3, 4, 5, -1
_HOUSEHOLDS: tuple[tuple[float, tuple[int, ...]], ...] = (
    (0.44, (_HEAD,)),
    (0.22, (_HEAD, _PARTNER)),
    (0.10, (_HEAD, _PARTNER, _CHILD)),
    (0.10, (_HEAD, _PARTNER, _CHILD, _CHILD)),
    (0.05, (_HEAD, _CHILD)),
    (0.03, (_HEAD, _PARTNER, _NAMESAKE)),
    (0.02, (_HEAD, _PARTNER, _TWIN, _TWIN)),
    (0.04, (_HEAD, _FLATMATE, _FLATMATE)),
)
_ADDRESSES_PER_HOUSEHOLD = 64
_EXCHANGES = np.array([n for n in range(220, 990) if n % 100 != 11 and n not in (555, 900)])


@dataclass(slots=True)
class Population:
    """People as parallel arrays: row = person, the same row on every day of the same population."""

    seed: int
    tag: str
    """Four letters that every id of this population carries: two demos in one lake never mix."""
    given: NDArray[np.int32]
    middle: NDArray[np.int32]
    family: NDArray[np.int32]
    birth_family: NDArray[np.int32]
    gender: NDArray[np.int8]
    born: Ints
    """Days since 1970-01-01."""
    suffix: NDArray[np.int8]
    household: Ints
    alone: Flags
    """An adult who lives alone: who may marry."""
    address: Ints
    earlier_address: Ints
    phone: Ints
    """Digits with the country's code."""
    earlier_phone: Ints
    landline: Ints
    """The household's phone, or NONE where this person does not give it."""
    email: Strings
    earlier_email: Strings
    account: Flags
    """Has a customer number that sales and support share."""
    firm: Ints
    activity: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.given)

    def append(self, others: Population) -> None:
        """Add the people of another array set below these."""
        for column in fields(self)[2:]:
            name = column.name
            setattr(self, name, np.concatenate([getattr(self, name), getattr(others, name)]))


def population_tag(seed: int, records: int) -> str:
    """Four consonants and digits that name the population of this seed and size."""
    letters, number = "BCDFGHJKLMNPQRSTVWXZ23456789", noise.seed_key("population", seed, records)
    return "".join(letters[number // 28**place % 28] for place in range(4))


def people_count(records: int) -> int:
    """People in a population that causes `records` events on its first day: two and a half each."""
    return max(2, round(records * 0.4))


def grow(
    seed: int,
    tag: str,
    people: int,
    *,
    generation: int = 1,
    first_household: int = 0,
    turnover: float = 1.0,
) -> Population:
    """Return `people` new persons in whole households (the last one may be cut short).

    `generation` (the day they become customers) seeds the draw; households are numbered from
    `first_household`; `turnover` multiplies how many have moved or changed mail and phone before.
    The same arguments give the same people.
    """
    ref = reference.load()
    rng = np.random.default_rng([seed, noise.seed_key(tag), generation])
    role, household = _households(people, rng)
    starts = np.flatnonzero(np.r_[True, household[1:] != household[:-1]])
    head = np.repeat(starts, np.diff(np.r_[starts, people]))
    numbered = household + first_household

    born = _births(role, head, rng)
    gender = _genders(role, head, rng)
    culture = ref.culture_choices.pick(0, rng.random(household[-1] + 1))[household]
    stranger = role == _FLATMATE
    culture[stranger] = ref.culture_choices.pick(0, rng.random(int(stranger.sum())))

    family = ref.family_choices.pick(culture, rng.random(people))
    keeps_own = (role == _PARTNER) & (rng.random(people) < 0.2)
    family = np.where(stranger | keeps_own, family, family[head])
    given, middle = _given_names(culture, gender, born, rng)
    son = role == _NAMESAKE
    given[son], middle[son] = given[head[son]], middle[head[son]]
    suffix = np.where(son, JUNIOR, NO_SUFFIX).astype(np.int8)
    suffix[head[son]] = SENIOR

    moved = (rng.random(household[-1] + 1) < 0.08 * turnover)[household]
    address = numbered * _ADDRESSES_PER_HOUSEHOLD + moved
    shares = np.bincount(household)[household] > 1
    key = noise.seed_key(seed, tag)
    person_key = np.arange(people) + generation * 10_000_000
    area = city_of(key, address)
    email = _emails(key, person_key, given, family, born)
    young = (REFERENCE_YEAR - 1970) * 365.25 - born < 18 * 365.25
    borrows = ((role == _CHILD) & young & (rng.random(people) < 0.6)) | (
        (role == _PARTNER) & (rng.random(people) < 0.05)
    )
    email = np.where(borrows, email[head], email)
    new_mail = ~borrows & (rng.random(people) < 0.10 * turnover)
    new_phone = rng.random(people) < 0.12 * turnover
    gives_landline = shares & (rng.random(people) < 0.45) & ~stranger
    activity = np.minimum(rng.pareto(1.8, people) + 0.1, 150.0) * np.where(young, 0.3, 1.0)
    return Population(
        seed=seed,
        tag=tag,
        given=given,
        middle=middle,
        family=family,
        birth_family=family.copy(),
        gender=gender,
        born=born,
        suffix=suffix,
        household=numbered,
        alone=~shares & (role == _HEAD),
        address=address,
        earlier_address=np.where(moved, numbered * _ADDRESSES_PER_HOUSEHOLD, NONE),
        phone=phone_numbers(key, "phone", person_key, area),
        earlier_phone=np.where(
            new_phone, phone_numbers(key, "earlier phone", person_key, area), NONE
        ),
        landline=np.where(gives_landline, phone_numbers(key, "landline", numbered, area), NONE),
        email=email,
        earlier_email=np.where(
            new_mail, later_emails(key, person_key, given, family), np.full(people, None)
        ),
        account=rng.random(people) < 0.35,
        firm=np.where(
            ~young & (rng.random(people) < 0.3),
            (rng.random(people) ** 2 * max(3, people // 30)).astype(np.int64),
            NONE,
        ),
        activity=activity,
    )


def city_of(key: int, address: Ints) -> NDArray[np.int32]:
    """The city of an address, an index of `Reference.city`: most moves stay within the town."""
    household = address // _ADDRESSES_PER_HOUSEHOLD
    stays = noise.draw(key, "stays in town", address) < 0.6
    drawn = np.where(
        stays | (address % _ADDRESSES_PER_HOUSEHOLD == 0),
        noise.draw(key, "town", household),
        noise.draw(key, "new town", address),
    )
    return reference.load().city_choices.pick(0, drawn)


def next_address(address: Ints) -> Ints:
    """The address a household has after its next move."""
    last = _ADDRESSES_PER_HOUSEHOLD - 1
    return (
        address
        - address % _ADDRESSES_PER_HOUSEHOLD
        + (address % _ADDRESSES_PER_HOUSEHOLD % last)
        + 1
    )


def phone_numbers(key: int, purpose: str, owner: Ints, city: NDArray[np.int32]) -> Ints:
    """Possible phone numbers, one per owner, with the area code of the city: +1 415 338 1234 as an
    int."""
    dialling = reference.load().dialling
    prefix = np.array([int(code) for code in dialling])[city]
    hashes = noise.mix(key, purpose, owner)
    exchange = _EXCHANGES[(hashes % np.uint64(len(_EXCHANGES))).astype(np.int64)]
    rest = ((hashes >> np.uint64(20)) % np.uint64(100_000_000)).astype(np.int64)
    american = prefix * 10_000_000 + exchange * 10_000 + rest % 10_000
    british = (prefix * 10 + 7 + rest % 3) * 100_000_000 + rest
    german = prefix * 100_000_000 + rest
    return np.select([prefix < 1_000, prefix > 10_000], [british, german], american)


def later_emails(
    key: int, person: Ints, given: NDArray[np.int32], family: NDArray[np.int32]
) -> Strings:
    """A second mail address per person, unlike the first: a name and four digits or more."""
    ref = reference.load()
    hashes = noise.mix(key, "later mail", person)
    domains = ref.mail_domains[ref.mail_domain_choices.pick(0, noise.unit(hashes))]
    numbers = (hashes % np.uint64(90_000)) + np.uint64(1_000)
    mails = [
        f"{first}{last}{number}@{domain}"
        for first, last, number, domain in zip(
            ref.given_mail[given], ref.family_mail[family], numbers.tolist(), domains, strict=True
        )
    ]
    return np.array(mails, dtype=object)


def _households(people: int, rng: np.random.Generator) -> tuple[NDArray[np.int8], Ints]:
    """Role and household number of each person, in household order."""
    width = max(len(roles) for _, roles in _HOUSEHOLDS)
    table = np.array([list(roles) + [_EMPTY] * (width - len(roles)) for _, roles in _HOUSEHOLDS])
    shares = np.array([share for share, _ in _HOUSEHOLDS])
    kinds = rng.choice(len(table), size=people, p=shares / shares.sum())
    roles = table[kinds].ravel()
    numbers = np.repeat(np.arange(people), width)
    real = roles != _EMPTY
    return roles[real][:people].astype(np.int8), numbers[real][:people]


def _births(role: NDArray[np.int8], head: Ints, rng: np.random.Generator) -> Ints:
    people = len(role)
    is_head = head == np.arange(people)
    size = np.bincount(head, minlength=people)[head]
    with_son = np.isin(head, head[role == _NAMESAKE])
    with_child = np.isin(head, head[np.isin(role, (_CHILD, _TWIN))])
    age = 20 + rng.beta(1.6, 2.4, people) * 68
    age = np.where(is_head & with_child, 27 + rng.beta(2, 2, people) * 28, age)
    age = np.where(is_head & with_son, 46 + rng.random(people) * 34, age)
    head_age = age[head]
    age = np.where(role == _PARTNER, np.maximum(head_age + rng.normal(0, 4, people), 19), age)
    age = np.where(role == _CHILD, np.maximum(head_age - rng.uniform(20, 38, people), 0.3), age)
    twin_age = np.maximum(head_age - (22 + (head % 13)), 0.5)
    age = np.where(role == _TWIN, twin_age, age)
    age = np.where(role == _NAMESAKE, head_age - rng.uniform(21, 31, people), age)
    age = np.where((role == _FLATMATE) & (size > 1), rng.uniform(19, 36, people), age)
    today = round((REFERENCE_YEAR - 1970) * 365.25)
    return (today - np.round(age * 365.25)).astype(np.int64)


def _genders(role: NDArray[np.int8], head: Ints, rng: np.random.Generator) -> NDArray[np.int8]:
    gender = (rng.random(len(role)) < 0.49).astype(np.int8)
    gender[head[role == _NAMESAKE]] = 1
    gender[role == _NAMESAKE] = 1
    other = (role == _PARTNER) & (rng.random(len(role)) < 0.95)
    gender[other] = 1 - gender[head[other]]
    return gender


def _given_names(
    culture: NDArray[np.int32], gender: NDArray[np.int8], born: Ints, rng: np.random.Generator
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Given and middle names (NONE for half of all people), by culture, gender and decade of
    birth."""
    people = len(culture)
    pick = reference.load().given_choices.pick
    decade = ((1970 + born / 365.25 - FIRST_DECADE) // 10).astype(np.int64).clip(0, DECADES - 1)
    named = np.where(rng.random(people) < 0.35, 0, culture)
    given = pick((named * 2 + gender) * DECADES + decade, rng.random(people))
    middle = pick((named * 2 + gender) * DECADES + decade, rng.random(people))
    return given, np.where(rng.random(people) < 0.5, middle, NONE).astype(np.int32)


def _emails(
    key: int, person: Ints, given: NDArray[np.int32], family: NDArray[np.int32], born: Ints
) -> Strings:
    """One mail address per person, no two alike: a taken name gets the next free number, as at a
    provider."""
    ref = reference.load()
    hashes = noise.mix(key, "mail", person)
    styles = (hashes >> np.uint64(32)) % np.uint64(8)
    numbers = hashes % np.uint64(1_000)
    years = (1970 + born / 365.25).astype(np.int64) % 100
    domains = ref.mail_domain_choices.pick(0, noise.unit(hashes))
    taken: dict[str, int] = {}
    mails = np.empty(len(person), dtype=object)
    rows = zip(
        ref.given_mail[given],
        ref.family_mail[family],
        styles.tolist(),
        numbers.tolist(),
        years.tolist(),
        ref.mail_domains[domains],
        strict=True,
    )
    for row, (first, last, style, number, year, domain) in enumerate(rows):
        local = (
            f"{first}.{last}",
            f"{first}.{last}",
            f"{first[0]}{last}",
            f"{first}.{last}{year:02d}",
            f"{last}.{first}",
            f"{first}_{last}",
            f"{first}{number}",
            f"{first}{last[0]}{year:02d}",
        )[style]
        mail = f"{local}@{domain}"
        while mail in taken:
            taken[f"{local}@{domain}"] += 1
            mail = f"{local}{taken[f'{local}@{domain}']}@{domain}"
        taken[mail] = 0
        mails[row] = mail
    return mails
