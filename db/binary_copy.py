"""Columns of numbers between PostgreSQL and numpy by binary COPY, without an object per value.

Of rows of fixed width all are taken apart at once (:func:`read_rows`, :func:`write`). A row of its
own still costs the driver a call, which is most of the time of reading millions: these come as few
long values, aggregates that hold many rows each (:func:`read_parts`, :func:`read_values`).
Wire format: PostgreSQL documentation, COPY, "Binary Format".
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg2 import sql
from sqlalchemy import Connection

from db import bulk

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
_FIELDS = struct.Struct(">h")
_LENGTH = struct.Struct(">i")

Field = tuple[str, str, Any]
"""Name, numpy kind (empty: the values come in wire format), and the values or one for all rows."""
Kinds = Sequence[tuple[str, str]]
"""Names and numpy kinds of columns: ``i2``/``i4``/``i8`` for integers, ``f4``/``f8`` for reals,
``?`` for booleans, ``S16`` or ``V16`` for UUIDs."""


def write(conn: Connection, table: Sequence[str], fields: Sequence[Field], rows_n: int) -> int:
    """Rows copied into ``table`` (schema, name): ``rows_n`` of them, none of their values NULL."""
    columns = [name for name, _, _ in fields]
    return bulk.copy_in(conn, table, columns, packed(fields, rows_n), options="FORMAT binary")


def write_columns(
    conn: Connection, table: Sequence[str], columns: Mapping[str, NDArray[Any]]
) -> int:
    """Rows copied into ``table`` (schema, name) from equally long arrays of its columns' widths."""
    fields = [(name, values.dtype.str[1:], values) for name, values in columns.items()]
    return write(conn, table, fields, len(next(iter(columns.values()))))


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


def read_rows(conn: Connection, select: str, kinds: Kinds, **values: object) -> NDArray[Any]:
    """The rows of ``select`` as a structured array in the byte order of the wire.

    The columns must be of these very widths (``i8`` for bigint) and never NULL; else ValueError.
    ``values`` as in :func:`filled`.
    """
    wire, _ = _copied(conn, filled(conn, select, values))
    row = _row([(name, kind, None) for name, kind in kinds])
    size = len(wire) - len(HEADER) - len(TRAILER)
    if size % row.itemsize:
        raise ValueError(f"rows of {row.itemsize} bytes expected, {size} bytes found")
    return np.frombuffer(wire, row, size // row.itemsize, len(HEADER))


def read_parts(
    conn: Connection, select: str, kinds: Kinds, **values: object
) -> dict[str, NDArray[Any]]:
    """The columns of ``select`` as arrays in native byte order, equally long.

    Each row of ``select`` is a part of the columns, each value such a part:
    ``string_agg(int8send(x), '')``, NULL where there is nothing. ``values`` as in
    :func:`filled`. ValueError when the parts are not of these kinds, rather than numbers read
    from wrong bytes.
    """
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name, _ in kinds}
    for row in read_values(conn, select, len(kinds), **values):
        for (name, kind), value in zip(kinds, row, strict=True):
            # refuses a size that is no multiple of the kind's
            parts[name].append(np.frombuffer(value, dtype=f">{kind}"))
        if len({len(column[-1]) for column in parts.values()}) > 1:
            raise ValueError("the columns of a row are not equally long")
    return {
        name: np.concatenate([np.empty(0, kind), *parts[name]], dtype=kind) for name, kind in kinds
    }


def read_values(
    conn: Connection, select: str, columns_n: int, **values: object
) -> Iterator[list[memoryview]]:
    """The rows of ``select``, whose values are few and long, as bytes; NULL is none of them.

    ``values`` as in :func:`filled`.
    """
    wire, rows_n = _copied(conn, filled(conn, select, values))
    at = len(HEADER)
    for _ in range(rows_n):
        (fields_n,) = _FIELDS.unpack_from(wire, at)
        if fields_n != columns_n:
            raise ValueError(f"a row has {fields_n} columns, not the {columns_n} wanted")
        at += _FIELDS.size
        row = []
        for _ in range(columns_n):
            (length,) = _LENGTH.unpack_from(wire, at)
            start = at + _LENGTH.size
            at = start + max(length, 0)
            row.append(wire[start:at])
        yield row


def write_values(
    conn: Connection,
    table: Sequence[str],
    columns: Sequence[str],
    rows: Sequence[Sequence[bytes | memoryview]],
) -> int:
    """Rows of few and long values, in wire format, copied into ``table`` (schema, name)."""
    sink = io.BytesIO()
    sink.write(HEADER)
    for row in rows:
        sink.write(_FIELDS.pack(len(columns)))
        for value in row:
            sink.write(_LENGTH.pack(len(value)))
            sink.write(value)
    sink.write(TRAILER)
    sink.seek(0)
    return bulk.copy_in(conn, table, columns, sink, options="FORMAT binary")


def ragged(fields: Sequence[Field], values: memoryview, ends: NDArray[np.int64]) -> io.BytesIO:
    """Rows ready to be copied: ``fields`` as in :func:`write`, and as the last column byte strings
    that differ in length: ``values``, cut at ``ends``."""
    starts = np.concatenate([[0], ends])[:-1]
    heads = np.zeros(len(ends), dtype=[*_row(fields).descr, ("length", ">i4")])
    heads["field_n"] = len(fields) + 1
    heads["length"] = ends - starts
    for field, _, column in fields:
        heads[f"{field}_size"] = heads.dtype[field].itemsize
        heads[field] = column
    wire, size = memoryview(heads.tobytes()), heads.itemsize
    sink = io.BytesIO(HEADER)
    sink.seek(0, io.SEEK_END)
    for nth, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        sink.write(wire[size * nth : size * (nth + 1)])
        sink.write(values[start:end])
    sink.write(TRAILER)
    sink.seek(0)
    return sink


def filled(conn: Connection, select: str, values: Mapping[str, object]) -> str:
    """``select`` with ``values`` in place of its ``{placeholders}``, as literals: COPY knows no
    bound parameters."""
    if not values:
        return select
    literals = {name: sql.Literal(value) for name, value in values.items()}
    with bulk.cursor(conn) as cur:
        return str(sql.SQL(select).format(**literals).as_string(cur))


def _copied(conn: Connection, select: str) -> tuple[memoryview, int]:
    """What COPY sends for ``select``, and how many rows that is."""
    sink = io.BytesIO()
    rows_n = bulk.copy_out(conn, select, sink, options="FORMAT binary")
    return sink.getbuffer(), rows_n


def _row(fields: Sequence[Field]) -> np.dtype[Any]:
    """The layout of one row: a number of fields, then a length before each."""
    kinds: list[tuple[str, Any]] = [("field_n", ">i2")]
    for name, kind, values in fields:
        wire = np.dtype(kind).newbyteorder(">") if kind else values.dtype
        kinds += [(f"{name}_size", ">i4"), (name, wire)]
    return np.dtype(kinds)
