"""The identity graph: nodes, the pairs that speak for or against joining them, stewards' words.

A node is a profile, or a single record where a profile cannot speak for its records: when a steward
judged the record, or when the profile is too poor to tell people apart (``select_own_nodes``).
Inside, a node has a code: the profile id, or for a record's own node a number above all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from db import binary_copy, match_groups
from db.arrays import array_of, distinct
from db.graphs import components
from db.queries import load, query
from identity.clustering import in_order_of_ends

Ints = NDArray[np.int64]
Profiles = Mapping[str, NDArray[Any]]
Floats = NDArray[np.float64]

AUTO_MERGE, FLAG_REVIEW, REJECT, VETOED, SAME_PROFILE, STEWARD = 1, 2, 3, 4, 5, 6
"""What a pair is; the first two and the last two can hold a record in its customer."""

PROFILE = (("profile", "i8"), ("fingerprint", "S16"), ("record_n", "i4"))
_REJECTED = (("left", "i8"), ("right", "i8"), ("probability", "f4"), ("decision", "i2"))
_KINDS = np.array([REJECT, FLAG_REVIEW, AUTO_MERGE, VETOED])
"""What a pair is by its decision in ``staging.match_groups``, the last by -1."""
_SQL = "identity/graph.sql"


@dataclass(frozen=True)
class Pairs:
    """Pairs of node codes, each with its probability and kind, in columns."""

    left: Ints
    right: Ints
    probability: Floats
    kind: Ints

    def where(self, chosen: NDArray[Any]) -> Pairs:
        """The chosen pairs only (boolean mask or positions)."""
        return Pairs(
            self.left[chosen], self.right[chosen], self.probability[chosen], self.kind[chosen]
        )

    @staticmethod
    def none() -> Pairs:
        """No pairs."""
        nothing = np.empty(0, dtype=np.int64)
        return Pairs(nothing, nothing, np.empty(0), nothing)

    @staticmethod
    def scored(rows: NDArray[Any]) -> Pairs:
        """Pairs of profiles from rows with the fields of ``db.match_groups.PAIR``."""
        return Pairs(
            rows["left"].astype(np.int64),
            rows["right"].astype(np.int64),
            rows["probability"].astype(np.float64),
            _KINDS[rows["decision"]],
        )

    def joined_with(self, *others: Pairs) -> Pairs:
        """These pairs followed by those of ``others``."""
        all_pairs = (self, *others)
        return Pairs(
            np.concatenate([p.left for p in all_pairs]),
            np.concatenate([p.right for p in all_pairs]),
            np.concatenate([p.probability for p in all_pairs]),
            np.concatenate([p.kind for p in all_pairs]),
        )


@dataclass(frozen=True)
class OwnNodes:
    """The records that are nodes of their own, ordered by profile; ``base`` is their first code.

    ``held``: equal data of the same profile still is evidence for the record.
    ``whole``: no record of the profile is left for the profile's own node.
    """

    base: int
    record: Ints
    profile: Ints
    held: NDArray[np.bool_]
    whole: NDArray[np.bool_]

    @property
    def code(self) -> Ints:
        """The node code of each."""
        return self.base + np.arange(len(self.record), dtype=np.int64)

    def sql_id(self, code: Ints) -> Ints:
        """How the database names the nodes: the profile id, or minus the record id."""
        out = code.copy()
        own = code >= self.base
        out[own] = -self.record[code[own] - self.base]
        return out

    def code_of(self, sql_id: Ints) -> Ints:
        """The node codes of what the database names so; the inverse of ``sql_id``."""
        out = sql_id.copy()
        own = (sql_id < 0).nonzero()[0]
        by_record = np.argsort(self.record)
        at = np.searchsorted(self.record, -sql_id[own], sorter=by_record)
        out[own] = self.base + by_record[at]
        return out

    def profile_of(self, code: Ints) -> Ints:
        """The profile behind each node."""
        out = code.copy()
        own = code >= self.base
        out[own] = self.profile[code[own] - self.base]
        return out


@dataclass(frozen=True)
class Graph:
    """Everything clustering works on. Only nodes that something could join are in it.

    ``code`` lists the nodes, those of a component together and in the order of their contents, so
    that results do not hang on ids; ``pairs``, ``same`` and ``different`` refer to places in it.
    ``component`` numbers the component of each, in ascending order.
    """

    own: OwnNodes
    code: Ints
    component: Ints
    pairs: Pairs
    same: tuple[Ints, Ints]
    different: tuple[Ints, Ints]


def read_profiles(
    conn: Connection, poverty: Mapping[str, object], *, of: Ints | None = None
) -> Profiles:
    """Some profiles, or all, in columns; ``record_n`` is negative where one is poor.

    ``poverty`` are the values of ``select_profiles``: what makes even a poor profile tell.
    """
    queries, values = load(_SQL), dict(poverty)
    if of is not None:
        values["profiles"] = array_of(of)
    scope = "" if of is None else queries["some_profiles"]
    select = queries["select_profiles"].replace("{scope}", scope)
    return binary_copy.read_parts(conn, select, PROFILE, **values)


def read_nodes(conn: Connection, profiles: Profiles) -> tuple[OwnNodes, Ints]:
    """The records of ``profiles`` that are nodes of their own; each profile's place by fingerprint.

    Reads identity inputs and the steward decisions.
    """
    base = conn.execute(query(_SQL, "last_profile_id")).scalar_one() + 1
    place = _places(profiles, base)
    poor = profiles["profile"][profiles["record_n"] < 0]
    conn.execute(query(_SQL, "create_poor_profiles"))
    binary_copy.write_columns(conn, ("pg_temp", "identity_poor_profiles"), {"profile_id": poor})
    found = conn.execute(query(_SQL, "select_own_nodes")).all()
    rows = [row for row in found if place[row.profile_id] >= 0]
    own = OwnNodes(
        base=base,
        record=np.array([r.record_id for r in rows], dtype=np.int64),
        profile=np.array([r.profile_id for r in rows], dtype=np.int64),
        held=np.array([r.is_held_by_profile for r in rows], dtype=bool),
        whole=np.array([r.is_whole for r in rows], dtype=bool),
    )
    return own, place


def read_graph(
    conn: Connection, own: OwnNodes, place: Ints, pairs: Pairs, *, merge_flagged: bool
) -> Graph:
    """The graph of the nodes that some pair or steward could join to another.

    ``own`` and ``place`` are those of ``read_nodes``; ``pairs`` are the scored pairs inside the
    groups of the profiles in scope. Reads the steward decisions.
    """
    words = _judgements(conn, own)
    scored = _expand(pairs, own)
    joining = is_joining(scored, merge_flagged=merge_flagged)
    links = scored.where(joining).joined_with(_equal_data(own))

    slot = np.full(own.base + len(own.record), -1, dtype=np.int64)
    for linked in (links.left, links.right, *words["SAME"]):
        slot[linked] = 0
    code = (slot == 0).nonzero()[0]
    slot[code] = np.arange(len(code))
    component = components(
        len(code),
        slot[np.concatenate([links.left, words["SAME"][0]])],
        slot[np.concatenate([links.right, words["SAME"][1]])],
    )
    # Nodes of one component lie together from here on, which the caches of the processor like.
    order = in_order_of_ends(own.base, component, place[own.profile_of(code)])
    if order is not None:
        code, component = code[order], component[order]
        slot[code] = np.arange(len(code))
    # A steward's SAME ties nodes of several groups: what speaks against these is in none.
    chained = np.isin(component, component[slot[words["SAME"][0]]])
    rejected = _expand(_rejected(conn, own.profile_of(code[chained])), own)
    others = (_inside(some, slot, component) for some in (scored.where(~joining), rejected))
    pairs = links.joined_with(*others)
    different = slot[words["DIFFERENT"][0]], slot[words["DIFFERENT"][1]]
    met = (different[0] >= 0) & (different[1] >= 0)
    return Graph(
        own=own,
        code=code,
        component=component,
        pairs=Pairs(slot[pairs.left], slot[pairs.right], pairs.probability, pairs.kind),
        same=(slot[words["SAME"][0]], slot[words["SAME"][1]]),
        different=(different[0][met], different[1][met]),
    )


def is_joining(pairs: Pairs, *, merge_flagged: bool) -> NDArray[np.bool_]:
    """Which of the scored ``pairs`` join what they tie."""
    joining: NDArray[np.bool_] = pairs.kind == AUTO_MERGE
    return joining | (pairs.kind == FLAG_REVIEW) if merge_flagged else joining


def _judgements(conn: Connection, own: OwnNodes) -> dict[str, tuple[Ints, Ints]]:
    """Per verdict the pairs of codes it ties, said of records that live.

    A deleted record still passes SAME on: those it was the same as stay one, and what was different
    from it stays different from them.
    """
    rows = conn.execute(query(_SQL, "select_judgements")).all()
    records = sorted({r.record_id_l for r in rows} | {r.record_id_r for r in rows})
    at = {record: i for i, record in enumerate(records)}
    same = [(at[r.record_id_l], at[r.record_id_r]) for r in rows if r.verdict == "SAME"]
    links = np.array(same, dtype=np.int64).reshape(-1, 2)
    group = components(len(records), links[:, 0], links[:, 1])
    code_of = dict(zip(own.record.tolist(), own.code.tolist(), strict=True))
    speaker: dict[int, int] = {}
    ties: dict[str, list[tuple[int, int]]] = {"SAME": [], "DIFFERENT": []}
    for record, of_group in zip(records, group.tolist(), strict=True):
        if record in code_of:
            first = speaker.setdefault(of_group, code_of[record])
            if first != code_of[record]:
                ties["SAME"].append((first, code_of[record]))
    for row in rows:
        if row.verdict == "DIFFERENT":
            sides = [speaker.get(int(group[at[r]])) for r in (row.record_id_l, row.record_id_r)]
            if sides[0] is not None and sides[1] is not None:
                ties["DIFFERENT"].append((sides[0], sides[1]))
    return {verdict: _columns(pairs) for verdict, pairs in ties.items()}


def _columns(pairs: list[tuple[int, int]]) -> tuple[Ints, Ints]:
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def read_pairs(conn: Connection, base: int, *, of: Ints | None = None) -> Pairs:
    """The scored pairs inside the groups of some profiles, or of all (ids below ``base``)."""
    rows = match_groups.read_all(conn) if of is None else match_groups.read_of(conn, of)
    if rows["right"].max(initial=0) >= base:  # of profiles that went since
        rows = rows[rows["right"] < base]
    return Pairs.scored(rows)


def _rejected(conn: Connection, profiles: Ints) -> Pairs:
    """The rejected pairs of which one of ``profiles`` is the left side."""
    if not len(profiles):
        return Pairs.none()
    wanted = array_of(distinct(profiles))
    select = load(_SQL)["select_rejected"]
    return Pairs.scored(binary_copy.read_rows(conn, select, _REJECTED, profiles=wanted))


def _expand(pairs: Pairs, own: OwnNodes) -> Pairs:
    """``pairs`` of profiles as pairs of nodes: an own node inherits every pair of its profile."""
    if not len(own.record):
        return pairs
    is_split = np.zeros(own.base, dtype=bool)
    is_split[own.profile] = True
    concerned = is_split[pairs.left] | is_split[pairs.right]
    if not concerned.any():
        return pairs
    some = pairs.where(concerned)
    at_l, left = _expand_side(some.left, own)
    at_r, right = _expand_side(some.right[at_l], own)
    at = at_l[at_r]
    expanded = Pairs(left[at_r], right, some.probability[at], some.kind[at])
    return pairs.where(~concerned).joined_with(expanded)


def _expand_side(profile: Ints, own: OwnNodes) -> tuple[Ints, Ints]:
    """Per node of each profile: the position of the profile in the input, and the node's code."""
    split, starts, counts = np.unique(own.profile, return_index=True, return_counts=True)
    found = np.minimum(np.searchsorted(split, profile), len(split) - 1)
    hit = split[found] == profile
    copies = np.where(hit, counts[found] + ~own.whole[starts][found], 1)
    at = np.repeat(np.arange(len(profile)), copies)
    nth = np.arange(len(at)) - np.repeat(np.cumsum(copies) - copies, copies)
    code = profile[at]
    # The records first; the profile's own node, where it still stands for some, comes last.
    is_record = hit[at] & (nth < counts[found[at]])
    code[is_record] = own.base + starts[found[at[is_record]]] + nth[is_record]
    return at, code


def _equal_data(own: OwnNodes) -> Pairs:
    """A certain pair for every two nodes of one profile that equal data may hold together."""
    left: list[int] = []
    right: list[int] = []
    held = own.held.nonzero()[0]
    for profile in np.unique(own.profile[held]).tolist():
        of_profile = held[own.profile[held] == profile]
        nodes = (own.base + of_profile).tolist()
        if not own.whole[of_profile[0]]:
            nodes.insert(0, profile)
        for i, node in enumerate(nodes):
            left += [node] * (len(nodes) - i - 1)
            right += nodes[i + 1 :]
    return Pairs(
        np.array(left, dtype=np.int64),
        np.array(right, dtype=np.int64),
        np.ones(len(left)),
        np.full(len(left), SAME_PROFILE, dtype=np.int64),
    )


def _inside(pairs: Pairs, slot: Ints, component: Ints) -> Pairs:
    """The ``pairs`` whose two nodes something could join: no others matter."""
    left, right = slot[pairs.left], slot[pairs.right]
    known = ((left >= 0) & (right >= 0)).nonzero()[0]
    return pairs.where(known[component[left[known]] == component[right[known]]])


def _places(profiles: Profiles, base: int) -> Ints:
    """The place of each profile (ids below ``base``) in the order of fingerprints."""
    high, low = profiles["fingerprint"].view(">u8").reshape(-1, 2).astype(np.uint64).T
    order = np.argsort(high)
    if (high[order][1:] == high[order][:-1]).any():  # a rare chance
        order = np.lexsort((low, high))
    place = np.full(base, -1, dtype=np.int64)
    place[profiles["profile"][order]] = np.arange(len(order))
    return place
