"""Rows of any database that SQLAlchemy speaks to, streamed, as JSON lines."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy
from sqlalchemy import URL, Connection, Engine, Executable, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from mdm.errors import BadInput, UsageError
from mdm.extracts.model import Extract, Options
from mdm.extracts.rows import LineWriter
from mdm.settings import DRIVER

_BATCH = 10_000


@contextlib.contextmanager
def connected(url: str) -> Iterator[tuple[Connection, str]]:
    """A read-only use of the database at ``url``, and its address without user and password.

    Nothing a query does there is committed. Raises UsageError for a URL that is none or whose
    driver is not installed, BadInput when the database refuses.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise UsageError(
            "--url is no database address; example: postgresql+psycopg2://user@host/database"
        ) from error
    if parsed.drivername in ("postgres", "postgresql"):
        # the driver that is here; SQLAlchemy's own choice is another one since 2.1
        parsed = parsed.set(drivername=DRIVER)
    shown = address(parsed)
    try:
        engine = sqlalchemy.create_engine(parsed)
    except NoSuchModuleError as error:
        raise UsageError(f"--url: no database is called {parsed.drivername!r}") from error
    except ImportError as error:
        raise UsageError(
            f"--url: the driver of {parsed.drivername} is not installed: pip install {error.name}"
        ) from error
    except (ArgumentError, TypeError, ValueError) as error:
        raise UsageError(f"--url: {parsed.drivername} cannot be used: {error}") from error
    with _using(engine, shown) as conn:
        yield conn, shown


def address(url: URL) -> str:
    """Where a database is, without what it takes to log in."""
    place = ":".join(str(part) for part in (url.host, url.port) if part)
    return f"{url.get_backend_name()}://{place}/{(url.database or '').lstrip('/')}"


@contextlib.contextmanager
def _using(engine: Engine, shown: str) -> Iterator[Connection]:
    try:
        with engine.connect() as conn:
            yield conn
    except (SQLAlchemyError, UnicodeDecodeError) as error:
        raise BadInput(shown, problem=said_by_database(error)) from error
    finally:
        engine.dispose()


def said_by_database(error: Exception) -> str:
    """The first line of what the database said, without the statement and its values."""
    told = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = str(told).strip().splitlines()
    return f"the database refuses: {lines[0] if lines else type(told).__name__}".rstrip(".")


def batches(
    conn: Connection, statement: Executable, values: dict[str, Any] | None = None
) -> tuple[list[str], Iterator[Sequence[Sequence[Any]]]]:
    """The column names of a query and its rows as they come from the server, part by part."""
    result = conn.execution_options(stream_results=True, yield_per=_BATCH).execute(
        statement, values or {}
    )
    if not result.returns_rows:
        raise UsageError("--query gives no rows; write a SELECT")
    return list(result.keys()), iter(result.partitions())


def named_once(where: str, names: Sequence[str]) -> list[str]:
    """``names``; raises BadInput when two columns have the same one."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInput(
            where, problem=f"columns named twice: {', '.join(twice)}", hint="Use AS in the query."
        )
    return list(names)


@contextlib.contextmanager
def query_extract(url: str, query: str) -> Iterator[Extract]:
    """The rows of ``query`` in the database at ``url``."""
    with connected(url) as (conn, shown):
        names, parts = batches(conn, text(_escaped(query)))
        notes: list[str] = []
        writer = LineWriter(named_once(shown, names), notes)
        yield Extract(
            description=f"{shown}, {len(names)} columns", lines=writer.lines(parts), notes=notes
        )


def _escaped(query: str) -> str:
    r"""``query`` for ``text()``: a colon in it is the user's (a cast, a time), not a parameter."""
    return query.strip().rstrip(";").replace(":", r"\:")


@contextlib.contextmanager
def sqlite_extract(path: Path, options: Options) -> Iterator[Extract]:
    """The rows of a table, a view or a query of an SQLite file, opened read-only."""
    url = f"sqlite:///file:{quote(str(path.resolve()))}?mode=ro&uri=true"
    engine = sqlalchemy.create_engine(url)
    with _using(engine, str(path)) as conn:
        if options.query is not None:
            what, statement = "a query", text(_escaped(options.query))
        else:
            inspector = sqlalchemy.inspect(conn)
            names = [*inspector.get_table_names(), *inspector.get_view_names()]
            table = one_table(path, names, options.table)
            quoted = conn.dialect.identifier_preparer.quote_identifier(table)
            what, statement = f"table {table!r}", text(_escaped(f"SELECT * FROM {quoted}"))
        columns, parts = batches(conn, statement)
        notes: list[str] = []
        writer = LineWriter(named_once(str(path), columns), notes)
        yield Extract(
            description=f"SQLite, {what}, {len(columns)} columns",
            lines=writer.lines(parts),
            notes=notes,
        )


def one_table(path: Path, names: Sequence[str], wanted: str | None) -> str:
    """The table that is wanted, or the only one there is.

    Raises BadInput that lists the tables when there is no such one or none is named.
    """
    listed = f"Tables: {', '.join(names)}." if names else "It holds no tables."
    if wanted is None:
        if len(names) == 1:
            return names[0]
        raise BadInput(
            str(path),
            problem="there is no single table" if names else "there is no table",
            hint=f"Name one: --table NAME. {listed}" if names else "",
        )
    if wanted not in names:
        raise BadInput(str(path), problem=f"there is no table {wanted!r}", hint=listed)
    return wanted
