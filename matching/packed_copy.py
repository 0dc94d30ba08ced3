"""Columns of numbers out of PostgreSQL's binary COPY format, many to a row.

Each row costs the driver a call, which is most of the time of reading millions of them; an
aggregate brings as many in one. Wire format: PostgreSQL documentation, COPY "Binary Format".
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
from matching.binary_copy import HEADER


def read(
    conn: Connection, select: str, kinds: Sequence[str], **values: object
) -> list[NDArray[Any]]:
    """The columns of ``select`` as equally long arrays of these numpy ``kinds``.

    Each value is a part of its column: ``string_agg(int8send(x), '')``. ``values`` are put in for
    the ``{placeholders}``, as literals: COPY knows no bound parameters.
    """
    literals = {name: sql.Literal(value) for name, value in values.items()}
    with bulk.cursor(conn) as cur:
        statement = sql.SQL(select).format(**literals).as_string(cur)
    sink = io.BytesIO()
    rows_n = bulk.copy_out(conn, statement, sink, options="FORMAT binary")
    wire, at = sink.getbuffer(), len(HEADER)
    parts: list[list[NDArray[Any]]] = [[] for _ in kinds]
    for _ in range(rows_n):
        at += 2  # the number of fields
        for part, kind in zip(parts, kinds, strict=True):
            size = int.from_bytes(wire[at : at + 4])
            at += 4
            part.append(np.frombuffer(wire[at : at + size], np.dtype(kind).newbyteorder(">")))
            at += size
    return [
        np.concatenate(part).astype(kind) if part else np.empty(0, kind)
        for part, kind in zip(parts, kinds, strict=True)
    ]
