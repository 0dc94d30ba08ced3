"""The invariants of docs/design.md: each a query that returns no rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, text

from db.queries import load, query
from mdm.errors import CheckFailed
from mdm.phases import Phase

#: Rooms that own tables and say what must hold in them.
_FILES = (
    "ingestion/invariants.sql",
    "staging/invariants.sql",
    "matching/invariants.sql",
    "identity/invariants.sql",
    "gold/invariants.sql",
)
_TITLE = re.compile(r"^-- title: *(.+?) *$", re.MULTILINE)
#: Queries so named are asked at the end of a run in place of the whole: of what it has touched; and
#: of what has changed since the run that was found in order last, where there was one.
_OF_RUN, _SINCE = "_of_run", "_since"


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


def run(conn: Connection, *, scope: Scope | None = None) -> tuple[Finding, ...]:
    """What every invariant finds in the warehouse as this transaction sees it.

    With ``scope``, at the end of a run, what has not been touched is left out where that saves
    looking at everything.
    """
    findings = []
    for invariant in invariants(forms=scope.forms if scope else ()):
        rows = conn.execute(
            # materialised, or the limit makes the planner hope for an early end that never comes
            text(
                f"WITH broken AS MATERIALIZED ({invariant.sql}\n) SELECT * FROM broken LIMIT 1000"
            ),
            asdict(scope) if scope else {},
        ).all()
        example = str(dict(rows[0]._mapping)) if rows else None
        findings.append(Finding(invariant.name, invariant.title, len(rows), example))
    return tuple(findings)


def is_due(publishing: Sequence[Phase]) -> bool:
    """Whether these phases leave identity, gold, history and events in agreement.

    A person who runs one of them alone (``--to gold``) stands between two states on purpose.
    """
    return {"history", "events"} <= {phase.name for phase in publishing}


def hold(conn: Connection, *, changed: bool, anew: bool = False) -> tuple[Finding, ...]:
    """What the invariants say about a run that is about to be published.

    Asked of what was touched since the last run that was found in order, or, where the run has
    made all layers ``anew``, as if there had been none (``mdm check`` asks of everything). A run
    that changed nothing is not looked at again when the run before was found in order.
    Raises CheckFailed when one is broken, so that the caller's transaction is rolled back.
    """
    if not changed and (before := _last_findings(conn)):
        return before
    scope = conn.execute(query("mdm/check.sql", "scope"), {"anew": anew}).one()
    findings = run(conn, scope=Scope(**scope._mapping))
    broken = [finding.name for finding in findings if not finding.holds]
    if broken:
        raise CheckFailed(broken)
    return findings


def _last_findings(conn: Connection) -> tuple[Finding, ...]:
    """The findings of the run before, if it ended well and looked at the invariants."""
    stored = conn.execute(query("mdm/runs.sql", "last_findings")).scalar() or []
    return tuple(Finding(**finding) for finding in stored)
