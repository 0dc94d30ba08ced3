"""The first load of a table: rows first, then each index by one sort.

A row that is inserted into a table with four random indexes costs six times as much as one into a
bare table, and most of the write-ahead log. All of it happens in the caller's transaction: after a
fault the table has its indexes, because it never lost them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sqlalchemy import Connection

from db.queries import query

_FILE = "staging/bulk_load.sql"


@contextlib.contextmanager
def without_indexes(conn: Connection, *tables: str) -> Iterator[None]:
    """Takes the indexes and keys of empty `tables` away and makes them again at the end.

    Holds an exclusive lock on the tables until the transaction ends, so use it only where there is
    nothing to read yet.
    """
    indexes = [
        index
        for table in tables
        for index in conn.execute(query(_FILE, "indexes"), {"table": table}).all()
    ]
    for index in indexes:
        conn.exec_driver_sql(index.drop_it)
    yield
    for index in indexes:
        conn.exec_driver_sql(index.make_it)


@contextlib.contextmanager
def first_load_of_records(conn: Connection) -> Iterator[bool]:
    """Whether staging.records is loaded for the first time; if so, it is bare meanwhile."""
    if not conn.execute(query(_FILE, "records_are_empty")).scalar_one():
        yield False
        return
    conn.execute(query(_FILE, "empty_records"))
    with without_indexes(conn, "staging.records"):
        yield True
