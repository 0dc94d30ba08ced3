"""How a customer was built: its links by strength, the weakest one, and what a cut would give."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from db.queries import query
from mdm.errors import UsageError

_SQL = "matching/explain.sql"


@dataclass(frozen=True)
class Link:
    """A scored pair of profiles that joined two parts of the customer, by a record of each."""

    left: str
    right: str
    probability: float
    decision: str


@dataclass(frozen=True)
class CustomerExplanation:
    """The build of one customer.

    ``profiles`` are its records, those that look the same together. ``steps`` are the links of the
    strongest spanning tree, strongest first: each joined two parts that nothing stronger had
    joined. ``parts`` are the records on both sides of the last, weakest link (more than two where
    steward decisions alone hold it together). ``against`` are pairs inside it that speak against.
    """

    customer_id: UUID
    profiles: tuple[tuple[str, ...], ...]
    steps: tuple[Link, ...]
    parts: tuple[tuple[str, ...], ...]
    against: tuple[Link, ...]
    stewards: tuple[str, ...]


def explain_customer(conn: Connection, customer_id: UUID) -> CustomerExplanation:
    """How the customer that ``customer_id`` stands for today was built.

    Raises UsageError for an id that stands for none.
    """
    live = conn.execute(query(_SQL, "resolve"), {"customer_id": customer_id}).scalar_one()
    if live is None:
        raise UsageError(f"no live customer stands behind {customer_id}")
    records: dict[int, list[str]] = {}
    for row in conn.execute(query(_SQL, "members"), {"customer_id": live}):
        records.setdefault(row.profile_id, []).append(f"{row.source}:{row.source_record_id}")
    pairs = conn.execute(query(_SQL, "inner_pairs"), {"profile_ids": list(records)}).all()
    tree = spanning_tree(records, [(pair.profile_id_l, pair.profile_id_r) for pair in pairs])
    steps = [pairs[place] for place in tree]
    kept = [(pair.profile_id_l, pair.profile_id_r) for pair in steps[:-1]]
    return CustomerExplanation(
        customer_id=live,
        profiles=tuple(tuple(members) for members in records.values()),
        steps=tuple(_link(pair, records) for pair in steps),
        parts=tuple(
            tuple(sorted(name for profile in part for name in records[profile]))
            for part in components(records, kept)
        ),
        against=tuple(_link(pair, records) for pair in pairs if pair.decision == "REJECT"),
        stewards=tuple(
            f"{row.verdict} {row.source_l}:{row.source_record_id_l} "
            f"{row.source_r}:{row.source_record_id_r} by {row.steward}: {row.reason}"
            for row in conn.execute(query(_SQL, "inner_decisions"), {"customer_id": live})
        ),
    )


def _link(pair: Row[Any], records: dict[int, list[str]]) -> Link:
    return Link(
        records[pair.profile_id_l][0],
        records[pair.profile_id_r][0],
        float(pair.match_probability),
        pair.decision,
    )


def spanning_tree(nodes: Iterable[int], pairs: Sequence[tuple[int, int]]) -> list[int]:
    """The places of the pairs that join two parts when taken in the given order (Kruskal 1956)."""
    part = {node: node for node in nodes}
    joining = []
    for place, (left, right) in enumerate(pairs):
        one, other = _find(part, left), _find(part, right)
        if one != other:
            part[max(one, other)] = min(one, other)
            joining.append(place)
    return joining


def components(nodes: Iterable[int], pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The nodes in connected parts, the largest first."""
    part = {node: node for node in nodes}
    for left, right in pairs:
        one, other = _find(part, left), _find(part, right)
        part[max(one, other)] = min(one, other)
    found: dict[int, list[int]] = {}
    for node in part:
        found.setdefault(_find(part, node), []).append(node)
    return sorted(found.values(), key=lambda members: (-len(members), members))


def _find(part: dict[int, int], node: int) -> int:
    while part[node] != node:
        part[node] = part[part[node]]
        node = part[node]
    return node
