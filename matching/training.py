"""Training without labels: u from random pairs, m by expectation maximisation, priors for the rest.

The model is that of Fellegi and Sunter (1969) with the estimation of Winkler (1988): pairs are a
mixture of classes within which attributes are independent. Differences from the usual recipe, and
why:

* Three classes instead of two. Related customers (households, branches) agree on surname, address
  and phone although they are different customers; as strangers they would look like matches.
* The expectation runs over the union of all candidate pairs *as part of all pairs*, with u fixed
from
  random pairs, so that a blocking rule does not bias the attributes it blocks on.
* u is cleaned of matches: a random pair counts by its probability of being none. In a file with ten
  records per customer most agreeing random pairs are matches.
* The chance that strangers share a value is learnt per value, from the pairs that share it and are
  not matches. So an e-mail address held by many different people loses its weight without a list.
* Every estimate is drawn towards the shipped priors by a fixed number of pseudo-observations, and
  kept in the order of the levels; an attribute without data keeps its prior and says so.

All sums run in the order of fingerprints, so the rows may come in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from matching.levels import Compared, compare
from matching.model import AttributeModel, SegmentModel
from matching.priors import PRIORS, TypePrior
from matching.profiles import ORGANISATION, PERSON, Profiles

RANDOM_PAIRS = 300_000
TRAINING_PAIRS = 250_000
PRIOR_PAIRS_M = 40.0
PRIOR_PAIRS_U = 2_000.0
EM_STEPS = 25
ROUNDS = 3
FREQUENT_VALUES = 3_000
SMALLEST = 1e-9
LEAST_RELATED = 0.25
"""The fewest related pairs assumed per matching pair, where persons have a phone or a street."""

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]


def random_pairs(
    profiles: Profiles, members: Positions, seed: int = 20
) -> tuple[Positions, Positions]:
    """Pairs of different ``members``: all of them when few, else a seeded sample by fingerprint."""
    ordered = members[np.argsort(profiles.rank[members], kind="stable")]
    n = len(ordered)
    if n * (n - 1) // 2 <= RANDOM_PAIRS:
        left, right = np.triu_indices(n, 1)
    else:
        generator = np.random.default_rng(seed)
        left = generator.integers(0, n, RANDOM_PAIRS)
        right = (left + generator.integers(1, n, RANDOM_PAIRS)) % n
    return ordered[left], ordered[right]


class _Attribute:
    """One attribute in training: its prior, its current estimates, its values' frequencies."""

    def __init__(self, compared: Compared) -> None:
        self.name, self.type = compared.name, compared.type
        self.prior: TypePrior = PRIORS[compared.type]
        levels = self.prior.levels
        self.conditions = np.array([level.given for level in levels])
        self.m = np.array([level.m for level in levels])
        self.u = np.array([level.u for level in levels])
        self.u_of_code: Floats | None = None
        self.column = compared.column
        self.codes = compared.codes
        self.notes: list[str] = []

    @cached_property
    def holders(self) -> NDArray[np.int64]:
        """How many profiles hold each distinct value."""
        assert self.column is not None
        assert self.codes is not None
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.column.text))

    @property
    def h(self) -> Floats:
        """Likelihoods under "related": shipped where the type says so, else as for strangers."""
        shipped = [level.h for level in self.prior.levels]
        return np.array([u if h is None else h for h, u in zip(shipped, self.u, strict=True)])

    def log_u(self, compared: Compared) -> Floats:
        """Log likelihood under strangers per pair, by value where the value is common."""
        table = np.append(np.log(np.maximum(self.u, SMALLEST)), 0.0)
        out: Floats = table[compared.levels]
        level = self.prior.frequency_level
        if self.u_of_code is not None and level is not None and compared.values is not None:
            at = np.flatnonzero(compared.levels == level)
            out[at] = np.log(self.u_of_code[compared.values[at]])
        return out

    def log_h(self, compared: Compared, log_u: Floats) -> Floats:
        """Log likelihood under related customers per pair."""
        if all(level.h is None for level in self.prior.levels):
            return log_u
        table = np.append(np.log(np.maximum(self.h, SMALLEST)), 0.0)
        out: Floats = table[compared.levels]
        return out

    def estimate(self, counts: Floats, prior: Floats, strength: float) -> Floats:
        """Level shares from weighted counts, each condition drawn towards its prior."""
        out = prior.copy()
        for condition in np.unique(self.conditions):
            mine = self.conditions == condition
            base = prior[mine] / prior[mine].sum()
            total = counts[mine].sum() + strength
            out[mine] = (counts[mine] + strength * base) / total
        return out


def level_counts(compared: Compared, weights: Floats | None, size: int) -> Floats:
    """Weighted number of pairs per level; absent pairs do not count."""
    return np.bincount(compared.levels + 1, weights=weights, minlength=size + 1).astype(np.float64)[
        1 : size + 1
    ]


def train_segment(profiles: Profiles, kind: str, left: Positions, right: Positions) -> SegmentModel:
    """The model of the customers of ``kind``, from candidate pairs (positions) and random pairs."""
    members = np.flatnonzero(profiles.is_organisation == (kind == ORGANISATION))
    own = profiles.is_organisation[left] == (kind == ORGANISATION)
    own &= profiles.is_organisation[left] == profiles.is_organisation[right]
    left, right = left[own], right[own]
    candidate_n = len(left)
    left, right = _sample(profiles, left, right)
    share = len(left) / candidate_n if candidate_n else 1.0
    pool = random_pairs(profiles, members)
    random = compare(profiles, *pool, kind)
    candidates = compare(profiles, left, right, kind)
    attributes = [_Attribute(one) for one in candidates]
    n = len(members)
    all_pairs = max(n * (n - 1) / 2.0, 1.0)
    # Before data speak: every second profile has one partner, and a third as many have relatives.
    expected = 0.5 * n / all_pairs
    state = _State(
        match=expected,
        related=expected / 3.0,
        all_pairs=all_pairs * share,
        prior_pairs=max(n / 20.0, 5.0),
        has_households=kind == PERSON and any(a.name in ("phone", "street") for a in attributes),
    )
    posterior_random: Floats = np.zeros(len(pool[0]))
    posterior: Floats = np.zeros(len(left))
    for round_ in range(ROUNDS):
        for attribute, one, pairs in zip(attributes, random, candidates, strict=True):
            _estimate_u(attribute, one, 1.0 - posterior_random)
            _estimate_value_frequencies(attribute, pairs, posterior / share, n)
            _order_levels(attribute)
        posterior = _maximise(attributes, candidates, state)
        posterior_random = _posterior(attributes, random, state)
        if round_ == ROUNDS - 1:
            break
    return SegmentModel(
        kind=kind,
        attributes=[_finish(attribute) for attribute in attributes],
        prior_match=float(state.match),
        prior_related=float(state.related),
        profiles_n=n,
        pairs_n=candidate_n,
    )


@dataclass
class _State:
    match: float
    related: float
    all_pairs: float
    prior_pairs: float
    has_households: bool


def _sample(profiles: Profiles, left: Positions, right: Positions) -> tuple[Positions, Positions]:
    """At most TRAINING_PAIRS pairs in an order, and a choice, that depend on fingerprints only."""
    low = np.minimum(profiles.rank[left], profiles.rank[right])
    high = np.maximum(profiles.rank[left], profiles.rank[right])
    # one number per pair sorts as (low, high) does, several times faster than by two keys
    order = np.argsort(low.astype(np.int64) * len(profiles) + high, kind="stable")
    if len(order) > TRAINING_PAIRS:
        generator = np.random.default_rng(7)
        chosen = np.sort(generator.choice(len(order), TRAINING_PAIRS, replace=False))
        order = order[chosen]
    return left[order], right[order]


def _estimate_u(attribute: _Attribute, compared: Compared, weights: Floats) -> None:
    prior = np.array([level.u for level in attribute.prior.levels])
    counts = level_counts(compared, weights, len(prior))
    # What holds under a condition (same street) is too rare among random pairs: the prior stays.
    counts[attribute.conditions > 0] = 0.0
    attribute.u = attribute.estimate(counts, prior, PRIOR_PAIRS_U)


def _estimate_value_frequencies(
    attribute: _Attribute, compared: Compared, posterior: Floats, n: int
) -> None:
    """Learn how likely strangers share each value: pairs that share it and are no match, of all.

    A value that k of n profiles hold makes k(k-1)/2 pairs; the expected matches among the
    candidates are taken off. Values held once or only by one customer get the common rate of rare
    values.
    """
    level = attribute.prior.frequency_level
    if level is None or compared.values is None:
        return
    counts = attribute.holders.astype(np.float64)
    at = np.flatnonzero(compared.levels == level)
    matched = np.bincount(compared.values[at], weights=posterior[at], minlength=len(counts))
    pairs = counts * (counts - 1) / 2.0
    strange = np.maximum(pairs - matched, 0.0)
    filled = max(counts.sum(), 1.0)
    prior_u = attribute.prior.levels[level].u
    overall = (2 * strange.sum() + PRIOR_PAIRS_U * prior_u) / (filled**2 + PRIOR_PAIRS_U)
    attribute.u[level] = overall
    # One pseudo-holder with the overall chance keeps the estimate away from zero.
    rate = (2 * strange + counts * 0.0 + filled * overall) / (counts * filled + filled)
    attribute.u_of_code = np.clip(rate, 1e-7, 0.9)


def _order_levels(attribute: _Attribute) -> None:
    """Put u in the order of the levels; at the top level that of the rarest value counts."""
    u = attribute.u.copy()
    top = attribute.prior.frequency_level
    if top is not None and attribute.u_of_code is not None and attribute.u_of_code.size:
        u[top] = min(u[top], float(np.min(attribute.u_of_code)))
    for condition in np.unique(attribute.conditions):
        mine = np.flatnonzero(attribute.conditions == condition)
        mended = ordered_u(attribute.m[mine], u[mine])
        keep = mine == (-1 if top is None else top)
        attribute.u[mine] = np.where(keep, attribute.u[mine], mended)


def _maximise(attributes: list[_Attribute], pairs: list[Compared], state: _State) -> Floats:
    """Match probabilities of ``pairs`` after EM; updates each attribute's m and the state."""
    log_u = [a.log_u(c) for a, c in zip(attributes, pairs, strict=True)]
    log_h = [a.log_h(c, u) for a, c, u in zip(attributes, pairs, log_u, strict=True)]
    size = len(pairs[0].levels)
    total_u, total_h = sum(log_u, np.zeros(size)), sum(log_h, np.zeros(size))
    posterior: Floats = np.zeros(size)
    for _ in range(EM_STEPS):
        total_m = _log_m(attributes, pairs)
        posterior, related = _bayes(total_m, total_h, total_u, state)
        for attribute, compared in zip(attributes, pairs, strict=True):
            prior = np.array([level.m for level in attribute.prior.levels])
            counts = level_counts(compared, posterior, len(prior))
            attribute.m = attribute.estimate(counts, prior, PRIOR_PAIRS_M)
        match = (posterior.sum() + 0.5 * state.prior_pairs) / state.all_pairs
        kin = (related.sum() + 0.2 * state.prior_pairs) / state.all_pairs
        state.match = min(match, 0.5)
        # A file in which nobody seems related yet will meet its first household tomorrow.
        least = LEAST_RELATED * state.match if state.has_households else 0.0
        state.related = min(max(kin, least), 2 * state.match, 0.4)
    return posterior


def ordered_u(m: Floats, u: Floats) -> Floats:
    """u such that more agreement never speaks less for a match: neighbours that do are pooled.

    The pool-adjacent-violators algorithm (Ayer et al. 1955) on m/u. The sparse middle levels, for
    which random pairs rarely give an honest u, are the ones that it mends.
    """
    pools: list[tuple[float, float, int]] = []
    for one_m, one_u in zip(m.tolist(), u.tolist(), strict=True):
        pool = (one_m, max(one_u, SMALLEST), 1)
        while pools and pools[-1][0] / pools[-1][1] > pool[0] / pool[1]:
            last = pools.pop()
            pool = (last[0] + pool[0], last[1] + pool[1], last[2] + pool[2])
        pools.append(pool)
    ratios = np.concatenate([np.full(size, pool_m / pool_u) for pool_m, pool_u, size in pools])
    mended: Floats = np.maximum(m / ratios, SMALLEST)
    return mended


def _log_m(attributes: list[_Attribute], pairs: list[Compared]) -> Floats:
    total: Floats = np.zeros(len(pairs[0].levels))
    for attribute, compared in zip(attributes, pairs, strict=True):
        total += np.append(np.log(np.maximum(attribute.m, SMALLEST)), 0.0)[compared.levels]
    return total


def _bayes(m: Floats, h: Floats, u: Floats, state: _State) -> tuple[Floats, Floats]:
    match = np.log(state.match) + m
    related = np.log(max(state.related, 1e-12)) + h
    strangers = np.log(max(1.0 - state.match - state.related, 1e-12)) + u
    top = np.maximum(np.maximum(match, related), strangers)
    total = np.exp(match - top) + np.exp(related - top) + np.exp(strangers - top)
    return np.exp(match - top) / total, np.exp(related - top) / total


def _posterior(attributes: list[_Attribute], pairs: list[Compared], state: _State) -> Floats:
    size = len(pairs[0].levels)
    log_u = [a.log_u(c) for a, c in zip(attributes, pairs, strict=True)]
    log_h = [a.log_h(c, u) for a, c, u in zip(attributes, pairs, log_u, strict=True)]
    return _bayes(
        _log_m(attributes, pairs),
        sum(log_h, np.zeros(size)),
        sum(log_u, np.zeros(size)),
        state,
    )[0]


def _finish(attribute: _Attribute) -> AttributeModel:
    column = attribute.column
    frequent: dict[str, float] = {}
    level = attribute.prior.frequency_level
    if attribute.u_of_code is not None and column is not None and level is not None:
        rates = attribute.u_of_code
        few = rates[attribute.holders <= 2]
        rare = float(np.median(few if few.size else rates)) if rates.size else SMALLEST
        common = np.flatnonzero(rates > 1.5 * rare)
        order = sorted(common.tolist(), key=lambda code: (-rates[code], column.values[code]))
        frequent = {column.values[code]: float(rates[code]) for code in order[:FREQUENT_VALUES]}
        attribute.u[level] = rare
    return AttributeModel(
        name=attribute.name,
        type=attribute.type,
        levels=[one.name for one in attribute.prior.levels],
        m=attribute.m.tolist(),
        u=attribute.u.tolist(),
        h=attribute.h.tolist(),
        frequency_level=level,
        u_of_value=dict(sorted(frequent.items())),
        notes=attribute.notes,
    )
