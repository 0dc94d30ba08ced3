"""Stories a steward would tell: who must be one customer, who must not, and who waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from matching import engine
from matching.profiles import Profiles
from matching.rules import RULES_MODEL, ExactRules

Person = Mapping[str, str | None]
Decisions = dict[tuple[int, int], str]
Decide = Callable[..., Decisions]


@pytest.fixture(scope="module")
def crowd(population: Callable[..., Any]) -> list[Person]:
    """The rest of the customer base, for the model to learn from."""
    return list(population(150, seed=21)[0])


@pytest.fixture(scope="module")
def decide(
    profiles_of: Callable[..., Profiles], all_pairs: Callable[..., Any], crowd: list[Person]
) -> Decide:
    """A function to the decision on each pair of people who live among the crowd."""

    def decisions(people: list[Person], rules: ExactRules | None = None) -> Decisions:
        profiles = profiles_of([*people, *crowd])
        left, right = all_pairs(len(profiles))
        parts = engine.match(
            profiles,
            engine.train(profiles, left, right, code_version="test"),
            (left, right, np.ones(len(left), dtype=np.int16)),
            engine.Judge(rules or ExactRules(), auto_merge=0.6, review=0.2),
        )
        pairs = engine.ScoredPairs.joined(parts)
        n = len(people)
        return {
            (int(a), int(b)): engine.DECISIONS[d]
            for a, b, d in zip(pairs.left, pairs.right, pairs.decision, strict=True)
            if a < n and b < n
        }

    return decisions


def person(**values: str) -> Person:
    home = {"phone": "+14155550101", "street": "12 plum street", "family_name": "ashworth"}
    return {**home, "given_name": "henry", "date_of_birth": "1960-04-17", **values}


def test_the_same_person_with_a_typo_and_a_new_phone_is_one(decide: Decide) -> None:
    found = decide([person(), person(given_name="hnery", phone="+14155550999")])
    assert found[0, 1] == "AUTO_MERGE"


def test_a_nickname_is_the_same_person(decide: Decide) -> None:
    assert decide([person(), person(given_name="harry")])[0, 1] == "AUTO_MERGE"


def test_spouses_share_everything_but_themselves(decide: Decide) -> None:
    wife = person(given_name="ethel", date_of_birth="1962-11-03")
    assert decide([person(), wife])[0, 1] == "REJECT"


def test_spouses_without_birth_dates_are_not_merged(decide: Decide) -> None:
    husband, wife = dict(person()), dict(person(given_name="ethel"))
    del husband["date_of_birth"], wife["date_of_birth"]
    assert decide([husband, wife])[0, 1] == "REJECT"


def test_father_and_son_of_one_name_are_not_merged(decide: Decide) -> None:
    son = person(date_of_birth="1988-09-30")
    assert decide([person(), son])[0, 1] != "AUTO_MERGE"


def test_junior_and_senior_are_not_merged(decide: Decide) -> None:
    people = [person(name_suffix="sr"), person(name_suffix="jr", date_of_birth="1988-09-30")]
    assert decide(people)[0, 1] == "REJECT"


def test_twins_are_not_merged(decide: Decide) -> None:
    assert decide([person(), person(given_name="george")])[0, 1] != "AUTO_MERGE"


def test_a_shared_mailbox_merges_nobody(decide: Decide, crowd: list[Person]) -> None:
    mail = "info@firm.com"
    people = [{**one, "email": mail} for one in crowd[::3]]
    found = decide([{**one, "phone": None, "street": None} for one in people])
    names = [(one["given_name"], one["family_name"]) for one in people]
    merged = [pair for pair, decision in found.items() if decision == "AUTO_MERGE"]
    assert all(names[a] == names[b] or people[a]["date_of_birth"] for a, b in merged)
    strangers = [
        pair
        for pair in found
        if names[pair[0]][0][0] != names[pair[1]][0][0] and names[pair[0]][1] != names[pair[1]][1]
    ]
    assert strangers
    assert {found[pair] for pair in strangers} <= {"REJECT"}


def test_a_person_and_an_organisation_are_never_one(decide: Decide) -> None:
    company: Person = {
        "organisation": "ashworth",
        "phone": "+14155550101",
        "street": "12 plum street",
    }
    assert decide([person(), company])[0, 1] == "REJECT"


def test_exact_rules_outrank_the_model(decide: Decide) -> None:
    left = person(tax_id="111222333")
    far = {"given_name": "zoe", "family_name": "quill", "tax_id": "111222333"}
    assert decide([left, far], ExactRules(always=(("tax_id",),)))[0, 1] == "AUTO_MERGE"
    twin = person(tax_id="999888777")
    assert decide([left, twin], ExactRules(never=(("tax_id",),)))[0, 1] == "REJECT"


@pytest.mark.parametrize(
    ("one", "other", "met"),
    [
        ({"email": "a@b.de"}, {"email": "a@b.de"}, True),
        ({"phone": "5550101"}, {"phone": "5550101"}, True),
        (
            {"given_name": "ann", "family_name": "lee"},
            {"given_name": "ann", "family_name": "lee"},
            True,
        ),
        ({"email": None, "phone": "1"}, {"email": None, "phone": "2"}, False),
    ],
)
def test_the_model_of_rules(
    one: Person, other: Person, met: bool, profiles_of: Callable[..., Profiles]
) -> None:
    profiles = profiles_of([one, other])
    pairs = engine.match_by_rules(profiles, ExactRules(), RULES_MODEL)
    assert (pairs.decision.tolist() == [2]) is met
