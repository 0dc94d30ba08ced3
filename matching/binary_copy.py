"""Fixed-width columns from and to PostgreSQL's binary COPY format, as numpy arrays, without a loop.

Wire formats: PostgreSQL documentation, COPY "Binary Format".
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from db import bulk

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
_LENGTH = struct.Struct(">i")

Field = tuple[str, str, Any]
"""Name, numpy kind (empty: the values come in wire format), and the values or one for all rows."""


def write(conn: Connection, table: tuple[str, str], fields: Sequence[Field], rows_n: int) -> int:
    """Rows copied into ``table``: ``rows_n`` of them, none of their values NULL."""
    columns = [name for name, _, _ in fields]
    return bulk.copy_in(conn, table, columns, packed(fields, rows_n), options="FORMAT binary")


def packed(fields: Sequence[Field], rows_n: int) -> io.BytesIO:
    """What :func:`write` copies."""
    row = np.zeros(1, dtype=_row(fields))
    row["field_n"] = len(fields)
    for name, _, values in fields:
        row[f"{name}_size"] = row.dtype[name].itemsize
        if np.ndim(values) == 0:
            row[name] = values
    # What is the same in all rows is filled in at once, as bytes.
    rows = np.full(rows_n, row.view(f"V{row.itemsize}")).view(row.dtype)
    for name, _, values in fields:
        if np.ndim(values) > 0:
            rows[name] = values
    return io.BytesIO(b"".join((HEADER, rows.data, TRAILER)))


def read(conn: Connection, select: str, kinds: Sequence[tuple[str, str]]) -> NDArray[Any]:
    """The rows of ``select`` as a structured array; ``kinds`` are its columns' names and kinds.

    The columns must be of these very widths (``i8`` for bigint) and never NULL.
    """
    sink = io.BytesIO()
    bulk.copy_out(conn, select, sink, options="FORMAT binary")
    row = _row([(name, kind, None) for name, kind in kinds])
    size = sink.getbuffer().nbytes - len(HEADER) - len(TRAILER)
    if size % row.itemsize:
        raise ValueError(f"rows of {row.itemsize} bytes expected, {size} bytes found")
    return np.frombuffer(sink.getbuffer(), row, size // row.itemsize, len(HEADER))


def arrays(conn: Connection, select: str, columns_n: int) -> Iterator[list[NDArray[np.int64]]]:
    """The rows of ``select``, whose columns are numbers of eight bytes, one or many to a value.

    Many come as ``bytea``, the way ``string_agg(int8send(…), '')`` puts them together: rows that
    are not made need not be read.
    """
    sink = io.BytesIO()
    bulk.copy_out(conn, select, sink, options="FORMAT binary")
    data = sink.getbuffer()
    at = len(HEADER)
    while data[at : at + 2] != TRAILER:
        at += 2
        values = []
        for _ in range(columns_n):
            (length,) = _LENGTH.unpack_from(data, at)
            at += _LENGTH.size
            values.append(np.frombuffer(data[at : at + length], dtype=">i8").astype(np.int64))
            at += length
        yield values


def _row(fields: Sequence[Field]) -> np.dtype[Any]:
    """The layout of one row: a number of fields, then a length before each."""
    kinds: list[tuple[str, Any]] = [("field_n", ">i2")]
    for name, kind, values in fields:
        wire = np.dtype(kind).newbyteorder(">") if kind else values.dtype
        kinds += [(f"{name}_size", ">i4"), (name, wire)]
    return np.dtype(kinds)
