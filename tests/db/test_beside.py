"""A second connection helps only where it sees what the first one does."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from db.beside import line_beside


def session(conn: Connection, sql: str = "SELECT pg_backend_pid()") -> int:
    """One number that a connection tells."""
    return int(conn.execute(text(sql)).scalar_one())


def test_what_was_committed_is_read_beside(conn: Connection) -> None:
    conn.execute(text("CREATE TABLE public.seen AS SELECT 7 AS n"))
    conn.commit()
    with line_beside(conn) as other:
        begun = other.begin(session), other.begin(session, sql="SELECT n FROM public.seen")
        mine = session(conn)
        theirs, seen = (one.result() for one in begun)
    assert theirs != mine
    assert seen == 7


def test_who_has_written_reads_alone(conn: Connection) -> None:
    conn.execute(text("CREATE TABLE public.seen AS SELECT 7 AS n"))
    with line_beside(conn) as other:
        assert other.begin(session).result() == session(conn)
        assert other.begin(session, "SELECT n FROM public.seen").result() == 7


def test_a_fault_beside_is_told_to_who_waits(conn: Connection) -> None:
    with line_beside(conn) as other:
        begun = other.begin(session, "SELECT n FROM public.nothing")
        with pytest.raises(ProgrammingError, match="nothing"):
            begun.result()
        assert session(conn)
