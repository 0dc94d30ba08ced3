"""A second connection, for what PostgreSQL can do on its other core meanwhile."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

from db.queries import query

P = ParamSpec("P")
T = TypeVar("T")


class Line:
    """A connection that does one thing after the other while its caller goes on.

    Without a thread it does each at once.
    """

    def __init__(self, conn: Connection, thread: ThreadPoolExecutor | None) -> None:
        self._conn, self._thread = conn, thread

    def begin(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **more: P.kwargs
    ) -> Future[T]:
        """The outcome, when it is there, of ``work`` with this connection first."""
        if self._thread is not None:
            return self._thread.submit(work, self._conn, *args, **more)
        done: Future[T] = Future()
        done.set_result(work(self._conn, *args, **more))
        return done


def sees_alone(conn: Connection) -> bool:
    """Whether ``conn`` has written what others cannot see yet, as in a rehearsal."""
    return bool(conn.execute(query("db/beside.sql", "has_written")).scalar_one())


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


@contextlib.contextmanager
def readers(conn: Connection) -> Iterator[list[Connection]]:
    """``conn`` and one beside it, or ``conn`` alone."""
    with beside(conn) as other:
        yield [conn] if other is conn else [conn, other]


@contextlib.contextmanager
def line_beside(conn: Connection) -> Iterator[Line]:
    """A line beside ``conn``, with which its caller goes on meanwhile."""
    with beside(conn) as other, contextlib.ExitStack() as threads:
        yield Line(other, None if other is conn else threads.enter_context(ThreadPoolExecutor(1)))


@contextlib.contextmanager
def two_lines(conn: Connection) -> Iterator[tuple[Line, Line]]:
    """``conn`` and one beside it as lines; the same line twice where it is alone."""
    with readers(conn) as connections, contextlib.ExitStack() as threads:
        lines = [Line(one, threads.enter_context(ThreadPoolExecutor(1))) for one in connections]
        yield lines[0], lines[-1]
