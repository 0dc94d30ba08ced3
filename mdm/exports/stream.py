"""Rows out of PostgreSQL as a DuckDB relation, through a pipe: nothing is kept on the way.

COPY writes CSV into one end of a pipe, DuckDB reads it, typed, from the other. CSV tells an empty
text (``""``) from no value (nothing), so both survive. Types that CSV cannot hold travel as JSON
(arrays) or hexadecimal (bytes).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import duckdb
from duckdb import ColumnExpression, DuckDBPyRelation, Expression, FunctionExpression
from psycopg2 import sql
from sqlalchemy import Connection

from db import bulk
from db.queries import load
from mdm.errors import MdmError
from mdm.exports import masking
from mdm.exports.datasets import Dataset
from mdm.exports.masking import Masks

_FILE = "mdm/exports/exports.sql"
#: PostgreSQL's type (pg_type.oid, fixed for built-in types) -> DuckDB's.
_TYPES: Final = {
    16: "BOOLEAN",
    17: "BLOB",
    20: "BIGINT",
    21: "SMALLINT",
    23: "INTEGER",
    25: "VARCHAR",
    700: "FLOAT",
    701: "DOUBLE",
    1009: "VARCHAR[]",
    1043: "VARCHAR",
    1082: "DATE",
    1184: "TIMESTAMPTZ",
    1700: "DECIMAL",
    2950: "UUID",
    3802: "JSON",
}
#: What stands in the pipe for a type that CSV has no form for, and how PostgreSQL writes it so.
_ON_THE_WAY: Final = {
    "BLOB": ("VARCHAR", sql.SQL("encode({}, 'hex')")),
    "VARCHAR[]": ("JSON", sql.SQL("to_json({})")),
}
#: The longest row that can be read: a lake line of 16 MiB is twice as long in hexadecimal.
_LONGEST_ROW = 48 << 20
_PIPE_BYTES = 1 << 20


@dataclass(frozen=True)
class Selection:
    """A dataset ready to be read: the statement, and the DuckDB type of each column, in order."""

    dataset: Dataset
    statement: str
    types: dict[str, str]


def select(
    conn: Connection, dataset: Dataset, masks: Masks, *, query_name: str | None = None
) -> Selection:
    """How to read ``dataset`` under ``masks`` (of the past when its query of the past is named)."""
    base = sql.SQL("({}) AS exported").format(sql.SQL(load(_FILE)[query_name or dataset.name]))
    plain = _described(conn, sql.SQL("SELECT * FROM {}").format(base))
    shown = {name: masking.column(dataset, name, masks) or sql.Identifier(name) for name in plain}
    columns = sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(expression, sql.Identifier(name))
        for name, expression in shown.items()
    )
    statement = sql.SQL("SELECT {} FROM {}").format(columns, base)
    return Selection(dataset, _text(conn, statement), _described(conn, statement))


def count(conn: Connection, selection: Selection, *, distinct: str | None = None) -> int:
    """The rows of a selection; with ``distinct`` the different values of that column."""
    counted = sql.SQL("DISTINCT {}").format(sql.Identifier(distinct)) if distinct else sql.SQL("*")
    with bulk.cursor(conn) as cur:
        cur.execute(
            sql.SQL("SELECT count({}) FROM ({}) AS counted").format(
                counted, sql.SQL(selection.statement)
            )
        )
        return int(cur.fetchone()[0])


@contextlib.contextmanager
def rows(
    conn: Connection, duck: duckdb.DuckDBPyConnection, selection: Selection
) -> Iterator[DuckDBPyRelation]:
    """The rows of ``selection`` as a relation of ``duck`` that can be read once.

    At the end it is certain that what was read is all there was: a COPY that broke off looks like
    the end of the rows to the reader, so its error is raised here. The caller must not keep what it
    wrote when this raises.
    """
    on_the_way = {
        name: _ON_THE_WAY[kind][0] if kind in _ON_THE_WAY else kind
        for name, kind in selection.types.items()
    }
    read_end, write_end = _pipe()
    copying = _Copying(conn, _transported(conn, selection), write_end)
    copying.start()
    try:
        relation = duck.sql(
            "SELECT * FROM read_csv($file, columns = $columns, auto_detect = false, header = false,"
            " delim = ',', quote = '\"', escape = '\"', nullstr = '', allow_quoted_nulls = false,"
            " max_line_size = $longest, buffer_size = $buffer)",
            params={
                "file": f"/dev/fd/{read_end}",
                "columns": on_the_way,
                "longest": _LONGEST_ROW,
                "buffer": _LONGEST_ROW + (1 << 20),
            },
        )
        yield relation.select(*(_arrived(name, kind) for name, kind in selection.types.items()))
    except BaseException:
        copying.cancel()
        while os.read(read_end, 1 << 20):
            pass  # a reader that gave up must not leave the COPY waiting for it
        raise
    finally:
        copying.join()
        os.close(read_end)
    copying.raise_error()


def _pipe() -> tuple[int, int]:
    """The ends of a pipe that takes much at once: both sides then change turns less often."""
    read_end, write_end = os.pipe()
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux; elsewhere pipes grow by themselves
        with contextlib.suppress(OSError):  # the system may allow less
            fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return read_end, write_end


class _Copying(threading.Thread):
    """COPY into a pipe, which it closes at the end; its error is kept for the thread that reads."""

    def __init__(self, conn: Connection, statement: str, write_end: int) -> None:
        super().__init__(name="export-copy", daemon=True)
        self._conn = conn
        self._statement = statement
        self._write_end = write_end
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            with os.fdopen(self._write_end, "wb", buffering=1 << 20) as sink:
                bulk.copy_out(self._conn, self._statement, sink, options="FORMAT csv")
        except BaseException as error:
            self._error = error

    def cancel(self) -> None:
        """Ask the server to end the COPY; what it has sent is still in the pipe."""
        session = self._conn.connection.driver_connection
        if session is not None:
            session.cancel()

    def raise_error(self) -> None:
        """Raise what stopped the COPY, if anything did."""
        if self._error is not None:
            raise MdmError(
                f"reading the warehouse broke off ({type(self._error).__name__}); "
                "nothing was exported"
            ) from self._error


def _transported(conn: Connection, selection: Selection) -> str:
    """The statement with columns in the form that the pipe can hold."""
    columns = sql.SQL(", ").join(
        _ON_THE_WAY[kind][1].format(sql.Identifier(name))
        if kind in _ON_THE_WAY
        else sql.Identifier(name)
        for name, kind in selection.types.items()
    )
    statement = sql.SQL("SELECT {} FROM ({}) AS shown")
    return _text(conn, statement.format(columns, sql.SQL(selection.statement)))


def _arrived(name: str, kind: str) -> Expression:
    """A column of the pipe in its own type."""
    column = ColumnExpression(name)
    if kind == "BLOB":
        return FunctionExpression("unhex", column).alias(name)
    return column.cast(kind).alias(name) if kind in _ON_THE_WAY else column


def _described(conn: Connection, statement: sql.Composable) -> dict[str, str]:
    """Column to DuckDB type of what a statement would return."""
    with bulk.cursor(conn) as cur:
        cur.execute(sql.SQL("SELECT * FROM ({}) AS described LIMIT 0").format(statement))
        return {column.name: _type(column) for column in cur.description}


def _type(column: Any) -> str:
    kind = _TYPES.get(column.type_code, "VARCHAR")  # as text, as COPY writes every type
    if kind == "DECIMAL" and column.precision is not None:
        return f"DECIMAL({column.precision}, {column.scale})"
    # a number without bounds has no counterpart; text keeps every digit
    return "VARCHAR" if kind == "DECIMAL" else kind


def _text(conn: Connection, statement: sql.Composable) -> str:
    with bulk.cursor(conn) as cur:
        return str(statement.as_string(cur))
