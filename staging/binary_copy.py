"""Columns of fixed width between PostgreSQL and numpy by binary COPY, without a loop over rows.

Wire format: PostgreSQL documentation, COPY, "Binary Format".
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from db import bulk

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_LENGTH = struct.Struct(">i")


def read(conn: Connection, select: str, kinds: Sequence[tuple[str, str]]) -> NDArray[Any]:
    """The rows of ``select`` as a structured array; ``kinds`` are its columns' names and kinds.

    The columns must be of these very widths (``i8`` for bigint) and never NULL.
    """
    sink = io.BytesIO()
    bulk.copy_out(conn, select, sink, options="FORMAT binary")
    row = _row(kinds)
    size = sink.getbuffer().nbytes - len(_HEADER) - len(_TRAILER)
    if size % row.itemsize:
        raise ValueError(f"rows of {row.itemsize} bytes expected, {size} bytes found")
    return np.frombuffer(sink.getbuffer(), row, size // row.itemsize, len(_HEADER))


def write(conn: Connection, table: tuple[str, str], columns: Mapping[str, NDArray[Any]]) -> None:
    """Copies equally long arrays into ``table``; values of kind ``V`` are in wire format."""
    row = _row([(name, values.dtype.str[1:]) for name, values in columns.items()])
    rows = np.empty(len(next(iter(columns.values()))), row)
    rows["field_n"] = len(columns)
    for name, values in columns.items():
        rows[f"{name}_size"] = values.dtype.itemsize
        rows[name] = values
    data = io.BytesIO(b"".join((_HEADER, rows.data, _TRAILER)))
    bulk.copy_in(conn, table, list(columns), data, options="FORMAT binary")


def read_values(conn: Connection, select: str, columns_n: int) -> Iterator[list[memoryview]]:
    """The rows of ``select``, whose values are few and long: as bytes, none of them NULL."""
    sink = io.BytesIO()
    rows_n = bulk.copy_out(conn, select, sink, options="FORMAT binary")
    wire, at = sink.getbuffer(), len(_HEADER)
    for _ in range(rows_n):
        at += 2
        values = []
        for _ in range(columns_n):
            (length,) = _LENGTH.unpack_from(wire, at)
            at += _LENGTH.size + length
            values.append(wire[at - length : at])
        yield values


def write_values(
    conn: Connection,
    table: tuple[str, str],
    columns: Sequence[str],
    rows: Sequence[Sequence[bytes]],
) -> None:
    """Copies rows of few and long values, in wire format, into ``table``."""
    sink = io.BytesIO()
    sink.write(_HEADER)
    for row in rows:
        sink.write(struct.pack(">h", len(columns)))
        for value in row:
            sink.write(_LENGTH.pack(len(value)))
            sink.write(value)
    sink.write(_TRAILER)
    sink.seek(0)
    bulk.copy_in(conn, table, columns, sink, options="FORMAT binary")


def _row(kinds: Sequence[tuple[str, str]]) -> np.dtype[Any]:
    """The layout of one row: a number of fields, then a length before each."""
    fields = [("field_n", ">i2")]
    for name, kind in kinds:
        fields += [(f"{name}_size", ">i4"), (name, f">{kind}")]
    return np.dtype(fields)
