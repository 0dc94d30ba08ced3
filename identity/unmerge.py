"""Taking a customer apart: where a cut is cheapest, and the stewards' words that make it hold.

A customer is a graph of profiles whose edges are the bits of evidence that join them. The cheapest
cut is its global minimum cut (Stoer and Wagner 1997). A cut is carried out by DIFFERENT decisions
over every pair of evidence that crosses it: then no merge of both sides is left to be made, and all
of it is on record and can be undone like any other word of a steward.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from sqlalchemy import Connection

from db.graphs import components
from db.queries import query
from identity import link_decisions
from identity.graph import Floats, Ints
from identity.link_decisions import Decision
from mdm.errors import UsageError

_SQL = "identity/unmerge.sql"
_MOST_PROFILES = 1_000  # a minute of work; beyond, a person should name records
_EQUAL_DATA_BITS, _LEAST_BITS = 30.0, 0.1


@dataclass(frozen=True)
class Proposal:
    """How one customer would fall in two: records as ``source:record_id``.

    ``crossing`` are the pairs of records whose evidence the cut goes through, with bits; ``weight``
    is their sum, what the cut costs. ``why`` is a sentence for people.
    """

    customer_id: UUID
    stays: tuple[str, ...]
    leaves: tuple[str, ...]
    crossing: tuple[tuple[str, str, float], ...]
    weight: float
    why: str


@dataclass(frozen=True)
class _Member:
    record: str
    record_id: int
    profile: int
    first_customer: UUID


Evidence = dict[tuple[int, int], float]


def propose(conn: Connection, customer_id: UUID) -> Proposal:
    """The cheapest cut of a customer. Raises UsageError where there is nothing to cut."""
    return propose_many(conn, [customer_id])[0]


def propose_many(conn: Connection, customer_ids: Iterable[UUID]) -> list[Proposal]:
    """The cheapest cut of each customer, in the order given; ids that were merged count once.

    Raises UsageError naming the first customer that cannot be cut.
    """
    wanted = list(dict.fromkeys(customer_ids))
    customers, members = _members(conn, wanted)
    unknown = [i for i in wanted if i not in customers]
    if unknown:
        raise UsageError(f"no living customer has the id {unknown[0]}")
    evidence = _evidence(conn, members)
    tied = _same_decisions(conn)
    return [_cheapest(i, members[i], evidence, tied) for i in dict.fromkeys(customers.values())]


def propose_for_run(conn: Connection, run_id: int) -> list[Proposal]:
    """A cut for each merge that a run made, between what were two customers before it.

    A record counts to the side it was on right before the run, as the merge's event tells; one
    that came later counts to the side that stayed. Merges of a time whose events do not tell go by
    the id each record was first published under, and those whose records have parted since are left
    out. Raises UsageError when the run merged nothing.
    """
    rows = conn.execute(query(_SQL, "merges"), {"run_id": run_id}).all()
    if not rows:
        raise UsageError(f"run {run_id} merged no customers")
    former: dict[UUID, set[UUID]] = {}
    came: dict[UUID, set[int]] = {}
    for row in rows:
        former.setdefault(row.ended_id, set()).add(row.former_id)
        if row.records is not None:
            came[row.ended_id] = set(row.records)
    customers, members = _members(conn, list(former))
    evidence = _evidence(conn, members)
    proposals = []
    for ended, ids in former.items():
        at = members[customers[ended]] if ended in customers else []
        leaves = [
            m
            for m in at
            if (m.record_id in came[ended] if ended in came else m.first_customer in ids)
        ]
        stays = [m for m in at if m not in leaves]
        if leaves and stays:
            why = f"run {run_id} merged {ended} into {customers[ended]}"
            proposals.append(_proposal(customers[ended], stays, leaves, evidence, why))
    return proposals


def apply(conn: Connection, proposal: Proposal, *, steward: str, reason: str) -> list[Decision]:
    """The DIFFERENT decisions that were new; the next resolution parts the customer by them.

    Raises UsageError where earlier decisions forbid it; the caller rolls back.
    """
    known = {
        frozenset((d.left, d.right))
        for d in link_decisions.live_decisions(conn)
        if d.verdict == "DIFFERENT"
    }
    pairs = [(a, b) for a, b, _ in proposal.crossing] or [(proposal.stays[0], proposal.leaves[0])]
    return [
        link_decisions.decide(conn, "DIFFERENT", left=a, right=b, steward=steward, reason=reason)
        for a, b in pairs
        if frozenset((a, b)) not in known
    ]


def read_ids(lines: Iterable[str]) -> list[UUID]:
    """The customer ids in the first column of a CSV file; a header line is allowed.

    Raises UsageError naming the line that holds no id.
    """
    reader = csv.reader(lines)
    ids = []
    for row in reader:
        if not row or not row[0].strip():
            continue
        try:
            ids.append(UUID(row[0].strip()))
        except ValueError as error:
            if reader.line_num > 1:
                raise UsageError(f"line {reader.line_num}: {row[0]!r} is no customer id") from error
    if not ids:
        raise UsageError("the file names no customer")
    return ids


def cheapest_cut(weight: Floats) -> tuple[float, Ints]:
    """The weight of the global minimum cut of a graph, and the nodes on one side of it.

    ``weight`` is a symmetric matrix of two or more nodes without negative entries.
    """
    weight = weight.copy()
    np.fill_diagonal(weight, 0.0)
    n = len(weight)
    inside = [[i] for i in range(n)]
    alive = np.ones(n, dtype=bool)
    lightest, side = np.inf, [0]
    for _ in range(n - 1):
        # Maximum adjacency order: the cut that leaves the last node alone is the lightest one that
        # parts the last two.
        open_nodes = alive.copy()
        pull = np.zeros(n)
        last = before = -1
        for _ in range(int(alive.sum())):
            before, last = last, int(np.argmax(np.where(open_nodes, pull, -1.0)))
            open_nodes[last] = False
            pull += weight[last]
        cut = float(weight[last].sum())
        if cut < lightest:
            lightest, side = cut, list(inside[last])
        inside[before] += inside[last]
        weight[before] += weight[last]
        weight[:, before] = weight[before]
        weight[before, before] = 0.0
        weight[last] = weight[:, last] = 0.0
        alive[last] = False
    return lightest, np.array(sorted(side), dtype=np.int64)


def _members(
    conn: Connection, ids: Sequence[UUID]
) -> tuple[dict[UUID, UUID], dict[UUID, list[_Member]]]:
    """The living customer behind each id, and the records of each living customer."""
    customers: dict[UUID, UUID] = {}
    members: dict[UUID, dict[str, _Member]] = {}
    for row in conn.execute(query(_SQL, "members"), {"customers": list(ids)}):
        customers[row.wanted_id] = row.global_customer_id
        record = f"{row.source}:{row.source_record_id}"
        member = _Member(record, row.record_id, row.profile_id, row.first_customer_id)
        members.setdefault(row.global_customer_id, {})[record] = member
    in_order = {i: customers[i] for i in ids if i in customers}
    return in_order, {customer: list(of.values()) for customer, of in members.items()}


def _evidence(conn: Connection, members: dict[UUID, list[_Member]]) -> Evidence:
    """The bits of each pair of profiles that may join them; no pair is free to cut."""
    profiles = sorted({m.profile for of in members.values() for m in of})
    rows = conn.execute(query(_SQL, "pairs"), {"profiles": profiles})
    return {(r.profile_id_l, r.profile_id_r): max(r.match_weight, _LEAST_BITS) for r in rows}


def _same_decisions(conn: Connection) -> list[tuple[str, str]]:
    decisions = link_decisions.live_decisions(conn)
    return [(d.left, d.right) for d in decisions if d.verdict == "SAME"]


def _cheapest(
    customer: UUID, members: list[_Member], evidence: Evidence, tied: list[tuple[str, str]]
) -> Proposal:
    profiles = sorted({m.profile for m in members})
    if len(profiles) > _MOST_PROFILES:
        raise UsageError(
            f"customer {customer} has {len(profiles):,} profiles, too many to search for a cut; "
            "name two of its records with `mdm unlink`"
        )
    place = {profile: i for i, profile in enumerate(profiles)}
    at = {m.record: place[m.profile] for m in members}
    links = [(at[a], at[b]) for a, b in tied if a in at and b in at]
    ends = np.array(links, dtype=np.int64).reshape(-1, 2)
    group = components(len(profiles), ends[:, 0], ends[:, 1])
    group_n = int(group.max()) + 1
    if group_n < 2:
        raise UsageError(
            f"customer {customer} has no cut: "
            + (
                "stewards' SAME decisions hold it together; undo one first"
                if len(profiles) > 1
                else "all its records show equal data; name two of them with `mdm unlink`"
            )
        )
    weight = np.zeros((group_n, group_n))
    for (left, right), bits in evidence.items():
        if left in place and right in place:
            a, b = group[place[left]], group[place[right]]
            weight[a, b] += bits
            weight[b, a] += bits
    side = np.isin(group, cheapest_cut(weight)[1])
    first = [m for m in members if side[place[m.profile]]]
    second = [m for m in members if not side[place[m.profile]]]
    stays, leaves = (first, second) if len(first) >= len(second) else (second, first)
    return _proposal(customer, stays, leaves, evidence, "the weakest evidence that holds it")


def _proposal(
    customer: UUID, stays: list[_Member], leaves: list[_Member], evidence: Evidence, why: str
) -> Proposal:
    speaker: tuple[dict[int, list[str]], dict[int, list[str]]] = ({}, {})
    for of_side, members in zip(speaker, (stays, leaves), strict=True):
        for m in members:
            of_side.setdefault(m.profile, []).append(m.record)
    crossing = []
    for one in speaker[0]:
        for other in speaker[1]:
            if one == other:
                # Equal data on both sides: each of these records has to be told from each.
                crossing += [
                    (a, b, _EQUAL_DATA_BITS) for a in speaker[0][one] for b in speaker[1][other]
                ]
            elif (bits := evidence.get((min(one, other), max(one, other)))) is not None:
                crossing.append((speaker[0][one][0], speaker[1][other][0], float(bits)))
    weight = sum(bits for *_, bits in crossing)
    return Proposal(
        customer_id=customer,
        stays=tuple(m.record for m in stays),
        leaves=tuple(m.record for m in leaves),
        crossing=tuple(crossing),
        weight=weight,
        why=f"{why}: {len(crossing)} pair(s) with {weight:.1f} bits between "
        f"{len(stays)} and {len(leaves)} record(s)",
    )
