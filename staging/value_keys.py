"""Who holds which value, as arrays of hashes: staging.value_keys.

A value that nobody asks about needs no row of its own: a night finds the holders of its values by
bisection. What is found so may be more than there is (a record has changed, two values have one
key), never less; who says anything of a value looks at the records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from db import binary_copy
from db.queries import load, query

Ints = NDArray[np.integer[Any]]

_FILE = "staging/value_keys.sql"
_TABLE = ("staging", "value_keys")
_COLUMNS = ("change_seq", "part", "entries_n", "keys", "record_ids", "names")
_PART = 4_000_000  # entries: 32 MiB an array, far below what a row may hold
_MOST_ROWS = 20

SHAREABLE: Final = ("email", "phone", "address", "tax_id", "customer_number")
"""What the register of shared values may hold."""
KINDS: Final = (("record_id", "i8"), ("names", "i8"), *((name, "i4") for name in SHAREABLE))
"""The columns of ``select_keys``."""


@dataclass(frozen=True, slots=True)
class Entries:
    """Values, holders and the names of these, equally long; mostly in the order of keys."""

    keys: Ints
    record_ids: Ints
    names: Ints

    @classmethod
    def of(cls, records: NDArray[Any]) -> Self:
        """The values of ``records``, rows of ``select_keys``, in the order of their keys."""
        keys = np.concatenate([records[name].astype(np.int32) for name in SHAREABLE])
        at = np.flatnonzero(keys)
        at = at[np.argsort(keys[at])]
        holders = at % max(len(records), 1)
        record_ids, names = records["record_id"].astype(np.int64), records["names"].astype(np.int64)
        return cls(keys[at], record_ids[holders], names[holders])

    @classmethod
    def joined(cls, several: Sequence[Entries]) -> Self:
        """The entries of all, one behind the other."""
        return cls(
            np.concatenate([one.keys for one in several]),
            np.concatenate([one.record_ids for one in several]),
            np.concatenate([one.names for one in several]),
        )

    def __len__(self) -> int:
        return len(self.keys)

    def at(self, places: Any) -> Entries:
        """The entries at some places."""
        return Entries(self.keys[places], self.record_ids[places], self.names[places])

    def counted(self) -> tuple[Ints, Ints]:
        """Each key, in order, and how many entries it has."""
        starts = np.flatnonzero(np.diff(self.keys, prepend=0))
        return self.keys[starts], np.diff(starts, append=len(self))

    def among(self, keys: Ints) -> Entries:
        """The entries of ``keys``, of which none is twice."""
        starts, n = _stretches(self.keys, keys)
        return self.at(np.repeat(starts - np.cumsum(n) + n, n) + np.arange(n.sum()))


class Stored:
    """The entries that runs before have written: keys at hand, holders read when asked for."""

    def __init__(self, conn: Connection | None, rows: Sequence[tuple[int, int, Ints]]) -> None:
        self._conn = conn
        self._rows = rows

    @classmethod
    def read(cls, conn: Connection) -> Self:
        """What is stored; ``conn`` is the connection on which holders are read."""
        select = load(_FILE)["select_stored_keys"]
        rows = [
            (int.from_bytes(change_seq), int.from_bytes(part), _numbers(keys, np.int32))
            for change_seq, part, keys in binary_copy.read_values(conn, select, 3)
        ]
        return cls(conn, rows)

    @classmethod
    def none(cls) -> Self:
        """No entries, whatever is stored."""
        return cls(None, ())

    def count(self, keys: Ints) -> Ints:
        """How many entries each of ``keys`` has."""
        n = np.zeros(len(keys), np.int64)
        for _, _, stored in self._rows:
            n += _stretches(stored, keys)[1]
        return n

    def among(self, keys: Ints) -> Entries:
        """The entries of ``keys``, of which none is twice."""
        held, record_ids, names = self._read(keys, ("record_ids", "names"))
        return Entries(held, record_ids, names)

    def names(self, keys: Ints) -> tuple[Ints, Ints]:
        """Keys and names of the entries of ``keys``, of which none is twice."""
        held, names = self._read(keys, ("names",))
        return held, names

    def _read(self, keys: Ints, columns: Sequence[str]) -> list[Ints]:
        """The keys of their entries, and what ``columns`` say of these."""
        held: list[Ints] = [np.empty(0, np.int32)]
        said: list[list[Ints]] = [[np.empty(0, np.int64)] for _ in columns]
        for change_seq, part, stored in self._rows:
            starts, n = _stretches(stored, keys)
            if self._conn is None or not n.any():
                continue
            held.append(np.repeat(keys, n))
            wanted = {"starts": starts[n > 0].tolist(), "ns": n[n > 0].tolist()}
            row = {"change_seq": change_seq, "part": part}
            for found, column in zip(said, columns, strict=True):
                slices = self._conn.execute(query(_FILE, f"slices_of_{column}"), wanted | row)
                found.append(_numbers(b"".join(slices.scalars()), np.int64))
        return [np.concatenate(several) for several in (held, *said)]

    def add(self, conn: Connection, fresh: Entries, *, change_seq: int) -> None:
        """Writes ``fresh`` behind what is there; many rows become few again."""
        if len(self._rows) >= _MOST_ROWS:
            select = load(_FILE)["select_all"]
            rows = binary_copy.read_values(conn, select, 3)
            kept = [
                Entries(_numbers(keys, np.int32), *(_numbers(one, np.int64) for one in holders))
                for keys, *holders in rows
            ]
            clear(conn)
            fresh = _without_repeats(Entries.joined([*kept, fresh]))
        _write(conn, fresh, change_seq)


def clear(conn: Connection) -> None:
    """Forgets all entries."""
    conn.execute(query(_FILE, "clear"))


def _stretches(ordered: Ints, keys: Ints) -> tuple[Ints, Ints]:
    """Where each of ``keys`` begins among ``ordered`` ones, and how often it is there."""
    starts = np.searchsorted(ordered, keys)
    return starts, np.searchsorted(ordered, keys, "right") - starts


def _without_repeats(entries: Entries) -> Entries:
    entries = entries.at(np.lexsort((entries.names, entries.record_ids, entries.keys)))
    columns = (entries.keys, entries.record_ids, entries.names)
    return entries.at(np.any([np.diff(column, prepend=0) != 0 for column in columns], axis=0))


def _write(conn: Connection, entries: Entries, change_seq: int) -> None:
    rows = []
    for part, start in enumerate(range(0, len(entries), _PART)):
        piece = entries.at(slice(start, start + _PART))
        numbers = ((change_seq, 8), (part, 4), (len(piece), 4))
        arrays = ((piece.keys, ">i4"), (piece.record_ids, ">i8"), (piece.names, ">i8"))
        rows.append(
            [number.to_bytes(size) for number, size in numbers]
            + [values.astype(kind).tobytes() for values, kind in arrays]
        )
    if rows:
        binary_copy.write_values(conn, _TABLE, _COLUMNS, rows)


def _numbers(wire: bytes | memoryview, kind: type[np.integer[Any]]) -> Ints:
    """Big-endian numbers as an array."""
    return np.frombuffer(wire, np.dtype(kind).newbyteorder(">")).astype(kind)
