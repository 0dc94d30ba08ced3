"""What is known about names: keys by sound, one by one and in bulk, nicknames, e-mails of names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from matching.contacts import made_of_name
from matching.encode import Codes, encode
from matching.levels import compare
from matching.names import (
    nickname_groups,
    nickname_numbers,
    phonetic,
    phonetic_keys,
    share_nickname,
)
from matching.priors import PRIORS
from matching.profiles import PERSON, Profiles


@pytest.mark.parametrize(
    "names",
    [
        ("meyer", "meier", "mayr"),
        ("schmidt", "schmitt"),
        ("smith", "smyth"),
        ("geoffrey", "jeffrey"),
        ("wright", "rite"),
        ("knight", "nite"),
        ("xavier", "zavier"),
        ("webb", "wepp"),
    ],
)
def test_names_that_sound_alike_have_one_key(names: tuple[str, ...]) -> None:
    assert len({phonetic(name) for name in names}) == 1


@given(st.lists(st.text("abcdeghknpqrstuwxyz '-éß", max_size=10), min_size=1, max_size=8))
@example(["bbbba", "abbb", "ghghi", "cce", "aeb", "xx", "", "tschsch"])
def test_keys_in_bulk_are_those_one_by_one(names: list[str]) -> None:
    keys = phonetic_keys(pl.Series(names, dtype=pl.String)).to_list()
    assert keys == [phonetic(name) for name in names]


def test_nicknames_are_shared_within_a_group_only() -> None:
    names = [*list(nickname_groups())[:400], "zzyzx", "qwerty"]
    numbers = nickname_numbers(pl.Series(names))
    groups = [set(nickname_groups().get(name, ())) for name in names]
    left, right = np.divmod(np.arange(len(names) ** 2), len(names))
    expected = [bool(groups[a] & groups[b]) for a, b in zip(left, right, strict=True)]
    assert share_nickname(numbers[left], numbers[right]).tolist() == expected


@pytest.mark.parametrize(
    ("email", "given", "family", "expected"),
    [
        ("john.smith@a.com", "john", "smith", True),
        ("jsmith@a.com", "john", "smith", True),
        ("smithj+news@a.com", "john", "smith", True),
        ("john71@a.com", "john", "smith", True),
        ("maryann.lee@a.com", "mary ann", "lee", True),
        ("smith@a.com", None, "smith", True),
        ("jsmith@a.com", None, "smith", False),
        ("12345@a.com", None, "smith", False),
        ("captain@a.com", "john", "smith", False),
        ("captain@a.com", None, None, False),
    ],
)
def test_addresses_made_of_the_name(
    email: str, given: str | None, family: str | None, expected: bool
) -> None:
    emails = encode(pl.Series([email]))
    names = encode(pl.Series(["someone", given, family], dtype=pl.String))
    code: dict[str | None, Codes] = {
        value: np.array([i], dtype=np.int32) for i, value in enumerate(names.values)
    }
    code[None] = np.array([-1], dtype=np.int32)
    made = made_of_name(emails, emails.codes, names, code[given], code[family])
    assert bool(made[0]) == expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        # made of the names that both have: nothing new
        (("john smith", "john.smith@a.com"), ("john smith", "john.smith@b.org"), None),
        (("john smith", "john.smith@a.com"), ("john smith", "john_smith@a.com"), None),
        (("jon smith", "jon.smith@a.com"), ("john smith", "john.smith@a.com"), None),
        # a number tells two people of one name apart, and is evidence where it is the same
        (("john smith", "john71@a.com"), ("john smith", "john85@a.com"), "different"),
        (("john smith", "john.smith@a.com"), ("john smith", "john.smith1@a.com"), "different"),
        (("john smith", "john71@a.com"), ("john smith", "john71@b.org"), "local_part"),
        (("mary joens", "mary.jones29@a.com"), ("mary jiones", "mary.jones34@b.org"), "different"),
        # a slip, or a name nobody would guess, says something
        (("john smith", "john.smiht@a.com"), ("john smith", "john.smith@a.com"), "typo"),
        (("john smith", "captain@a.com"), ("john smith", "captain@b.org"), "local_part"),
        (("john smith", "john.smith@a.com"), ("john smith", "john.smith@a.com"), "exact"),
    ],
)
def test_what_an_address_says_beyond_the_name(
    profiles_of: Callable[..., Profiles],
    left: tuple[str, str],
    right: tuple[str, str],
    expected: str | None,
) -> None:
    people = [
        dict(zip(("given_name", "family_name"), name.split(), strict=True), email=email)
        for name, email in (left, right)
    ]
    profiles = profiles_of(people)
    for one, other in ((0, 1), (1, 0)):
        found = compare(profiles, np.array([one]), np.array([other]), PERSON)
        (email,) = (each for each in found if each.name == "email")
        level = int(email.levels[0])
        assert (PRIORS["email"].levels[level].name if level >= 0 else None) == expected
