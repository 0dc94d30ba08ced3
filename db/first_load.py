"""The first load of tables: rows into new files that need no log, keys and indexes behind them.

A row that goes into a table with its indexes costs a search and a log record in each of them; one
sort makes an index of all rows at once. What a transaction writes into a file that it made itself
needs no write-ahead log (where ``wal_level`` is ``minimal``): that is what the TRUNCATE is for.
All of it happens in the caller's transaction: after a fault the tables are as they were.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from psycopg2 import sql
from sqlalchemy import Connection

from db import bulk
from db.queries import query


@contextlib.contextmanager
def first_load(conn: Connection, *tables: str, due: bool = True) -> Iterator[bool]:
    """Whether all ``tables`` (``schema.name``) are empty; if so, they are bare meanwhile.

    Holds an exclusive lock on them until the transaction ends: there is nothing to read yet. Where
    that cannot be (a layer that ran before, and has rows or may have them tonight), say that it is
    not ``due``: then nothing is asked and nothing locked.
    """
    parts = [bulk.identifier(*table.split(".")) for table in tables]
    if not due or any(_has_rows(conn, part) for part in parts):
        yield False
        return
    keys = conn.execute(query("db/first_load.sql", "keys"), {"tables": list(tables)}).all()
    for key in reversed(keys):
        conn.exec_driver_sql(key.drop_it)
    for part in parts:  # now that no foreign key leans on them
        bulk.execute(conn, "TRUNCATE {table}", table=part)
    yield True
    for key in keys:
        conn.exec_driver_sql(key.make_it)


def _has_rows(conn: Connection, table: sql.Composable) -> bool:
    with bulk.cursor(conn) as cur:
        cur.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(table))
        return bool(cur.fetchone()[0])
