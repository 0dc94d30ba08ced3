"""Arrays come out of the database as they went in, whole, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import text

from db import binary_copy

if TYPE_CHECKING:
    from sqlalchemy import Connection

TABLE = ("pg_temp", "copied")
KINDS = (("id", "i8"), ("part", "i2"), ("share", "f4"), ("is_new", "?"), ("key", "V16"))
PARTS = (
    "SELECT string_agg(int8send(-n), ''), string_agg(int2send(CAST(n AS smallint)), '')"
    " FROM generate_series(1, {last}) AS n GROUP BY n / {size}"
)


@pytest.mark.parametrize("rows_n", [0, 1, 1000])
def test_rows_return_as_they_were_written(conn: Connection, rows_n: int) -> None:
    conn.execute(
        text(
            "CREATE TEMP TABLE copied (id bigint, part smallint, share real, is_new bool, key uuid)"
        )
    )
    ids = np.arange(rows_n) - 5
    columns = {
        "id": ids,
        "part": (ids % 7).astype(np.int16),
        "share": (ids / 3).astype(np.float32),
        "is_new": ids % 2 == 0,
        "key": np.frombuffer(bytes(range(16)) * rows_n, "V16"),
    }
    assert binary_copy.write_columns(conn, TABLE, columns) == rows_n
    found = binary_copy.read_rows(conn, "SELECT * FROM pg_temp.copied ORDER BY id", KINDS)
    for name, values in columns.items():
        assert (found[name] == values).all(), name


def test_a_value_for_all_rows_and_values_in_wire_format(conn: Connection) -> None:
    conn.execute(text("CREATE TEMP TABLE copied (id bigint, rule smallint, decision text)"))
    wire = np.array([b"\0\1", b"\0\2"], "V2")
    fields = [("id", "i8", np.array([7, 8])), ("rule", "", wire), ("decision", "S3", b"yes")]
    assert binary_copy.write(conn, TABLE, fields, 2) == 2
    rows = conn.execute(text("SELECT * FROM pg_temp.copied ORDER BY id")).all()
    assert [tuple(row) for row in rows] == [(7, 1, "yes"), (8, 2, "yes")]


@pytest.mark.parametrize("last", [0, 1, 10])
def test_parts_are_read_as_one(conn: Connection, last: int) -> None:
    kinds = (("negative", "i8"), ("small", "i2"))
    columns = binary_copy.read_parts(conn, PARTS, kinds, last=last, size=4)
    negative, small = columns["negative"], columns["small"]
    assert (negative.dtype, small.dtype) == ("i8", "i2")
    assert sorted(small) == list(range(1, last + 1))
    assert (negative == -small).all()


def test_long_values_return_as_they_were_written(conn: Connection) -> None:
    conn.execute(text("CREATE TEMP TABLE copied (id bigint, entries bytea)"))
    rows = [[(1).to_bytes(8), b""], [(2).to_bytes(8), bytes(range(256))]]
    assert binary_copy.write_values(conn, TABLE, ("id", "entries"), rows) == 2
    select = "SELECT id, entries FROM pg_temp.copied ORDER BY id"
    assert [list(map(bytes, row)) for row in binary_copy.read_values(conn, select, 2)] == rows


def test_what_does_not_fit_is_refused(conn: Connection) -> None:
    with pytest.raises(ValueError, match="rows of 14 bytes expected"):
        binary_copy.read_rows(conn, "SELECT CAST(1 AS integer)", (("id", "i8"),))
    with pytest.raises(ValueError, match="has 2 columns, not the 1 wanted"):
        list(binary_copy.read_values(conn, "SELECT 1, 2", 1))
    with pytest.raises(ValueError, match="multiple of element size"):
        binary_copy.read_parts(conn, "SELECT CAST('abc' AS bytea)", (("id", "i8"),))
    with pytest.raises(ValueError, match="not equally long"):
        binary_copy.read_parts(
            conn, "SELECT int8send(1), int4send(2) || int4send(3)", (("a", "i8"), ("b", "i4"))
        )
