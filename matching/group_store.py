"""``staging.match_groups``: the groups that scored pairs propose, with all pairs inside them.

A group is what pairs that are not rejected tie together. Identity finds in it all that clustering
looks at, and a night all that a new pair may change: in one row instead of one per pair.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from sqlalchemy import Connection

from db import binary_copy, bulk
from db.arrays import array_of, distinct
from db.graphs import components
from db.match_groups import BUCKET_BITS, PAIR
from db.queries import load, query
from matching.encode import pick
from matching.engine import ScoredPairs
from matching.groups import Pairs, pairs_scored
from matching.keys import Ints

_SQL = "matching/group_store.sql"
_GROUPS = ("staging", "match_groups")
_COLUMNS = ("group_id", "part", "tie_n", "tie_digest", "pairs")
_PLACES = ("staging", "profile_groups")
_BUCKET = 1 << BUCKET_BITS
_LARGEST_PART = 1 << 20  # pairs in a row: a value must stay far below 1 GB
_PLACE = (("bucket", "i4"), ("group_ids", f"V{8 * _BUCKET}"))
_DIGEST = 1_000_003  # as the comment on staging.match_groups.tie_digest has it
_NONE = 0  # stands for the group of a profile that has none


@dataclass(frozen=True)
class Grouped:
    """Groups ready to be copied, and the group of each profile (_NONE where it has none)."""

    wire: io.BytesIO
    profile_id: Ints
    group_of: Ints


def grouped(profile_id: Ints, parts: Sequence[ScoredPairs]) -> Grouped:
    """The groups of all scored pairs: ``parts`` of them, by positions in ``profile_id``."""
    tied = [(part.left[tie], part.right[tie]) for part in parts for tie in [part.decision > 0]]
    left, right = (np.concatenate(ends) for ends in zip(*tied, strict=True))
    group = _groups(profile_id, left, right)
    inside = []
    for part in parts:
        of = pick(group, part.left)
        at = np.flatnonzero((of == pick(group, part.right)) & (of != _NONE))
        inside.append(pairs_scored(part, profile_id, at))
    return Grouped(_packed(profile_id, group, Pairs.joined(inside)), profile_id, group)


def write(conn: Connection, found: Grouped) -> None:
    """Fills the empty tables."""
    _copy_groups(conn, found.wire)
    buckets = np.arange((int(found.profile_id.max(initial=-1)) >> BUCKET_BITS) + 1)
    places = np.zeros((len(buckets), _BUCKET), dtype=np.int64)
    places.ravel()[found.profile_id] = found.group_of
    _copy_places(conn, buckets, places)


@dataclass(frozen=True)
class Places:
    """The groups of the profiles of some buckets, and where in them those asked for are."""

    profile_ids: Ints
    buckets: Ints
    group_ids: Ints
    mine: tuple[Ints, Ints]


def read_places(conn: Connection, profile_ids: Ints) -> Places:
    """The stored groups of some profiles (ids in order)."""
    buckets = distinct(profile_ids >> BUCKET_BITS)
    rows = binary_copy.read_rows(
        conn, load(_SQL)["select_places"], _PLACE, buckets=array_of(buckets)
    )
    group_ids = np.zeros((len(buckets), _BUCKET), dtype=np.int64)
    known = np.ascontiguousarray(rows["group_ids"]).view(">i8").reshape(-1, _BUCKET)
    group_ids[np.searchsorted(buckets, rows["bucket"])] = known
    mine = np.searchsorted(buckets, profile_ids >> BUCKET_BITS), profile_ids & (_BUCKET - 1)
    return Places(profile_ids, buckets, group_ids, mine)


@dataclass(frozen=True)
class Regrouped:
    """What takes the place of the groups ``dropped`` and of the rows of ``buckets``."""

    dropped: Ints
    wire: io.BytesIO
    buckets: Ints
    group_ids: Ints


def regrouped(places: Places, pairs: Pairs) -> Regrouped:
    """The groups of the profiles in ``places`` made anew (whole groups, as they were and as they
    are): ``pairs`` are all scored pairs inside them, or between them."""
    profile_ids = places.profile_ids
    left, right = (np.searchsorted(profile_ids, end) for end in (pairs.left, pairs.right))
    group = _groups(profile_ids, left[pairs.proposes], right[pairs.proposes])
    of = group[left]
    inside = (of == group[right]) & (of != _NONE)
    group_ids = places.group_ids.copy()
    group_ids[places.mine] = group
    return Regrouped(
        distinct(places.group_ids[places.mine]),
        _packed(profile_ids, group, pairs.where(inside)),
        places.buckets,
        group_ids,
    )


def rewrite(conn: Connection, new: Regrouped) -> None:
    """Writes groups that were made anew."""
    stored = {"groups": array_of(new.dropped), "buckets": array_of(new.buckets)}
    conn.execute(query(_SQL, "drop_groups"), stored)
    _copy_groups(conn, new.wire)
    _copy_places(conn, new.buckets, new.group_ids)


def _groups(profile_id: Ints, left: Ints, right: Ints) -> Ints:
    """The group of each profile that pairs which tie these positions make."""
    label = components(len(profile_id), left, right)
    size = np.bincount(label)
    first = np.full(len(size), np.iinfo(np.int64).max)
    np.minimum.at(first, label, profile_id)
    first[size == 1] = _NONE
    return pick(first, label)


def _packed(profile_id: Ints, group_of: Ints, pairs: Pairs) -> io.BytesIO:
    """``pairs``, all inside groups, as rows of ``staging.match_groups``."""
    table = np.zeros(int(profile_id.max(initial=0)) + 1, dtype=np.int64)
    table[profile_id] = group_of
    group = pick(table, pairs.left)
    order = np.argsort(group, kind="stable")
    pairs, group = pairs.where(order), pick(group, order)
    rows = np.empty(len(order), dtype=PAIR)
    for each in fields(pairs):
        rows[each.name] = getattr(pairs, each.name)
    begins = np.ones(len(group), dtype=bool)
    begins[1:] = group[1:] != group[:-1]
    start = begins.nonzero()[0]
    nth = np.arange(len(group)) - np.repeat(start, np.diff(np.append(start, len(group))))
    first = (nth % _LARGEST_PART == 0).nonzero()[0]
    digest = pairs.proposes * (pairs.left * _DIGEST ^ pairs.right)
    columns: list[binary_copy.Field] = [
        ("group_id", "i8", group[first]),
        ("part", "i4", nth[first] // _LARGEST_PART),
        ("tie_n", "i4", _per_row(np.add, pairs.proposes.astype(np.int64), first)),
        ("tie_digest", "i8", _per_row(np.bitwise_xor, digest, first)),
    ]
    ends = PAIR.itemsize * np.append(first, len(group))[1:]
    return binary_copy.ragged(columns, memoryview(rows.tobytes()), ends)


def _per_row(function: np.ufunc, values: Ints, first: Ints) -> Ints:
    """What a function of two makes of each stretch of values that begins at ``first``."""
    if not len(first):
        return first
    made: Ints = function.reduceat(values, first)
    return made


def _copy_groups(conn: Connection, wire: io.BytesIO) -> None:
    bulk.copy_in(conn, _GROUPS, _COLUMNS, wire, options="FORMAT binary")


def _copy_places(conn: Connection, buckets: Ints, places: Ints) -> None:
    rows = places.astype(">i8").view(_PLACE[1][1]).ravel()
    columns = [("bucket", "i4", buckets), ("group_ids", _PLACE[1][1], rows)]
    binary_copy.write(conn, _PLACES, columns, len(buckets))
