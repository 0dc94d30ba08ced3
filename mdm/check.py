"""The invariants of docs/design.md: each a query that returns no rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
#: A query so named is asked at the end of a run, of what it has touched, in place of the whole.
_OF_RUN = "_of_run"


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


def invariants(files: Sequence[str] = _FILES, *, of_run: bool = False) -> Iterator[Invariant]:
    """The invariants of the rooms that ``files`` name, room by room; all of them by default.

    With ``of_run`` in the form that a run is checked by: where a room has one, it binds ``run_id``.
    """
    for file in files:
        queries = load(file)
        for name, sql in queries.items():
            if name.endswith(_OF_RUN):
                continue
            title = _TITLE.search(sql)
            asked = queries.get(name + _OF_RUN, sql) if of_run else sql
            yield Invariant(name.removeprefix("inv_"), title[1] if title else name, asked)


def run(conn: Connection, *, run_id: int | None = None) -> tuple[Finding, ...]:
    """What every invariant finds in the warehouse as this transaction sees it.

    With ``run_id`` what a run has not touched is left out where that saves looking at everything.
    """
    findings = []
    for invariant in invariants(of_run=run_id is not None):
        rows = conn.execute(
            # materialised, or the limit makes the planner hope for an early end that never comes
            text(
                f"WITH broken AS MATERIALIZED ({invariant.sql}\n) SELECT * FROM broken LIMIT 1000"
            ),
            {} if run_id is None else {"run_id": run_id},
        ).all()
        example = str(dict(rows[0]._mapping)) if rows else None
        findings.append(Finding(invariant.name, invariant.title, len(rows), example))
    return tuple(findings)


def is_due(publishing: Sequence[Phase]) -> bool:
    """Whether these phases leave identity, gold, history and events in agreement.

    A person who runs one of them alone (``--to gold``) stands between two states on purpose.
    """
    return {"history", "events"} <= {phase.name for phase in publishing}


def hold(conn: Connection, *, changed: bool) -> tuple[Finding, ...]:
    """What the invariants say about a run that is about to be published.

    Asked of what the run touched (``mdm check`` asks of everything). A run that changed nothing is
    not looked at again when the run before was found in order.
    Raises CheckFailed when one is broken, so that the caller's transaction is rolled back.
    """
    if not changed and (before := _last_findings(conn)):
        return before
    findings = run(conn, run_id=conn.execute(query("mdm/check.sql", "run_under_way")).scalar_one())
    broken = [finding.name for finding in findings if not finding.holds]
    if broken:
        raise CheckFailed(broken)
    return findings


def _last_findings(conn: Connection) -> tuple[Finding, ...]:
    """The findings of the run before, if it ended well and looked at the invariants."""
    stored = conn.execute(query("mdm/runs.sql", "last_findings")).scalar() or []
    return tuple(Finding(**finding) for finding in stored)
