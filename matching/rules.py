"""Exact rules beside the model (always_match, never_match), and the model of rules alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matching.encode import Codes, pick
from matching.profiles import Profiles

Bools = NDArray[np.bool_]
Positions = NDArray[np.int64]

RULES_MODEL: tuple[tuple[str, ...], ...] = (("email",), ("phone",), ("full_name",))
"""What ``model = "rules"`` calls one customer: the same e-mail, or phone, or full name."""


def value_codes(profiles: Profiles, attribute: str) -> Codes | None:
    """The value codes of an attribute named as in ``mdm.toml``; None when no profile has it."""
    if attribute == "given_name":
        return profiles.given
    if attribute == "family_name":
        return profiles.family
    if attribute == "full_name":
        return profiles.full_name
    column = profiles.columns.get(attribute)
    return None if column is None else column.codes


def all_equal(profiles: Profiles, rule: Sequence[str], left: Positions, right: Positions) -> Bools:
    """Whether both sides have every attribute of ``rule`` and agree on all of them."""
    result = np.ones(len(left), dtype=bool)
    for attribute in rule:
        codes = value_codes(profiles, attribute)
        if codes is None:
            return np.zeros(len(left), dtype=bool)
        result &= (codes[left] >= 0) & (codes[left] == codes[right])
    return result


def all_different(
    profiles: Profiles, rule: Sequence[str], left: Positions, right: Positions
) -> Bools:
    """Whether both sides have every attribute of ``rule`` and differ on all of them."""
    result = np.ones(len(left), dtype=bool)
    for attribute in rule:
        codes = value_codes(profiles, attribute)
        if codes is None:
            return np.zeros(len(left), dtype=bool)
        result &= (codes[left] >= 0) & (codes[right] >= 0) & (codes[left] != codes[right])
    return result


@dataclass(frozen=True)
class ExactRules:
    """The exact rules of a configuration; never outranks always."""

    always: tuple[tuple[str, ...], ...] = ()
    never: tuple[tuple[str, ...], ...] = ()

    def matches(self, profiles: Profiles, left: Positions, right: Positions) -> Bools:
        """Whether some ``always`` rule holds for each pair."""
        result = np.zeros(len(left), dtype=bool)
        for rule in self.always:
            result |= all_equal(profiles, rule, left, right)
        return result

    def forbids(self, profiles: Profiles, left: Positions, right: Positions) -> Bools:
        """Whether some ``never`` rule holds; a person and an organisation are never one either."""
        kinds = profiles.is_organisation
        result: Bools = pick(kinds, left) != pick(kinds, right)
        for rule in self.never:
            result |= all_different(profiles, rule, left, right)
        return result


def rule_pairs(profiles: Profiles, rules: Sequence[Sequence[str]]) -> tuple[Positions, Positions]:
    """Pairs that tie all profiles with equal values of a rule into one chain, in fingerprint order.

    Exact rules need no candidate pairs of everyone with everyone: a chain joins the same profiles.
    """
    found_l, found_r = [], []
    for rule in rules:
        parts = [value_codes(profiles, attribute) for attribute in rule]
        codes = [part for part in parts if part is not None]
        if len(codes) < len(parts) or not codes:
            continue
        have = np.flatnonzero(np.logical_and.reduce([part >= 0 for part in codes]))
        order = have[
            np.lexsort([profiles.rank[have], *[part[have].astype(np.int64) for part in codes]])
        ]
        same = np.logical_and.reduce([part[order][1:] == part[order][:-1] for part in codes])
        found_l.append(order[:-1][same])
        found_r.append(order[1:][same])
    if not found_l:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    return np.concatenate(found_l), np.concatenate(found_r)
