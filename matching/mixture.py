"""The mixture that training fits: how likely pairs are of one customer, of relatives, of strangers.

Estimates change from step to step, pairs do not. So pairs are grouped once by their levels in all
attributes (a few thousand groups, whatever the number of pairs), and a step of expectation
maximisation evaluates m per group; only what depends on the value that a pair agrees on is held
pair by pair, and that stays as it is throughout a round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matching.encode import Codes
from matching.levels import Compared
from matching.priors import APART, BRANCHES, PRIORS, SHARED_BY_BRANCHES, TypePrior
from matching.profiles import ORGANISATION, PERSON

SMALLEST: Final = 1e-9
CERTAIN: Final = 600.0
"""Logarithm of odds that are as good as certain; exp() of it still is a number."""
_LEVELS_PER_KEY, _ATTRIBUTES_PER_KEY = 16, 10

Floats = NDArray[np.float64]
Valued = tuple[NDArray[np.intp], Codes]


class Attribute:
    """One attribute in training: its prior, its current estimates, its values' frequencies."""

    def __init__(
        self,
        compared: Compared,
        kind: str = PERSON,
        *,
        is_further: bool = False,
        is_untold: bool = False,
    ) -> None:
        """Of customers of ``kind``; a further attribute is one that the configuration adds.

        Of one that ``is_untold`` nothing is believed before data are seen: its ``m`` begins as its
        ``u``, and is drawn there.
        """
        self.is_untold = is_untold
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
        self._most_m = np.array([level.most_m for level in levels])
        # What is shipped for dates is meant for dates of birth.
        self._shipped_h: Sequence[float | None] = [
            None if is_further else level.h for level in levels
        ]
        self._is_of_branches = is_further and kind == ORGANISATION
        if kind == ORGANISATION:
            self._shipped_h = BRANCHES.get(self.type, self._shipped_h)
            self._most_m[0] = APART.get(self.type, self._most_m[0])
        if is_untold:
            self.forget()

    def forget(self) -> None:
        """Has m say nothing: what one customer's records agree on is what strangers' do."""
        self.m = self.u / self.u.sum()

    @cached_property
    def holders(self) -> NDArray[np.int64]:
        """How many profiles hold each distinct value."""
        assert self.column is not None
        assert self.codes is not None
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.column.text))

    @property
    def h(self) -> Floats:
        """Likelihoods under "related": shipped where the type says so, else as for strangers.

        What related customers share differs between their records as between those of one.
        """
        if self._is_of_branches:
            return SHARED_BY_BRANCHES * self.m + (1.0 - SHARED_BY_BRANCHES) * self.u
        pairs = zip(self._shipped_h, self.u, strict=True)
        h = np.array([u if h is None else h for h, u in pairs])
        first = self.prior.shared_from
        if first is not None:
            shared = slice(first, None)
            h[shared] = self.m[shared] * h[shared].sum() / self.m[shared].sum()
        return h

    @property
    def top(self) -> int:
        """The level whose u depends on how common the value is."""
        assert self.prior.frequency_level is not None
        return self.prior.frequency_level

    @property
    def is_shipped_for_related(self) -> bool:
        """Whether the type says how often related customers agree."""
        return self._is_of_branches or any(h is not None for h in self._shipped_h)

    def estimate(
        self, counts: Floats, prior: Floats, strength: float, strength_given: float | None = None
    ) -> Floats:
        """Level shares from weighted counts, each condition drawn towards its prior.

        ``strength_given`` is the strength under a condition, where it is another.
        """
        out = prior.copy()
        for condition in np.unique(self.conditions):
            mine = self.conditions == condition
            base = prior[mine] / prior[mine].sum()
            known = strength if condition == 0 or strength_given is None else strength_given
            out[mine] = (counts[mine] + known * base) / (counts[mine].sum() + known)
        return out

    def estimate_m(self, counts: Floats, strength: float) -> Floats:
        """The estimate of m, where a level may take no more than its type believes of it."""
        shipped = np.array([level.m for level in self.prior.levels])
        m = self.estimate(counts, self.u if self.is_untold else shipped, strength)
        most = self._most_m
        over = m > most
        if over.any():
            rest = (1.0 - most[over].sum()) / m[~over].sum()
            m = np.where(over, most, m * rest)
        return m


class Pairs:
    """Compared pairs in groups of equal levels in all attributes, within which m is the same.

    Pairs are held group after group (``order`` has their positions as given), so that what belongs
    to a group spreads to its pairs, and adds up again, in one pass.
    """

    def __init__(self, compared: list[Compared]) -> None:
        group = np.zeros(len(compared[0].levels), dtype=np.int64)
        for start in range(0, len(compared), _ATTRIBUTES_PER_KEY):
            for one in compared[start : start + _ATTRIBUTES_PER_KEY]:
                group = group * _LEVELS_PER_KEY + one.levels + 1
            group = np.unique(group, return_inverse=True)[1]
        self.order = np.argsort(group, kind="stable")
        self.sizes = np.bincount(group)
        self.starts = np.cumsum(self.sizes) - self.sizes
        first = self.order[self.starts]
        self.levels = [one.levels[first] for one in compared]
        self.valued = [self._valued(one) for one in compared]
        self.namesakes = self._namesakes(compared[0].full_names)

    def _valued(self, one: Compared) -> Valued | None:
        """Where the pairs agree on a value whose frequency counts, and on which."""
        level = PRIORS[one.type].frequency_level
        if level is None or one.values is None:
            return None
        at = np.flatnonzero(one.levels[self.order] == level)
        return at, one.values[self.order[at]]

    def _namesakes(self, full_names: Codes | None) -> Valued:
        """Where the pairs agree on a full name, and on which; names are compared first."""
        if full_names is None:
            return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.int32)
        at = np.flatnonzero(full_names[self.order] >= 0)
        return at, full_names[self.order[at]]

    def __len__(self) -> int:
        return len(self.order)

    def of_groups(self, values: Floats) -> Floats:
        """What groups have, for each of their pairs."""
        return np.repeat(values, self.sizes)

    def sums(self, values: Floats) -> Floats:
        """What the pairs of each group add up to."""
        return np.add.reduceat(values, self.starts) if len(values) else np.zeros(0)

    def log_m(self, attributes: list[Attribute]) -> Floats:
        """Log likelihood of each group under "one customer"."""
        total: Floats = np.zeros(len(self.sizes))
        for attribute, levels in zip(attributes, self.levels, strict=True):
            total += _log_table(attribute.m)[levels]
        return total

    def others(self, attributes: list[Attribute], excess: Floats) -> Others:
        """How likely each pair is under the two hypotheses that EM holds fixed.

        ``excess``: how many times more often strangers share each full name than its parts say.
        """
        related, strangers = np.zeros(len(self.sizes)), np.zeros(len(self.sizes))
        for attribute, levels in zip(attributes, self.levels, strict=True):
            related += _log_table(attribute.h)[levels]
            strangers += _log_table(attribute.u)[levels]
        log_h, log_u = self.of_groups(related), self.of_groups(strangers)
        for attribute, valued in zip(attributes, self.valued, strict=True):
            if valued is None or attribute.u_of_code is None:
                continue
            at, values = valued
            rarer = np.log(attribute.u_of_code)[values] - _log_table(attribute.u)[attribute.top]
            log_u[at] += rarer
            if not attribute.is_shipped_for_related:
                log_h[at] += rarer
        at, names = self.namesakes
        log_u[at] += np.log(excess)[names]
        highest = np.maximum(log_h, log_u)
        scale = np.maximum.reduceat(highest, self.starts) if len(highest) else np.zeros(0)
        base = self.of_groups(scale)
        return Others(np.exp(log_h - base), np.exp(log_u - base), scale)


@dataclass(frozen=True)
class Others:
    """Likelihoods of pairs as related customers and as strangers.

    They are relative to ``scale``, the logarithm of the highest one of each group, so that none
    vanishes however many attributes there are.
    """

    related: Floats
    strangers: Floats
    scale: Floats


def _log_table(likelihoods: Floats) -> Floats:
    """Logarithms by level; an absent value (level -1) says nothing."""
    return np.append(np.log(np.maximum(likelihoods, SMALLEST)), 0.0)


@dataclass
class State:
    """The shares of the classes among all pairs, and what bounds them."""

    match: float
    related: float
    all_pairs: float
    prior_pairs: float
    has_relatives: bool


def bayes(pairs: Pairs, others: Others, log_m: Floats, state: State) -> tuple[Floats, Floats]:
    """Probabilities of each pair to be one customer, and to be related ones."""
    match = pairs.of_groups(state.match * np.exp(np.minimum(log_m - others.scale, CERTAIN)))
    related = max(state.related, 1e-12) * others.related
    strangers = max(1.0 - state.match - state.related, 1e-12) * others.strangers
    total = match + related + strangers
    return match / total, related / total
