"""The mixture by groups of pairs against Bayes' rule written out pair by pair."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from matching.encode import Column, encode
from matching.levels import Compared
from matching.mixture import Attribute, Pairs, State, bayes
from matching.priors import PRIORS

STATE = State(match=0.01, related=0.003, all_pairs=1e6, prior_pairs=5.0, has_relatives=True)


def compared(types: tuple[str, ...], pairs_n: int, seed: int) -> list[Compared]:
    """Random levels of random values in attributes of these types."""
    rng = np.random.default_rng(seed)
    found = []
    for number, kind in enumerate(types):
        column: Column = encode(pl.Series([f"value {i}" for i in range(40)]))
        levels = rng.integers(-1, len(PRIORS[kind].levels), pairs_n).astype(np.int8)
        values = rng.integers(0, 40, pairs_n).astype(np.int32)
        found.append(Compared(f"{kind}_{number}", kind, levels, column, values, column.codes))
    return found


def bayes_pair_by_pair(
    pairs: list[Compared], attributes: list[Attribute], excess: np.ndarray
) -> tuple[list[float], list[float]]:
    """Probabilities of one customer and of related ones, from likelihoods multiplied out."""
    matches, relatives = [], []
    for row in range(len(pairs[0].levels)):
        one, kin = STATE.match, STATE.related
        strangers = 1 - STATE.match - STATE.related
        for compared_, attribute in zip(pairs, attributes, strict=True):
            level = int(compared_.levels[row])
            if level < 0:
                continue
            u = attribute.u[level]
            if level == attribute.prior.frequency_level and attribute.u_of_code is not None:
                assert compared_.values is not None
                u = attribute.u_of_code[compared_.values[row]]
            one *= attribute.m[level]
            kin *= attribute.h[level] if attribute.is_shipped_for_related else u
            strangers *= u
        names = pairs[0].full_names
        strangers *= excess[names[row]] if names is not None and names[row] >= 0 else 1.0
        matches.append(one / (one + kin + strangers))
        relatives.append(kin / (one + kin + strangers))
    return matches, relatives


@pytest.mark.parametrize(
    "types",
    [
        ("phone",),
        ("given_name", "family_name", "date", "email"),
        ("gender", "middle_name", "text", "category", "number") * 3,
    ],
)
def test_groups_give_what_pairs_give(types: tuple[str, ...]) -> None:
    found = compared(types, 400, seed=len(types))
    attributes = [Attribute(one) for one in found]
    rng = np.random.default_rng(4)
    for attribute in attributes[::2]:
        attribute.u_of_code = rng.uniform(1e-7, 0.2, 40)
    found[0].full_names = rng.integers(-1, 30, 400).astype(np.int32)
    excess = rng.uniform(1.0, 50.0, 30)
    pairs = Pairs(found)
    match, related = bayes(pairs, pairs.others(attributes, excess), pairs.log_m(attributes), STATE)
    expected = bayes_pair_by_pair(found, attributes, excess)
    np.testing.assert_allclose(match, np.array(expected[0])[pairs.order], rtol=1e-9)
    np.testing.assert_allclose(related, np.array(expected[1])[pairs.order], rtol=1e-9)
    assert pairs.sums(match).sum() == pytest.approx(match.sum())


def test_many_sure_attributes_stay_numbers() -> None:
    found = compared(("identifier",) * 60, 50, seed=1)
    for one in found:
        one.levels[:] = len(PRIORS["identifier"].levels) - 1
        one.levels[::2] = 0
    attributes = [Attribute(one) for one in found]
    pairs = Pairs(found)
    match, _ = bayes(pairs, pairs.others(attributes, np.ones(0)), pairs.log_m(attributes), STATE)
    in_order = np.empty_like(match)
    in_order[pairs.order] = match
    assert in_order[0] == pytest.approx(0.0, abs=1e-12)
    assert in_order[1] == pytest.approx(1.0)


def test_no_pairs_have_no_groups() -> None:
    found = compared(("phone", "email"), 0, seed=0)
    attributes = [Attribute(one) for one in found]
    pairs = Pairs(found)
    match, related = bayes(
        pairs, pairs.others(attributes, np.ones(0)), pairs.log_m(attributes), STATE
    )
    assert len(match) == len(related) == len(pairs.sums(match)) == 0


@pytest.mark.parametrize(
    ("name", "counted", "learnt"),
    [
        ("given_name", 0.5, 0.06),
        ("given_name", 0.01, 0.01),
        ("family_name", 0.9, 0.25),
        ("family_name", 0.2, 0.2),
    ],
)
def test_neither_relatives_nor_strangers_teach_that_names_change(
    name: str, counted: float, learnt: float
) -> None:
    """Whatever the pairs say; the other levels keep their proportions, and all add up to one."""
    part = Attribute(compared((name,), 1, seed=1)[0])
    counts = np.zeros(len(part.prior.levels))
    counts[[0, -1]] = counted * 1e6, (1.0 - counted) * 1e6
    m = part.estimate_m(counts, 40.0)
    assert m.sum() == pytest.approx(1.0)
    assert m[0] == pytest.approx(learnt, rel=0.01)
    free = part.estimate(counts, np.array([level.m for level in part.prior.levels]), 40.0)
    np.testing.assert_allclose(m[1:] / m[-1], free[1:] / free[-1])
