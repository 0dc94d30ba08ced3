"""Fixed-width rows between PostgreSQL and numpy by binary COPY, without a Python object per value.

Wire format: PostgreSQL documentation, COPY, "Binary Format".
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from db import bulk

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"


def read(conn: Connection, select: str, columns: Sequence[tuple[str, str]]) -> NDArray[Any]:
    """The rows of ``select`` as a structured array in native byte order.

    ``columns`` names each result column and its numpy type: ``i2``/``i4``/``i8`` for integers,
    ``f4``/``f8`` for reals. The types must be those the query returns and no value may be NULL:
    ValueError otherwise, rather than numbers read from the wrong bytes.
    """
    sink = io.BytesIO()
    rows = bulk.copy_out(conn, select, sink, options="FORMAT binary")
    wire = _wire_type(columns)
    expected = len(_HEADER) + rows * wire.itemsize + len(_TRAILER)
    if sink.tell() != expected:
        raise ValueError(f"COPY sent {sink.tell()} bytes where {expected} were due")
    table = np.frombuffer(sink.getbuffer(), dtype=wire, count=rows, offset=len(_HEADER))
    out = np.empty(rows, dtype=[(name, kind) for name, kind in columns])
    for name, kind in columns:
        if (table[f"{name}_size"] != np.dtype(kind).itemsize).any():
            raise ValueError(f"column {name} is not of type {kind} throughout")
        out[name] = table[name]
    return out


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
