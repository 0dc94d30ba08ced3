"""Which records are one customer now, and which customers no rule has to decide about.

An id stays with a cluster that has all its records and those of no other id: nothing else could be
said of it. Only what is left, ids that meet or part, come or go, is put before the rules of
``assignment.sql``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from db.arrays import are_in
from identity.graph import AUTO_MERGE, FLAG_REVIEW, SAME_PROFILE, STEWARD, Ints, OwnNodes
from identity.partition import Partition

_SINGLETON = 7
_NAMES = {
    AUTO_MERGE: "AUTO_MERGE",
    FLAG_REVIEW: "FLAG_REVIEW",
    SAME_PROFILE: "SAME_PROFILE",
    STEWARD: "STEWARD",
    _SINGLETON: "SINGLETON",
}
DECISIONS = [_NAMES.get(i, "") for i in range(1, _SINGLETON + 1)]
"""The names of what holds a record in its customer, by number from 1."""
NOBODY = bytes(16)
"""Stands for the customer of a record that has none yet."""

MEMBER = (
    ("record", "i8"),
    ("profile", "i8"),
    ("mapped_record", "i8"),
    ("mapped_profile", "i8"),
    ("customer", "S16"),
    ("confidence", "f4"),
    ("decision", "i2"),
)


@dataclass(frozen=True)
class Members:
    """Live records with the profile each shows, and what the map says of them.

    Where the map does not know a record, ``mapped_record`` is -1 and ``customer`` ``NOBODY``.
    """

    record: Ints
    profile: Ints
    mapped_record: Ints
    mapped_profile: Ints
    customer: NDArray[np.bytes_]
    confidence: NDArray[np.float32]
    decision: NDArray[np.int16]

    def where(self, chosen: NDArray[np.bool_] | Ints) -> Members:
        """The chosen records only (boolean mask or positions)."""
        return Members(*(getattr(self, name)[chosen] for name, _ in MEMBER))

    def joined_with(self, *others: Members) -> Members:
        """These records followed by those of ``others``."""
        parts = (self, *others)
        return Members(*(np.concatenate([getattr(p, name) for p in parts]) for name, _ in MEMBER))

    def distinct(self) -> Members:
        """Each record once, where it was first."""
        order = np.argsort(self.record, kind="stable")
        is_again = np.zeros(len(order), dtype=bool)
        is_again[order[1:]] = self.record[order[1:]] == self.record[order[:-1]]
        return self.where(~is_again)


@dataclass(frozen=True)
class Assignment:
    """Records and the customer of each, numbered from 0 by their first records.

    ``record``, ``customer``, ``confidence`` and ``decision`` are per record, ``record_n`` is per
    customer; ``customer_of`` is the customer of each cluster of the partition that has links.
    """

    record: Ints
    customer: Ints
    confidence: NDArray[np.float32]
    decision: NDArray[np.int16]
    record_n: Ints
    customer_of: Ints


@dataclass(frozen=True)
class Kept:
    """Per customer of an assignment whether an id has it without question, and which."""

    is_kept: NDArray[np.bool_]
    id: NDArray[np.bytes_]


def assign(record: Ints, profile: Ints, own: OwnNodes, clusters: Partition) -> Assignment:
    """The customer of every live ``record``, numbered anew.

    ``own`` and ``clusters`` name nodes as in ``graph`` and ``partition``; a node of no cluster is a
    customer of its own.
    """
    order = np.argsort(record, kind="stable")
    record, node = record[order], profile[order].copy()
    if len(own.record):
        by_record = np.argsort(own.record)
        at = np.searchsorted(record, own.record[by_record])
        node[at] = own.code[by_record]
    cluster_of = np.arange(own.base + len(own.record), dtype=np.int64)
    confidence_of = np.ones(len(cluster_of), dtype=np.float32)
    held_by = np.full(len(cluster_of), SAME_PROFILE, dtype=np.int16)
    clustered = own.code_of(clusters.node)
    cluster_of[clustered] = own.code_of(clusters.cluster)
    confidence_of[clustered] = clusters.confidence
    held_by[clustered] = clusters.held_by

    cluster = cluster_of[node]
    place = np.arange(len(cluster))
    first = np.zeros(len(cluster_of), dtype=np.int64)
    first[cluster[::-1]] = place[::-1]  # written backwards: what stays is the first
    number = np.cumsum(first[cluster] == place) - 1
    customer = number[first[cluster]]
    record_n = np.bincount(customer)
    decision = held_by[node]
    decision[record_n[customer] == 1] = _SINGLETON
    return Assignment(
        record=record,
        customer=customer,
        confidence=confidence_of[node],
        decision=decision,
        record_n=record_n,
        customer_of=number[first[own.code_of(clusters.linked_cluster)]],
    )


def keep(
    members: Members,
    found: Assignment,
    *,
    returning: Ints,
    unsettled: NDArray[np.bytes_],
) -> Kept:
    """The customers of ``found`` that have all records of one id and none of another.

    ``members`` are in the order of ``found``. ``returning`` are records with a past that the map
    does not tell, ``unsettled`` the ids of these and of records that went.
    """
    customer_n = len(found.record_n)
    known = (members.customer != NOBODY).nonzero()[0]
    ids, number = numbered(np.concatenate([members.customer[known], unsettled]))
    number, disputed = number[: len(known)], number[len(known) :]
    of = found.customer[known]
    lowest, highest = np.full(customer_n, len(ids)), np.full(customer_n, -1)
    np.minimum.at(lowest, of, number)
    np.maximum.at(highest, of, number)
    first, last = np.full(len(ids), customer_n), np.full(len(ids), -1)
    np.minimum.at(first, number, of)
    np.maximum.at(last, number, of)
    is_whole = first == last
    is_whole[disputed] = False
    is_kept = lowest == highest
    is_kept[is_kept] = is_whole[highest[is_kept]]
    is_kept[found.customer[are_in(found.record, returning)]] = False
    id_of = np.full(customer_n, NOBODY, dtype="S16")
    id_of[is_kept] = ids[highest[is_kept]]
    return Kept(is_kept, id_of)


def numbered(ids: NDArray[np.bytes_]) -> tuple[NDArray[np.bytes_], Ints]:
    """The distinct ``ids``, in any order, and the number of each."""
    high, low = np.ascontiguousarray(ids).view(">u8").reshape(-1, 2).astype(np.uint64).T
    order = np.argsort(low)  # chance made these bits: the same are of the same id
    if ((np.diff(high[order]) != 0) & (np.diff(low[order]) == 0)).any():  # almost always
        order = np.lexsort((low, high))
    is_new = np.ones(len(ids), dtype=bool)
    is_new[1:] = (np.diff(high[order]) != 0) | (np.diff(low[order]) != 0)
    number = np.empty(len(ids), dtype=np.int64)
    number[order] = np.cumsum(is_new) - 1
    return ids[order[is_new]], number
