"""A second connection that reads what was committed, while its caller goes on with the first."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

from db.queries import query

P = ParamSpec("P")
T = TypeVar("T")


class Beside:
    """Does one thing after the other on a connection of its own, beside the caller."""

    def __init__(self, conn: Connection, thread: ThreadPoolExecutor | None) -> None:
        self._conn, self._thread = conn, thread

    def begin(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **more: P.kwargs
    ) -> Future[T]:
        """The outcome, when it is there, of ``work`` with that connection first."""
        if self._thread is not None:
            return self._thread.submit(work, self._conn, *args, **more)
        done: Future[T] = Future()
        done.set_result(work(self._conn, *args, **more))
        return done


@contextlib.contextmanager
def beside(conn: Connection) -> Iterator[Beside]:
    """A second connection beside ``conn``, whose caller may go on with it meanwhile.

    Where ``conn`` has written, it alone sees all, as in a rehearsal: then it does the work itself,
    at once.
    """
    if conn.execute(query("db/beside.sql", "has_written")).scalar_one():
        yield Beside(conn, None)
    else:
        with conn.engine.connect() as other, ThreadPoolExecutor(1) as thread:
            yield Beside(other, thread)
