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
* Full names that strangers share more often than their parts say lose the difference
  (:mod:`matching.namesakes`).
* Every estimate is drawn towards the shipped priors by a fixed number of pseudo-observations, and
  kept in the order of the levels; an attribute without data keeps its prior and says so.

All sums run in the order of fingerprints, so the rows may come in any order.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from matching.comparisons import Levels
from matching.distances import WORKERS
from matching.levels import Compared, compare
from matching.mixture import SMALLEST, Attribute, Floats, Others, Pairs, State, Valued, bayes
from matching.model import AttributeModel, SegmentModel
from matching.namesakes import Namesakes
from matching.priors import UNTOLD
from matching.profiles import ORGANISATION, Profiles

RANDOM_PAIRS = 300_000
TRAINING_PAIRS = 250_000
PRIOR_PAIRS_M = 40.0
PRIOR_PAIRS_U = 2_000.0
PRIOR_PAIRS_GIVEN = 100.0
"""Fewer under a condition (near postcodes, one street), of which few random pairs are."""
EM_STEPS = 25
ROUNDS = 3
FREQUENT_VALUES = 3_000
LEAST_RELATED = 0.25
"""The fewest related pairs assumed per matching pair, where there are phones or streets …"""
UNSEEN_RELATED = 5_000.0
"""… until so many matching pairs, with which it has halved, were seen with fewer than that."""
MOST_RELATED = 10.0
"""The most related pairs assumed per matching pair: of four who live together and are there twice
each, every one has six."""

Positions = NDArray[np.int64]


def random_pairs(
    profiles: Profiles, members: Positions, seed: int = 20
) -> tuple[Positions, Positions]:
    """Pairs of different ``members``: all of them when few, else a seeded sample by fingerprint."""
    is_member = np.zeros(len(profiles), dtype=bool)
    is_member[members] = True
    ordered = _by_rank(profiles)
    ordered = ordered[is_member[ordered]]
    n = len(ordered)
    if n * (n - 1) // 2 <= RANDOM_PAIRS:
        left, right = np.triu_indices(n, 1)
    else:
        generator = np.random.default_rng(seed)
        left = generator.integers(0, n, RANDOM_PAIRS)
        right = (left + generator.integers(1, n, RANDOM_PAIRS)) % n
    return ordered[left], ordered[right]


def train_segment(profiles: Profiles, kind: str, left: Positions, right: Positions) -> SegmentModel:
    """The model of the customers of ``kind``, from candidate pairs (positions) and random pairs."""
    is_own = profiles.is_organisation == (kind == ORGANISATION)
    members = np.flatnonzero(is_own)
    if len(members) < len(profiles):
        own = is_own[left] & is_own[right]
        left, right = left[own], right[own]
    candidate_n = len(left)
    pool = random_pairs(profiles, members)
    with ThreadPoolExecutor(1) as sampling:  # while random pairs make the tables of values
        sampled = sampling.submit(_sample, profiles, left, right)
        of_random = compare(profiles, *pool, kind, workers=WORKERS)
        left, right = sampled.result()
    share = len(left) / candidate_n if candidate_n else 1.0
    compared = compare(profiles, left, right, kind, workers=WORKERS)
    n = len(members)
    all_pairs = max(n * (n - 1) / 2.0, 1.0)
    # Before data speak: every second profile has one partner, and a third as many have relatives.
    expected = 0.5 * n / all_pairs
    if not compared:  # records of which nothing is known
        return SegmentModel(kind, [], min(expected, 0.5) / 2, expected / 6.0, profiles_n=n)
    attributes = _attributes(profiles, compared, kind)
    random, candidates = Pairs(of_random), Pairs(compared)
    state = State(
        match=expected,
        related=expected / 3.0,
        all_pairs=all_pairs * share,
        prior_pairs=max(n / 20.0, 5.0),
        has_relatives=any(one.name in ("phone", "street") for one in attributes),
    )
    namesakes = Namesakes(profiles, members)
    posterior_random: Floats = np.zeros(len(random))
    posterior: Floats = np.zeros(len(candidates))
    shipped = candidates.others(attributes, namesakes.excess)
    first_guess = bayes(candidates, shipped, candidates.log_m(attributes), state)[0]
    for round_ in range(ROUNDS):
        if round_:
            others = random.others(attributes, namesakes.excess)
            posterior_random = bayes(random, others, random.log_m(attributes), state)[0]
        strangers = random.sums(1.0 - posterior_random)
        for place, attribute in enumerate(attributes):
            _estimate_u(attribute, random.levels[place], strangers)
            # Strangers share names, and before the first round all are taken for strangers there.
            # Who took them so everywhere would learn that strangers share e-mails, once for all.
            guessed = not round_ and attribute.name not in ("given_name", "family_name")
            matching = first_guess if guessed else posterior
            _estimate_value_frequencies(attribute, candidates.valued[place], matching / share, n)
            _order_levels(attribute)
            if attribute.is_untold and not round_:
                attribute.forget()
        namesakes.learn(attributes, candidates.namesakes, posterior)
        posterior = _maximise(
            attributes, candidates, candidates.others(attributes, namesakes.excess), state
        )
    finished = [_finish(attribute) for attribute in attributes]
    return SegmentModel(
        kind=kind,
        attributes=finished,
        namesake_bits=namesakes.bits(finished),
        prior_match=float(state.match),
        prior_related=float(state.related),
        profiles_n=n,
        pairs_n=candidate_n,
    )


def _attributes(profiles: Profiles, compared: list[Compared], kind: str) -> list[Attribute]:
    """The attributes in training, with what is believed of each.

    Nothing is believed of a further attribute whose type does not tell what it is, if there are
    others to learn it with; nor of numbers that no two records share, which are those of records
    rather than of customers.
    """
    further = profiles.extra_types
    is_told = [one.name not in further or one.type not in UNTOLD for one in compared]

    def is_untold(one: Compared, told: bool) -> bool:
        if not told:
            return any(is_told)
        is_own = one.name in further or one.name == "customer_number"
        return is_own and one.type == "identifier" and not _is_shared(one)

    return [
        Attribute(one, kind, is_further=one.name in further, is_untold=is_untold(one, told))
        for one, told in zip(compared, is_told, strict=True)
    ]


def _is_shared(one: Compared) -> bool:
    """Whether two profiles share a value of the attribute."""
    assert one.codes is not None
    return bool(np.bincount(one.codes[one.codes >= 0]).max(initial=0) > 1)


def _sample(profiles: Profiles, left: Positions, right: Positions) -> tuple[Positions, Positions]:
    """At most TRAINING_PAIRS pairs in an order, and a choice, that depend on fingerprints only.

    Of each pair the side comes first whose fingerprint does.
    """
    one, other = profiles.rank[left], profiles.rank[right]
    # One number per pair: it sorts several times faster than a pair, and can be taken apart again.
    n = len(profiles)
    keys = np.minimum(one, other)
    keys *= n
    keys += np.maximum(one, other)
    keys.sort()
    if len(keys) > TRAINING_PAIRS:
        generator = np.random.default_rng(7)
        keys = keys[np.sort(generator.choice(len(keys), TRAINING_PAIRS, replace=False))]
    ordered = _by_rank(profiles)
    first, second = np.divmod(keys, n)
    return ordered[first], ordered[second]


def _by_rank(profiles: Profiles) -> Positions:
    """The positions of all profiles in the order of their fingerprints."""
    ordered = np.empty(len(profiles), dtype=np.int64)
    ordered[profiles.rank] = np.arange(len(profiles))
    return ordered


def _estimate_u(attribute: Attribute, levels: Levels, strangers: Floats) -> None:
    prior = np.array([level.u for level in attribute.prior.levels])
    counts = _level_counts(levels, strangers, len(prior))
    attribute.u = attribute.estimate(counts, prior, PRIOR_PAIRS_U, PRIOR_PAIRS_GIVEN)


def _level_counts(levels: Levels, weights: Floats, size: int) -> Floats:
    """The weight at each of ``size`` levels; absent values do not count."""
    counts = np.bincount(levels + 1, weights=weights, minlength=size + 1)
    return counts.astype(np.float64)[1 : size + 1]


def _estimate_value_frequencies(
    attribute: Attribute,
    valued: Valued | None,
    posterior: Floats,
    n: int,
) -> None:
    """Learn how likely strangers share each value: pairs that share it and are no match, of all.

    A value that k of n profiles hold makes k(k-1)/2 pairs; the expected matches among the
    candidates are taken off. Values held once or only by one customer get the common rate of rare
    values.
    """
    if valued is None:
        return
    level = attribute.top
    counts = attribute.holders.astype(np.float64)
    at, values = valued
    matched = np.bincount(values, weights=posterior[at], minlength=len(counts))
    pairs = counts * (counts - 1) / 2.0
    strange = np.maximum(pairs - matched, 0.0)
    filled = max(counts.sum(), 1.0)
    prior_u = attribute.prior.levels[level].u
    overall = (2 * strange.sum() + PRIOR_PAIRS_U * prior_u) / (filled**2 + PRIOR_PAIRS_U)
    attribute.u[level] = overall
    # One pseudo-holder with the overall chance keeps the estimate away from zero.
    rate = (2 * strange + counts * 0.0 + filled * overall) / (counts * filled + filled)
    attribute.u_of_code = np.clip(rate, 1e-7, 0.9)


def _order_levels(attribute: Attribute) -> None:
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


def _maximise(attributes: list[Attribute], pairs: Pairs, others: Others, state: State) -> Floats:
    """Match probabilities of ``pairs`` after EM; updates each attribute's m and the state."""
    posterior: Floats = np.zeros(len(pairs))
    for _ in range(EM_STEPS):
        posterior, related = bayes(pairs, others, pairs.log_m(attributes), state)
        matches = pairs.sums(posterior)
        for attribute, levels in zip(attributes, pairs.levels, strict=True):
            counts = _level_counts(levels, matches, len(attribute.m))
            attribute.m = attribute.estimate_m(counts, PRIOR_PAIRS_M)
        match = (matches.sum() + 0.5 * state.prior_pairs) / state.all_pairs
        kin = (related.sum() + 0.2 * state.prior_pairs) / state.all_pairs
        state.match = min(match, 0.5)
        # A file in which nobody seems related yet will meet its first household tomorrow.
        doubt = UNSEEN_RELATED / (UNSEEN_RELATED + matches.sum())
        least = LEAST_RELATED * doubt * state.match if state.has_relatives else 0.0
        state.related = min(max(kin, least), MOST_RELATED * state.match, 0.4)
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


def _finish(attribute: Attribute) -> AttributeModel:
    column = attribute.column
    frequent: dict[str, float] = {}
    level = attribute.prior.frequency_level
    if attribute.u_of_code is not None and column is not None and level is not None:
        rates = attribute.u_of_code
        few = rates[attribute.holders <= 2]
        rare = float(np.median(few if few.size else rates)) if rates.size else SMALLEST
        common = _highest(rates, np.flatnonzero(rates > 1.5 * rare), FREQUENT_VALUES)
        values = column.text.gather(common).to_list()
        frequent = dict(zip(values, rates[common].tolist(), strict=True))
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


def _highest(rates: Floats, codes: Positions, most: int) -> Positions:
    """At most so many of ``codes``, of the highest rates; the first of equal ones.

    Codes are in the order of the values.
    """
    order = np.lexsort((codes, -rates[codes]))
    return codes[order[:most]]
