"""Columns come whole out of however many parts they are sent in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from matching import packed_copy

if TYPE_CHECKING:
    from sqlalchemy import Connection

SELECT = (
    "SELECT string_agg(int8send(-n), ''), string_agg(int2send(CAST(n AS smallint)), '')"
    " FROM generate_series(1, {last}) AS n GROUP BY n / {size}"
)


@pytest.mark.parametrize("last", [0, 1, 10])
def test_parts_are_read_as_one(conn: Connection, last: int) -> None:
    negative, small = packed_copy.read(conn, SELECT, ("i8", "i2"), last=last, size=4)
    assert (negative.dtype, small.dtype) == ("i8", "i2")
    assert sorted(small) == list(range(1, last + 1))
    assert (negative == -small).all()
