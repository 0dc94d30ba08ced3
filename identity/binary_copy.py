"""Columns of numbers between PostgreSQL and numpy, without a Python object per value.

In by binary COPY, row by row; out by COPY of aggregates, each of which is a column in its binary
form. A row of its own costs the driver a call, which is most of the time of reading millions.
Wire format: PostgreSQL documentation, COPY, "Binary Format".
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg2 import sql
from sqlalchemy import Connection

from db import bulk

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"


def read(
    conn: Connection, select: str, columns: Sequence[tuple[str, str]], **values: object
) -> dict[str, NDArray[Any]]:
    """The columns of ``select`` as arrays in native byte order, equally long.

    Each row of ``select`` is a part of the columns, each value such a part:
    ``string_agg(int8send(x), '')``, NULL where there is nothing. ``columns`` names them with their
    numpy types: ``i2``/``i4``/``i8`` for integers, ``f4``/``f8`` for reals, ``S16`` for UUIDs.
    ``values`` are put in for its ``{placeholders}``, as literals: COPY knows no bound parameters.
    ValueError when the parts are not of these types, rather than numbers read from wrong bytes.
    """
    if values:
        literals = {name: sql.Literal(value) for name, value in values.items()}
        with bulk.cursor(conn) as cur:
            select = sql.SQL(select).format(**literals).as_string(cur)
    sink = io.BytesIO()
    rows = bulk.copy_out(conn, select, sink, options="FORMAT binary")
    wire, at = sink.getbuffer(), len(_HEADER)
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name, _ in columns}
    for _ in range(rows):
        if int.from_bytes(wire[at : at + 2]) != len(columns):
            raise ValueError(f"a row is not of the {len(columns)} columns wanted")
        at += 2
        for name, kind in columns:
            size = max(int.from_bytes(wire[at : at + 4], signed=True), 0)
            at += 4
            # refuses a size that is no multiple of the type's
            parts[name].append(np.frombuffer(wire[at : at + size], dtype=f">{kind}"))
            at += size
        if len({len(parts[name][-1]) for name, _ in columns}) > 1:
            raise ValueError("the columns of a row are not equally long")
    return {
        name: np.concatenate([np.empty(0, f">{kind}"), *parts[name]]).astype(kind)
        for name, kind in columns
    }


def write(conn: Connection, table: Sequence[str], columns: dict[str, NDArray[Any]]) -> int:
    """Rows that COPY loaded into ``table`` (schema, name) from equally long arrays."""
    kinds = [(name, values.dtype.str[1:]) for name, values in columns.items()]
    wire = np.empty(len(next(iter(columns.values()))), dtype=_wire_type(kinds))
    if not len(wire):
        return 0
    wire["field_n"] = len(columns)
    for name, values in columns.items():
        wire[f"{name}_size"] = values.dtype.itemsize
        wire[name] = values
    data = io.BytesIO(b"".join((_HEADER, wire.tobytes(), _TRAILER)))
    return bulk.copy_in(conn, table, list(columns), data, options="FORMAT binary")


def _wire_type(columns: Sequence[tuple[str, str]]) -> np.dtype[Any]:
    fields = [("field_n", ">i2")]
    for name, kind in columns:
        fields += [(f"{name}_size", ">i4"), (name, f">{kind}")]
    return np.dtype(fields)
