"""What is believed about each comparison type before any data are seen.

Three likelihoods per level. ``m``: the two profiles show one customer. ``u``: they show strangers.
``h``: they show two customers that belong together (household, relatives, branches of a company),
for whom surname, address and phone agree though the customers differ; ``None`` means "as for
strangers". The figures are round numbers from the record-linkage literature and public test data,
and only matter where data are too few to say better: they enter training as a few dozen
pseudo-observations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class LevelPrior:
    """One comparison level: its name and its three prior likelihoods."""

    name: str
    m: float
    u: float
    h: float | None = None
    given: int = 0
    """Number of the condition under which it is one of the outcomes; each condition sums to one."""
    most_m: float = 1.0
    """The highest ``m`` that data may say: relatives hide among the pairs that look like one
    customer, and would teach that people change what tells them apart."""


@dataclass(frozen=True)
class TypePrior:
    """A comparison type: its levels from least to most agreement."""

    levels: tuple[LevelPrior, ...]
    frequency_level: int | None = None
    """The level whose ``u`` depends on how common the agreed value is."""
    shared_from: int | None = None
    """The level from which on related customers are taken to share the value: of what is shared
    the records differ as those of one customer do, so there ``h`` has the proportions of ``m``."""


_L = LevelPrior

PRIORS: Mapping[str, TypePrior] = {
    "given_name": TypePrior(
        (
            _L("different", 0.01, 0.955, 0.86, most_m=0.06),
            _L("other_name", 0.01, 0.015, 0.03),
            _L("similar", 0.03, 0.010, 0.03),
            _L("initial", 0.03, 0.012, 0.03),
            _L("nickname", 0.06, 0.003, 0.005),
            _L("typo", 0.07, 0.002, 0.005),
            _L("exact", 0.79, 0.003, 0.04),
        ),
        6,
    ),
    "family_name": TypePrior(
        (
            _L("different", 0.06, 0.975, 0.10, most_m=0.25),
            _L("other_name", 0.01, 0.008, 0.01),
            _L("similar", 0.03, 0.007, 0.03),
            _L("initial", 0.01, 0.005, 0.005),
            _L("nickname", 0.005, 0.001, 0.005),
            _L("typo", 0.085, 0.002, 0.07),
            _L("exact", 0.80, 0.002, 0.78),
        ),
        6,
        shared_from=4,
    ),
    "middle_name": TypePrior(
        (_L("different", 0.10, 0.93), _L("compatible", 0.2, 0.05), _L("exact", 0.7, 0.02)), 2
    ),
    "name_suffix": TypePrior(
        (_L("different", 0.005, 0.5, 0.7, most_m=0.02), _L("equal", 0.995, 0.5, 0.3))
    ),
    "gender": TypePrior((_L("different", 0.04, 0.5), _L("equal", 0.96, 0.5))),
    "date": TypePrior(
        (
            _L("far", 0.01, 0.76, 0.61),
            _L("within_ten_years", 0.01, 0.19, 0.30),
            _L("within_a_year", 0.02, 0.04, 0.04),
            _L("two_parts_equal", 0.04, 0.0045, 0.01),
            _L("year_only", 0.015, 0.002, 0.004),
            _L("typo", 0.07, 0.0015, 0.003),
            _L("day_month_swapped", 0.01, 0.0001, 0.0001),
            _L("exact", 0.825, 0.00005, 0.02),
        ),
        7,
    ),
    "email": TypePrior(
        (
            _L("different", 0.22, 0.92, 0.55),
            _L("same_domain", 0.08, 0.0785, 0.25),
            _L("local_part_similar", 0.05, 0.001, 0.02),
            _L("local_part", 0.05, 0.0003, 0.01),
            _L("typo", 0.05, 0.00002, 0.01),
            _L("exact", 0.55, 0.00001, 0.16),
        ),
        5,
        shared_from=3,
    ),
    "phone": TypePrior(
        (
            _L("different", 0.30, 0.9985, 0.52),
            _L("typo", 0.03, 0.0001, 0.01),
            _L("last_seven_digits", 0.02, 0.00001, 0.02),
            _L("exact", 0.65, 0.00001, 0.45),
        ),
        3,
        shared_from=1,
    ),
    "street": TypePrior(
        (
            _L("different", 0.22, 0.96, 0.10),
            _L("number_only", 0.02, 0.035, 0.01),
            _L("street_other_number", 0.03, 0.004, 0.02),
            _L("street_without_number", 0.03, 0.0005, 0.03),
            _L("close", 0.10, 0.00005, 0.12),
            _L("exact", 0.60, 0.00003, 0.72),
        ),
        5,
        shared_from=3,
    ),
    "postcode": TypePrior(
        (
            _L("different", 0.25, 0.95, 0.12),
            _L("different_same_street", 0.07, 0.3, 0.07, 1),
            _L("same_area", 0.08, 0.04, 0.06),
            _L("typo", 0.07, 0.005, 0.05),
            _L("exact_same_street", 0.93, 0.7, 0.93, 1),
            _L("exact", 0.60, 0.001, 0.77),
        ),
        5,
    ),
    "city": TypePrior(
        (
            _L("different", 0.25, 0.97, 0.12),
            _L("different_same_area", 0.10, 0.5, 0.05, 1),
            _L("similar", 0.05, 0.005, 0.05),
            _L("alike_same_area", 0.90, 0.5, 0.95, 1),
            _L("exact", 0.70, 0.025, 0.83),
        ),
        4,
    ),
    "area": TypePrior((_L("different", 0.08, 0.75, 0.05), _L("equal", 0.92, 0.25, 0.95)), 1),
    "identifier": TypePrior(
        (_L("different", 0.02, 0.99998), _L("typo", 0.03, 1e-5), _L("exact", 0.95, 1e-6)), 2
    ),
    "organisation": TypePrior(
        (
            _L("different", 0.10, 0.96, 0.30),
            _L("some_words", 0.10, 0.03, 0.20),
            _L("part", 0.15, 0.006, 0.20),
            _L("similar", 0.15, 0.002, 0.10),
            _L("exact", 0.50, 0.002, 0.20),
        ),
        4,
        shared_from=2,
    ),
    "name": TypePrior(
        (
            _L("different", 0.20, 0.96),
            _L("some_words", 0.10, 0.03),
            _L("part", 0.15, 0.006),
            _L("similar", 0.15, 0.002),
            _L("exact", 0.40, 0.002),
        ),
        4,
    ),
    "category": TypePrior((_L("different", 0.2, 0.9), _L("equal", 0.8, 0.1)), 1),
    "text": TypePrior(
        (_L("different", 0.3, 0.95), _L("similar", 0.2, 0.03), _L("exact", 0.5, 0.02)), 2
    ),
    "number": TypePrior(
        (_L("different", 0.3, 0.9), _L("close", 0.1, 0.05), _L("exact", 0.6, 0.05)), 2
    ),
}
"""Prior likelihoods per comparison type; levels of one condition sum to one in each column."""

BRANCHES: Mapping[str, tuple[float, ...]] = {
    "street": (0.75, 0.03, 0.04, 0.02, 0.03, 0.13),
    "postcode": (0.60, 0.10, 0.15, 0.05, 0.90, 0.20),
    "city": (0.50, 0.30, 0.03, 0.70, 0.47),
    "area": (0.20, 0.80),
}
"""``h`` of related organisations, where it is another than that of related persons: families share
a roof, branches of a company its name and telephone, seldom a street."""

APART: Mapping[str, float] = {"phone": 0.5, "street": 0.4, "postcode": 0.4, "city": 0.5}
"""The highest ``m`` that data may say of organisations that differ there: branches of one name are
so many in some files that they would teach that all of it changes."""

UNTOLD: Final = frozenset(("category", "text", "number", "date"))
"""Types of further attributes that say nothing about whether the attribute tells customers apart:
without data it counts nothing."""
SHARED_BY_BRANCHES: Final = 0.75
"""How often branches share a further attribute (a website, an industry), where one customer's
records do."""
