"""Training: known parameters come back, nothing but content matters, few data keep the prior."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from matching import engine
from matching.model import AttributeModel, MatchModel, SegmentModel
from matching.priors import PRIORS
from matching.profiles import ORGANISATION, PERSON, Profiles
from matching.training import ordered_u

Person = Mapping[str, str | None]
Population = Callable[..., tuple[list[dict[str, str | None]], list[int]]]
Train = Callable[[list[Person]], MatchModel]


@pytest.fixture
def trained(profiles_of: Callable[..., Profiles], all_pairs: Callable[..., Any]) -> Train:
    def train(people: list[Person]) -> MatchModel:
        return engine.train(profiles_of(people), *all_pairs(len(people)), code_version="test")

    return train


def attribute(model: MatchModel, name: str) -> AttributeModel:
    segment: SegmentModel = model.segments[PERSON]
    return next(one for one in segment.attributes if one.name == name)


@pytest.mark.parametrize("different_phone", [0.05, 0.3])
def test_known_parameters_come_back(
    different_phone: float, trained: Train, population: Population
) -> None:
    records, truth = population(300, seed=11, different_phone=different_phone)
    model = trained(list(records))
    same, agree = 0, 0
    for i, one in enumerate(records):
        for j in range(i):
            if truth[i] == truth[j]:
                same += 1
                agree += one["phone"] == records[j]["phone"]
    phone = attribute(model, "phone")
    assert phone.m[-1] == pytest.approx(agree / same, abs=0.06)
    matches = model.segments[PERSON].prior_match * len(records) * (len(records) - 1) / 2
    assert matches == pytest.approx(same, rel=0.15)


def test_the_same_data_give_the_same_bytes_in_any_order(
    trained: Train, population: Population
) -> None:
    records, _ = population(120, seed=5)
    people: list[Person] = list(records)
    model = trained(people)
    assert trained(people).to_json() == model.to_json()
    shuffled = people.copy()
    random.Random(3).shuffle(shuffled)
    again = trained(shuffled)
    for mine, theirs in zip(
        model.segments[PERSON].attributes, again.segments[PERSON].attributes, strict=True
    ):
        np.testing.assert_allclose(mine.m, theirs.m, rtol=1e-9)
        np.testing.assert_allclose(mine.u, theirs.u, rtol=1e-9)
    assert again.version == model.version


def test_column_order_does_not_matter(trained: Train, population: Population) -> None:
    records, _ = population(80, seed=6)
    turned: list[Person] = [dict(reversed(record.items())) for record in records]
    assert trained(turned).to_json() == trained(list(records)).to_json()


def test_a_model_survives_json(trained: Train, population: Population) -> None:
    records, _ = population(60, seed=7)
    model = trained(list(records))
    assert MatchModel.from_json(model.to_json()).to_json() == model.to_json()


def test_two_records_keep_the_prior(trained: Train) -> None:
    people: list[Person] = [
        {"given_name": "ann", "family_name": "lee", "phone": "+14155550101"},
        {"given_name": "bob", "family_name": "kim", "phone": "+14155550199"},
    ]
    phone = attribute(trained(people), "phone")
    shipped = [level.m for level in PRIORS["phone"].levels]
    np.testing.assert_allclose(phone.m, shipped, atol=0.05)


def test_records_of_which_nothing_is_known_are_no_obstacle(trained: Train) -> None:
    people: list[Person] = [{"organisation": "acme"}, {"organisation": "apex"}, {}]
    model = trained(people)
    assert model.segments[PERSON].attributes == []
    assert model.segments[ORGANISATION].attributes


def test_who_lives_in_one_town_is_not_one_customer(
    profiles_of: Callable[..., Profiles], all_pairs: Callable[..., Any]
) -> None:
    """Nobody is there twice. Namesakes by given name in one town, with near postcodes, are all that
    look like matches; if they teach that family names change, they all become one."""
    chance = random.Random(5)
    letters = "abcdefghijklmnoprstuvw"
    towns = [("".join(chance.choices(letters, k=7)), 10_000 + 100 * at) for at in range(40)]
    given = ["".join(chance.choices(letters, k=6)) for _ in range(40)]
    people: list[Person] = []
    for _ in range(1500):
        town, postcode = chance.choice(towns)
        people.append(
            {
                "given_name": chance.choice(given),
                "family_name": "".join(chance.choices(letters, k=7)),
                "city": town,
                "postcode": str(postcode + chance.randrange(100)),
            }
        )
    profiles = profiles_of(people)
    left, right = all_pairs(len(people))
    met = np.array([p["city"] for p in people])
    first = np.array([p["given_name"] for p in people])
    blocked = (met[left] == met[right]) & (first[left] == first[right])
    left, right = left[blocked], right[blocked]
    model = engine.train(profiles, left, right, code_version="test")
    pairs = engine.ScoredPairs.joined(
        engine.match(
            profiles,
            model,
            (left, right, np.ones(len(left), dtype=np.int16)),
            engine.Judge(engine.ExactRules(), auto_merge=0.6, review=0.2),
        )
    )
    assert len(left) > 500
    assert (pairs.decision == 2).sum() == 0


def test_of_organisations_the_same_evidence_says_less(
    profiles_of: Callable[..., Profiles], all_pairs: Callable[..., Any]
) -> None:
    """Explanations and decisions are of one mind about it."""
    profiles = profiles_of([{"organisation": "acme"}, {"organisation": "apex"}, {"email": "a@b.c"}])
    model = engine.train(profiles, *all_pairs(3), code_version="test")
    weight = np.full(2, 1.0, dtype=np.float32)
    of_firms, of_persons = engine.probabilities(profiles, model, np.array([0, 2]), weight)
    assert of_firms < 0.5 < of_persons


def test_a_mailbox_of_two_is_not_taken_for_one_of_strangers(
    profiles_of: Callable[..., Profiles],
) -> None:
    """Each customer came twice, under one e-mail; every other moved, and nobody left a name twice.

    Who takes all pairs for strangers at first learns that strangers share e-mails, and it stays so.
    """
    chance = random.Random(8)
    people: list[Person] = []
    for who in range(30):
        name, once, then = ("".join(chance.choices("abdefgiklmnorst", k=7)) for _ in range(3))
        at_home = {"email": f"{name}@example.org", "street": f"{who + 1} {once} street"}
        moved = {"street": f"{who + 100} {then} street"} if who % 2 else {}
        people += [{**at_home, "given_name": once, "family_name": name}, {**at_home, **moved}]
    first = np.arange(0, len(people), 2)
    model = engine.train(profiles_of(people), first, first + 1, code_version="test")
    assert attribute(model, "email").u[-1] < 0.005


def test_nothing_trains_on_nothing(trained: Train) -> None:
    assert trained([]).segments == {}


def test_more_agreement_never_speaks_less() -> None:
    m, u = np.array([0.1, 0.2, 0.05, 0.65]), np.array([0.9, 0.01, 0.05, 0.04])
    ratios = m / ordered_u(m, u)
    assert (np.diff(ratios) >= -1e-12).all()


def test_an_irrelevant_column_changes_no_decision(
    population: Population,
    profiles_of: Callable[..., Profiles],
    all_pairs: Callable[..., Any],
) -> None:
    records, truth = population(150, seed=9)
    rng = np.random.default_rng(1)
    noisy: list[Person] = [r | {"coin": str(rng.choice(["heads", "tails"]))} for r in records]
    left, right = all_pairs(len(records))
    outcomes = []
    for people, types in ((list(records), {}), (noisy, {"coin": "category"})):
        profiles = profiles_of(people, types)
        model = engine.train(profiles, left, right, code_version="test")
        parts = engine.match(
            profiles,
            model,
            (left, right, np.ones(len(left), dtype=np.int16)),
            engine.Judge(engine.ExactRules(), auto_merge=0.6, review=0.2),
        )
        pairs = engine.ScoredPairs.joined(parts)
        outcomes.append(pairs.decision == 2)
    same = np.array(truth)[left] == np.array(truth)[right]
    changed = (outcomes[0] != outcomes[1]).sum()
    assert changed <= 0.02 * same.sum()


def test_columns_that_tell_nothing_say_nothing_in_a_small_file(
    population: Population, profiles_of: Callable[..., Profiles], all_pairs: Callable[..., Any]
) -> None:
    """A number per record is no customer number, and when a record was made is no birth date."""
    records, _ = population(20, seed=9)
    rng = np.random.default_rng(1)
    noisy: list[Person] = [
        record
        | {
            "coin": str(rng.choice(["heads", "tails"])),
            "made": f"{rng.integers(2019, 2024)}-{rng.integers(1, 13):02d}-{rng.integers(1, 29)}",
            "customer_number": f"K{number:07d}",
        }
        for number, record in enumerate(records)
    ]
    profiles = profiles_of(noisy, {"coin": "category", "made": "date"})
    model = engine.train(profiles, *all_pairs(len(noisy)), code_version="test")
    common = {"coin": [0, 1], "made": [1, 2], "customer_number": [0]}
    for name, levels in common.items():
        one = attribute(model, name)
        bits = np.log2(np.array(one.m)[levels] / np.array(one.u)[levels])
        assert np.abs(bits).max() < 1.0, name


def test_a_column_that_tells_customers_apart_is_learnt(
    population: Population, profiles_of: Callable[..., Profiles], all_pairs: Callable[..., Any]
) -> None:
    records, truth = population(150, seed=9)
    rng = np.random.default_rng(1)
    trade = [str(rng.integers(10)) for _ in range(150)]
    told: list[Person] = [r | {"trade": trade[who]} for r, who in zip(records, truth, strict=True)]
    profiles = profiles_of(told, {"trade": "category"})
    model = engine.train(profiles, *all_pairs(len(told)), code_version="test")
    assert attribute(model, "trade").m[1] > 0.8


@pytest.mark.parametrize("n", [5, 10, 30, 100])
@pytest.mark.parametrize(
    "person",
    [
        lambda n: {"given_name": "anna", "family_name": f"keller{n}", "email": f"a{n}@x.org"},
        lambda n: {
            "given_name": f"first{n}",
            "family_name": f"last{n}",
            "email": f"first{n}.last{n}@x.org",
            "phone": f"+1555123{n:04}",
        },
    ],
    ids=["one given name", "all numbered"],
)
def test_people_who_were_numbered_stay_apart(
    person: Callable[[int], Person],
    n: int,
    profiles_of: Callable[..., Profiles],
    all_pairs: Callable[..., Any],
    trained: Train,
) -> None:
    """All are alike in the same way: nothing in such a file says that likeness means little."""
    people = [person(number) for number in range(n)]
    left, right = all_pairs(n)
    parts = engine.match(
        profiles_of(people),
        trained(people),
        (left, right, np.ones(len(left), dtype=np.int16)),
        engine.Judge(engine.ExactRules(), auto_merge=0.6, review=0.2),
    )
    assert not (engine.ScoredPairs.joined(parts).decision == 2).any()
