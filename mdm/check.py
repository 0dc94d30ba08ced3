"""The invariants of docs/design.md: each a query that returns no rows."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import psycopg2
from sqlalchemy import Connection, Engine, text

from db.queries import load, query
from mdm.errors import CheckFailed
from mdm.phases import PHASES, Phase

#: Rooms that own tables and say what must hold in them: those whose phases commit one by one, whose
#: queries read nothing of the others, and those that publish together.
_COMMITTED = ("ingestion/invariants.sql", "staging/invariants.sql", "matching/invariants.sql")
_PUBLISHED = ("identity/invariants.sql", "gold/invariants.sql")
_FILES = _COMMITTED + _PUBLISHED
_TITLE = re.compile(r"^-- title: *(.+?) *$", re.MULTILINE)
#: Queries so named are asked at the end of a run in place of the whole: of what it has touched; and
#: of what has changed since the run that was found in order last, where there was one.
_OF_RUN, _SINCE = "_of_run", "_since"
#: What a room's queries of the latter form read in common is brought together by this one.
_WORK = "work_since"
#: Between two attempts to stop a query.
_AGAIN_S = 0.05


@dataclass(frozen=True)
class Invariant:
    """One thing that must always hold, as a query for what breaks it."""

    name: str
    title: str
    sql: str


@dataclass(frozen=True)
class Finding:
    """What an invariant's query found: how many rows break it and one of them (ids, no data)."""

    name: str
    title: str
    broken: int
    example: str | None = None

    @property
    def holds(self) -> bool:
        """Whether nothing breaks the invariant."""
        return self.broken == 0


@dataclass(frozen=True)
class Scope:
    """What the end of a run is asked about: its run, and what went before.

    ``since_run_id`` is the run that was found in order last (0: none was), ``since_change_seq`` the
    change feed as of its end. The queries bind them by these names.
    """

    run_id: int
    since_run_id: int = 0
    since_change_seq: int = 0

    @property
    def forms(self) -> tuple[str, ...]:
        """The suffixes of the queries to ask, best first."""
        return (_SINCE, _OF_RUN) if self.since_run_id else (_OF_RUN,)


def invariants(files: Sequence[str] = _FILES, *, forms: Sequence[str] = ()) -> Iterator[Invariant]:
    """The invariants of the rooms that ``files`` name, room by room; all of them by default.

    Each in the first of the ``forms`` (suffixes) that its room has, else in that of the whole.
    """
    for file in files:
        queries = load(file)
        for name, sql in queries.items():
            if name.endswith((_OF_RUN, _SINCE)):
                continue
            title = _TITLE.search(sql)
            asked = next((queries[name + form] for form in forms if name + form in queries), sql)
            yield Invariant(name.removeprefix("inv_"), title[1] if title else name, asked)


def run(
    conn: Connection, *, scope: Scope | None = None, files: Sequence[str] = _FILES
) -> tuple[Finding, ...]:
    """What the invariants (of ``files``; all by default) find as this transaction sees it.

    With ``scope``, at the end of a run, what has not been touched is left out where that saves
    looking at everything.
    """
    forms = scope.forms if scope else ()
    since = asdict(scope) if scope and scope.since_run_id else None
    if since is None:
        conn.execute(query("mdm/check.sql", "expect_nothing"))
    findings: list[Finding] = []
    for file in files:
        if since is not None and file in _PUBLISHED:
            conn.execute(query("mdm/check.sql", "expect_little"))
            if _WORK in load(file):
                conn.execute(query(file, _WORK), since)
        findings += [_find(conn, invariant, scope) for invariant in invariants([file], forms=forms)]
    conn.execute(query("mdm/check.sql", "expect_as_always"))
    return tuple(findings)


def _find(conn: Connection, invariant: Invariant, scope: Scope | None) -> Finding:
    # counted and not cut off: a limit makes the planner hope for an early end that never comes, and
    # keeps it from using more than one core
    found = conn.execute(
        text(
            "SELECT count(*) AS n, min(CAST(to_jsonb(broken) AS text)) AS example "
            f"FROM ({invariant.sql}\n) AS broken"
        ),
        asdict(scope) if scope else {},
    ).one()
    return Finding(invariant.name, invariant.title, found.n, found.example)


#: Waits for findings that are being made on another connection.
Awaited = Callable[[], tuple[Finding, ...]]


@contextlib.contextmanager
def meanwhile(engine: Engine, *, anew: bool = False) -> Iterator[Awaited]:
    """The findings about the layers before identity, made beside what the block does.

    These layers are committed when publishing begins and nothing else writes them under the lock,
    so a connection and a thread of their own see what the publishing transaction sees. They are
    settled (:meth:`mdm.phases.Phase.settle`) before they are looked at. What is still under way
    when the block ends is given up. An error of the database is raised to who waits for the
    findings.
    """
    with engine.connect() as connected, ThreadPoolExecutor(1, "invariants") as one_by_one:
        # keeps no lock from one query to the next
        conn = connected.execution_options(isolation_level="AUTOCOMMIT")
        session = conn.connection.driver_connection
        conn.detach()  # closed at the end, for the session is set to leave the other cores alone
        conn.execute(query("mdm/check.sql", "stay_on_one_core"))
        scope = _scope(conn, anew=anew)
        settled = one_by_one.submit(_settle, conn)
        found = [
            one_by_one.submit(_find, conn, invariant, scope)
            for invariant in invariants(_COMMITTED, forms=scope.forms)
        ]
        underway: list[Future[Any]] = [settled, *found]
        try:
            yield lambda: tuple(one.result() for one in underway)[1:]
        finally:
            one_by_one.shutdown(wait=False, cancel_futures=True)
            while session is not None and not all(one.done() for one in underway):
                with contextlib.suppress(psycopg2.Error):  # the server may be gone
                    session.cancel()
                time.sleep(_AGAIN_S)  # the query may not have reached the server


def _settle(conn: Connection) -> None:
    for phase in PHASES:
        phase.settle(conn)


def is_due(publishing: Sequence[Phase]) -> bool:
    """Whether these phases leave identity, gold, history and events in agreement.

    A person who runs one of them alone (``--to gold``) stands between two states on purpose.
    """
    return {"history", "events"} <= {phase.name for phase in publishing}


def hold(
    conn: Connection, *, changed: bool, anew: bool = False, earlier: Awaited | None = None
) -> tuple[Finding, ...]:
    """What the invariants say about a run that is about to be published.

    Asked of what was touched since the last run that was found in order, or, where the run has
    made all layers ``anew``, as if there had been none (``mdm check`` asks of everything). The
    findings about the layers before identity are those of ``earlier`` where they are made
    ``meanwhile``. A run that changed nothing is not looked at again when the run before was found
    in order. Raises CheckFailed when one is broken, so that the caller's transaction is rolled
    back.
    """
    findings = earlier() if earlier is not None else ()
    in_order = all(finding.holds for finding in findings)
    if not changed and in_order and (before := _last_findings(conn)):
        return before
    files = _FILES if earlier is None else _PUBLISHED
    findings += run(conn, scope=_scope(conn, anew=anew), files=files)
    broken = [finding.name for finding in findings if not finding.holds]
    if broken:
        raise CheckFailed(broken)
    return findings


def _scope(conn: Connection, *, anew: bool) -> Scope:
    """What the end of the run under way is asked about."""
    return Scope(**conn.execute(query("mdm/check.sql", "scope"), {"anew": anew}).one()._mapping)


def _last_findings(conn: Connection) -> tuple[Finding, ...]:
    """The findings of the run before, if it ended well and looked at the invariants."""
    stored = conn.execute(query("mdm/runs.sql", "last_findings")).scalar() or []
    return tuple(Finding(**finding) for finding in stored)
