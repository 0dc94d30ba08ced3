"""A second connection, for work that PostgreSQL does on its other core meanwhile."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sqlalchemy import Connection

from db.queries import query


@contextlib.contextmanager
def beside(conn: Connection, *, due: bool = True) -> Iterator[Connection]:
    """A connection that sees what ``conn`` sees; that itself where there is none or not ``due``.

    What it has not committed at the end is rolled back.
    """
    if not due or sees_alone(conn):
        yield conn
    else:
        with conn.engine.connect() as other:
            yield other


def sees_alone(conn: Connection) -> bool:
    """Whether ``conn`` has written what others cannot see yet, as in a rehearsal."""
    return bool(conn.execute(query("staging/beside.sql", "has_written")).scalar_one())
