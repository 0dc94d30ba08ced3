"""A second connection beside that of the phase: it reads what phases before have committed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import Connection

from db.queries import query

_SQL: Final = "matching/lines.sql"
P = ParamSpec("P")
T = TypeVar("T")


class Line:
    """A connection that does one thing after the other, while its caller goes on."""

    def __init__(self, conn: Connection, thread: ThreadPoolExecutor) -> None:
        self._conn, self._thread = conn, thread

    def begin(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **more: P.kwargs
    ) -> Future[T]:
        """The outcome, when it is there, of ``work`` with this connection first."""
        return self._thread.submit(work, self._conn, *args, **more)


@contextlib.contextmanager
def readers(conn: Connection) -> Iterator[list[Connection]]:
    """``conn`` and a second connection to read what was committed.

    ``conn`` alone where it has written: then it alone sees all, as in a rehearsal.
    """
    if conn.execute(query(_SQL, "has_written")).scalar_one():
        yield [conn]
    else:
        with conn.engine.connect() as other:
            yield [conn, other]


@contextlib.contextmanager
def two_lines(conn: Connection) -> Iterator[tuple[Line, Line]]:
    """The same as two lines; the same line twice where ``conn`` is alone."""
    with readers(conn) as connections, contextlib.ExitStack() as threads:
        lines = [Line(one, threads.enter_context(ThreadPoolExecutor(1))) for one in connections]
        yield lines[0], lines[-1]
