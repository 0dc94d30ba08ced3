"""COPY in and out of PostgreSQL through the psycopg2 connection below an SQLAlchemy one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any

from psycopg2 import sql
from sqlalchemy import Connection


def identifier(*parts: str) -> sql.Composable:
    """A quoted, possibly schema-qualified identifier: ``identifier("raw", "sales_orders")``."""
    return sql.Identifier(*parts)


def cursor(conn: Connection) -> Any:
    """A psycopg2 cursor in the transaction of ``conn``: same session, same visibility."""
    if not conn.in_transaction():
        # what passes by SQLAlchemy begins none there, and its commit and rollback would do nothing
        conn.begin()
    return conn.connection.cursor()


def execute(
    conn: Connection,
    statement: str,
    values: Sequence[Any] | None = None,
    **identifiers: sql.Composable,
) -> int:
    """Rows affected by ``statement`` after its ``{placeholders}`` became quoted identifiers.

    For the few statements whose table or column names come from the configuration; values are
    bound (``%s``), never formatted in.
    """
    with cursor(conn) as cur:
        cur.execute(sql.SQL(statement).format(**identifiers), values)
        return int(cur.rowcount)


def copy_in(
    conn: Connection,
    table: Sequence[str],
    columns: Sequence[str],
    data: IO[bytes],
    *,
    options: str = "FORMAT csv",
) -> int:
    """Rows that COPY FROM STDIN loaded from ``data`` into ``table`` (schema, name).

    ``options`` are COPY's own (``FORMAT binary``, ``FORMAT csv, DELIMITER E'\\x01'`` …) and come
    from code, never from a user.
    """
    statement = sql.SQL("COPY {} ({}) FROM STDIN WITH ({})").format(
        sql.Identifier(*table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(options),
    )
    with cursor(conn) as cur:
        cur.copy_expert(statement, data, size=1 << 20)
        return int(cur.rowcount)


def copy_out(
    conn: Connection,
    select: str,
    sink: IO[bytes],
    *,
    options: str = "FORMAT csv, HEADER",
) -> int:
    """Rows that COPY (select) TO STDOUT wrote to ``sink``."""
    statement = f"COPY ({select}) TO STDOUT WITH ({options})"
    with cursor(conn) as cur:
        cur.copy_expert(statement, sink, size=1 << 20)
        return int(cur.rowcount)
