"""The blocking keys in ``staging.blocking_keys``: arrays in few rows, written and read by COPY.

Wire formats: PostgreSQL documentation, COPY "Binary Format"; PostgreSQL sources, ``byteasend``.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import numpy as np
from sqlalchemy import Connection

from db import bulk
from db.queries import load, query
from matching.binary_copy import HEADER, TRAILER
from matching.keys import Ints, Keys

_SQL = "matching/key_store.sql"
_TABLE = ("staging", "blocking_keys")
_COLUMNS = ("rule_id", "is_refined", "change_seq", "part", "entries_n", "keys", "profile_ids")
_PART = 4_000_000  # entries: 32 MiB an array, far below what a row may hold
_ROW = struct.Struct(">h ih i? iq ii ii")
_LENGTH = struct.Struct(">i")


def write(conn: Connection, rule_id: int, keys: Keys, *, change_seq: int, refined: bool) -> None:
    """Adds rows with these entries; those of before stay."""
    for part, start in enumerate(range(0, len(keys), _PART)):
        piece = keys.where(slice(start, start + _PART))
        sink = io.BytesIO()
        sink.write(HEADER)
        sink.write(
            _ROW.pack(len(_COLUMNS), 2, rule_id, 1, refined, 8, change_seq, 4, part, 4, len(piece))
        )
        for values in (piece.keys, piece.profile_ids):
            sink.write(_LENGTH.pack(8 * len(values)))
            sink.write(values.astype(">i8").data)
        sink.write(TRAILER)
        sink.seek(0)
        bulk.copy_in(conn, _TABLE, _COLUMNS, sink, options="FORMAT binary")


def read(conn: Connection, rule_id: int, *, refined: bool) -> dict[int, Keys]:
    """The entries of a rule by the change number of the blocking that wrote them."""
    select = load(_SQL)["select_keys"]
    with bulk.cursor(conn) as cursor:
        filled = cursor.mogrify(select, {"rule_id": rule_id, "refined": refined}).decode()
    sink = io.BytesIO()
    bulk.copy_out(conn, filled, sink, options="FORMAT binary")
    parts: dict[int, list[Keys]] = {}
    for change_seq, keys, profile_ids in _rows(sink.getbuffer()):
        parts.setdefault(change_seq, []).append(Keys(keys, profile_ids))
    return {
        change_seq: several[0]
        if len(several) == 1
        else Keys(
            np.concatenate([one.keys for one in several]),
            np.concatenate([one.profile_ids for one in several]),
        )
        for change_seq, several in parts.items()
    }


def clear(conn: Connection) -> None:
    """Forgets all entries of all rules."""
    conn.execute(query(_SQL, "clear"))


def forget(conn: Connection, rule_id: int, *, refined: bool) -> None:
    """Forgets all entries of a rule."""
    conn.execute(query(_SQL, "forget"), {"rule_id": rule_id, "refined": refined})


def _rows(data: memoryview) -> Iterator[tuple[int, Ints, Ints]]:
    """Change number, keys and profile ids of each row of what COPY wrote."""
    at = len(HEADER)
    while data[at : at + 2] != TRAILER:
        at += 2
        fields = []
        for _ in range(3):
            (length,) = _LENGTH.unpack_from(data, at)
            at += _LENGTH.size
            fields.append(np.frombuffer(data[at : at + length], dtype=">i8").astype(np.int64))
            at += length
        yield int(fields[0][0]), fields[1], fields[2]
