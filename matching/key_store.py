"""The blocking keys in ``staging.blocking_keys``: arrays in few rows, written and read by COPY.

A rule's first array is long and looked into by every night. It is cut into buckets of a few keys,
in ``staging.blocking_key_buckets``, where a night finds those it wants by index; what nights have
added is short, and read whole.

Wire formats: PostgreSQL documentation, COPY "Binary Format"; PostgreSQL sources, ``byteasend``.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from db import binary_copy, bulk
from db.arrays import array_of, distinct
from db.binary_copy import HEADER, TRAILER
from db.queries import load, query
from matching.keys import Ints, Keys, Sought

_SQL = "matching/key_store.sql"
_TABLE = ("staging", "blocking_keys")
_COLUMNS = (
    "rule_id", "is_refined", "change_seq", "part", "entries_n", "bucket_bits",
    "keys", "profile_ids",
)  # fmt: skip
_PART = 4_000_000  # entries: 32 MiB an array, far below what a row may hold
_BUCKETS = ("staging", "blocking_key_buckets")
_BUCKET_COLUMNS = ("rule_id", "bucket", "entries")
_READ_WHOLE = 1 << 16  # entries: to read as many costs less than to look for some of them
_PER_BUCKET_BITS = 5  # 32 entries: a row of a quarter of a kilobyte
_BUCKETS_AT_ONCE = 1 << 18


@dataclass(frozen=True)
class Stored:
    """What is kept of a rule: the first entries, those that came later, and since when."""

    first: Keys | Sought
    later: Keys
    written: frozenset[int]
    """The change numbers of the blockings that wrote them."""

    first_n: int
    """How many the first entries are."""


def write(conn: Connection, rule_id: int, keys: Keys, *, change_seq: int, refined: bool) -> None:
    """Adds rows with these entries; those of before stay."""
    for part, start in enumerate(range(0, len(keys), _PART)):
        piece = keys.where(slice(start, start + _PART))
        _write_row(conn, (rule_id, refined, change_seq, part, len(piece), 0), piece)


def write_first(
    conn: Connection, rule_id: int, keys: Keys, *, change_seq: int, frozen: bool = False
) -> None:
    """Writes all entries of a rule of which nothing is kept, in buckets if they are many.

    ``frozen``: into tables that this transaction has emptied.
    """
    if len(keys) < _READ_WHOLE:
        write(conn, rule_id, keys, change_seq=change_seq, refined=False)
        return
    bits = max((len(keys) >> _PER_BUCKET_BITS).bit_length(), 1)
    none = keys.where(slice(0))
    _write_row(conn, (rule_id, False, change_seq, 0, len(keys), bits), none)
    buckets = keys.keys >> (64 - bits)
    first = np.flatnonzero(np.diff(buckets, prepend=buckets[0] - 1))
    options = "FORMAT binary, FREEZE" if frozen else "FORMAT binary"
    for at in range(0, len(first), _BUCKETS_AT_ONCE):
        starts = first[at : at + _BUCKETS_AT_ONCE]
        last = at + len(starts)
        end = int(first[last]) if last < len(first) else len(keys)
        piece = keys.where(slice(int(starts[0]), end))
        rows = _bucket_rows(rule_id, buckets[starts], starts - starts[0], piece)
        bulk.copy_in(conn, _BUCKETS, _BUCKET_COLUMNS, rows, options=options)


def read(conn: Connection, rule_id: int, *, refined: bool) -> Stored:
    """What is kept of a rule."""
    parts: dict[int, list[Keys]] = {}
    first_bits = first_n = 0
    for change_seq, entries_n, bits, keys, profile_ids in _rows(conn, rule_id, refined):
        if not parts:
            first_bits = bits
        parts.setdefault(change_seq, []).append(Keys(keys, profile_ids))
        if len(parts) == 1:
            first_n += entries_n
    first, *later = [Keys.appended(several) for several in parts.values()] or [Keys.appended([])]
    return Stored(
        _sought(conn, rule_id, first_bits) if first_bits else first,
        Keys.joined(later),
        frozenset(parts),
        first_n,
    )


def clear(conn: Connection) -> None:
    """Forgets all entries of all rules; the index of buckets is to be made after the next."""
    conn.execute(query(_SQL, "clear"))


def create_index(conn: Connection) -> None:
    """Makes the index of buckets."""
    conn.execute(query(_SQL, "create_index"))


def forget(conn: Connection, rule_id: int, *, refined: bool) -> None:
    """Forgets all entries of a rule."""
    conn.execute(query(_SQL, "forget"), {"rule_id": rule_id, "refined": refined})


def _sought(conn: Connection, rule_id: int, bits: int) -> Sought:
    """The entries of a rule that are in buckets, to be found by key."""

    def find(wanted: Ints) -> Ints:
        buckets = array_of(distinct(wanted >> (64 - bits)))
        return _entries(conn, "find_entries", rule_id=rule_id, buckets=buckets)

    def whole() -> Keys:
        return Keys.of_entries(_entries(conn, "select_entries", rule_id=rule_id))

    return Sought(find, whole)


def _entries(conn: Connection, name: str, **values: object) -> Ints:
    """The entries that a query gives, of one number each."""
    select = _filled(conn, name, **values)
    return binary_copy.read_parts(conn, select, (("entry", "i8"),))["entry"]


def _write_row(conn: Connection, values: tuple[int, bool, int, int, int, int], piece: Keys) -> None:
    rule_id, refined, change_seq, part, entries_n, bits = values
    numbers = ((rule_id, 2), (refined, 1), (change_seq, 8), (part, 4), (entries_n, 4), (bits, 2))
    row = [number.to_bytes(size) for number, size in numbers]
    row += [column.astype(">i8").tobytes() for column in (piece.keys, piece.profile_ids)]
    binary_copy.write_values(conn, _TABLE, _COLUMNS, [row])


def _bucket_rows(rule_id: int, buckets: Ints, starts: Ints, entries: Keys) -> io.BytesIO:
    """What COPY takes in: a row per bucket, whose entries begin at ``starts``."""
    # A row is five words of four bytes (number of fields, rule, bucket, length) and two an entry.
    rows_n, head, entry = len(buckets), 5, 2
    sizes = np.diff(starts, append=len(entries))
    words = np.empty(head * rows_n + entry * len(entries), dtype=">i4")
    row = head * np.arange(rows_n) + entry * starts
    is_head = np.zeros(len(words), dtype=bool)
    fields = (len(_BUCKET_COLUMNS) << 16, 2 << 16 | rule_id, 4, buckets, 4 * entry * sizes)
    for place, values in enumerate(fields):
        words[row + place] = values
        is_head[row + place] = True
    words[~is_head] = entries.entries().astype(">i8").view(">i4")
    return io.BytesIO(b"".join((HEADER, words.data, TRAILER)))


def _rows(
    conn: Connection, rule_id: int, refined: bool
) -> Iterator[tuple[int, int, int, Ints, Ints]]:
    """Change number, number of entries, bits, keys and profile ids of each stored row."""
    select = _filled(conn, "select_keys", rule_id=rule_id, refined=refined)
    for *numbers, keys, profile_ids in binary_copy.read_values(conn, select, 5):
        change_seq, entries_n, bits = map(int.from_bytes, numbers)
        yield change_seq, entries_n, bits, _numbers(keys), _numbers(profile_ids)


def _numbers(wire: memoryview) -> Ints:
    return np.frombuffer(wire, dtype=">i8").astype(np.int64)


def _filled(conn: Connection, name: str, **values: object) -> str:
    """A query of this module with its parameters filled in, as COPY asks for."""
    with bulk.cursor(conn) as cursor:
        filled: bytes = cursor.mogrify(load(_SQL)[name], values)
    return filled.decode()
