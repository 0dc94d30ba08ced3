"""Why a golden value is what it is: record, lake line, rule, override and run, and what lost.

Reads lineage, survivorship values, history and change events; writes nothing. What is told of now
comes from ``gold.customer_lineage``, what is told of an earlier instant from history and events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row

from db.queries import query
from gold.survivorship import PARTS
from mdm.errors import UsageError

_FILE = "gold/why.sql"
#: Verdict on a record that holds the winning value too.
AGREES: Final = "agrees"


@dataclass(frozen=True)
class Sighting:
    """A value as one source record has it, where that stands, and what became of it."""

    value: str
    record: str
    event_at: datetime
    object_key: str | None
    line_no: int
    run_id: int
    verdict: str


@dataclass(frozen=True)
class Override:
    """A steward's word on the value."""

    override_id: int
    action: str
    steward: str
    reason: str
    decided_at: datetime


@dataclass(frozen=True)
class Change:
    """A change event that set, changed or ended the value, and its run."""

    event_seq: int
    event_type: str
    occurred_at: datetime
    run_id: int
    command: str | None
    related_customer_id: UUID | None
    old_value: str | None
    new_value: str | None


@dataclass(frozen=True)
class Past:
    """What the value was at an instant: the version that held it, what set it, what ended it."""

    at: datetime
    customer_id: UUID
    version: int | None
    value: str | None
    valid_from: datetime | None
    valid_to: datetime | None
    override: Override | None
    set_by: Change | None
    ended_by: Change | None


@dataclass(frozen=True)
class Why:
    """Everything behind one golden value of one customer.

    ``customer_id`` is the living customer; ``followed`` says what became of the id that was asked
    for, where it is another. ``winner`` is the record that the rules chose, also beneath an
    override; None where no record has a value.
    """

    asked_for: UUID
    customer_id: UUID | None
    followed: str | None
    attribute: str
    value: str | None
    rule: str | None
    override: Override | None
    winner: Sighting | None
    others: tuple[Sighting, ...]
    set_by: Change | None
    past: Past | None


def why(conn: Connection, customer_id: UUID, attribute: str, *, at: datetime | None = None) -> Why:
    """The reasons behind ``attribute`` of a customer now and, with ``at``, at that instant.

    Ids that were merged are followed. Raises UsageError for an id never published and for an
    attribute that customers do not have.
    """
    parameters = _attribute(conn, attribute)
    found = conn.execute(query(_FILE, "customer"), {"customer_id": customer_id}).one_or_none()
    if found is None:
        raise UsageError(f"{customer_id} was never the id of a customer")
    living = {**parameters, "customer_id": found.living_id}
    golden = conn.execute(query(_FILE, "golden"), living).one_or_none()
    winner, others = (None, ()) if golden is None else _sightings(conn, golden, living)
    changes = _changes(conn, living) if found.living_id else []
    return Why(
        asked_for=customer_id,
        customer_id=found.living_id,
        followed=_followed(customer_id, found),
        attribute=parameters["attribute"],
        value=golden.value if golden is not None else None,
        rule=golden.rule if golden is not None else None,
        override=_override(golden),
        winner=winner,
        others=others,
        set_by=changes[-1] if changes else None,
        past=None if at is None else _past(conn, customer_id, living, at=at),
    )


def _attribute(conn: Connection, attribute: str) -> dict[str, Any]:
    """The attribute as bound parameters: name, position, whether extra, and its part."""
    name = attribute.strip().lower().removeprefix("canonical_")
    row = conn.execute(query(_FILE, "attribute"), {"attribute": name}).one_or_none()
    if row is None:
        known = ", ".join(conn.execute(query(_FILE, "attributes")).scalars())
        raise UsageError(f"a customer has no attribute {attribute!r}; attributes: {known}")
    part = next((part for part, covered in PARTS.items() if name in covered), name)
    return {**row._asdict(), "part": part}


def _followed(asked_for: UUID, found: Row[Any]) -> str | None:
    """What became of an id that is not a living customer's."""
    ended = f"{found.ended_at:%F %T} UTC by run {found.ended_run_id}" if found.ended_at else ""
    if found.living_id is None:
        return f"{asked_for} was deleted {ended}; its last record is gone"
    if found.living_id != asked_for:
        return f"{asked_for} was merged into {found.living_id} {ended}"
    return None


def _override(row: Row[Any] | None) -> Override | None:
    if row is None or row.override_id is None:
        return None
    return Override(row.override_id, row.action, row.steward, row.reason, row.decided_at)


def _sightings(
    conn: Connection, golden: Row[Any], parameters: dict[str, Any]
) -> tuple[Sighting | None, tuple[Sighting, ...]]:
    """The record that the rules chose, and the others that have a value, with why they lost."""
    rows = conn.execute(query(_FILE, "contenders"), parameters).all()
    won = next((row for row in rows if row.record_id == golden.record_id), None)
    covered = PARTS.get(parameters["part"], ())
    whole = parameters["part"] if len(covered) > 1 else None
    ranking = _Ranking(golden.rule, tuple(golden.sources), rows, whole)
    verdict = f"won by {golden.rule}" if golden.override_id is None else "outranked by the steward"
    winner = None if won is None else _sighting(won, verdict)
    others = tuple(_sighting(row, ranking.why_not(row, won)) for row in rows if row is not won)
    return winner, others


def _sighting(row: Row[Any], verdict: str) -> Sighting:
    return Sighting(
        value=row.value,
        record=f"{row.source}:{row.source_record_id}",
        event_at=row.event_at,
        object_key=row.object_key,
        line_no=row.line_no,
        run_id=row.run_id,
        verdict=verdict,
    )


@dataclass(frozen=True)
class _Ranking:
    """A survivorship rule, in words: the same order as the keys of ``gold/golden.sql``."""

    rule: str
    sources: tuple[str, ...]
    rows: Sequence[Row[Any]]
    whole: str | None

    def why_not(self, row: Row[Any], won: Row[Any] | None) -> str:
        """Why ``row`` did not win over ``won``."""
        if won is None:
            return f"the {self.whole} is taken whole from another record, which has none"
        if row.value == won.value:
            return AGREES
        if row.is_fragment and not won.is_fragment:
            return f"a fragment of a {self.whole} never displaces a whole one"
        reason = getattr(self, f"_{self.rule}")(row, won) or self._most_recent(row, won)
        return f"{reason} ({self.whole} is taken whole)" if self.whole else reason

    def _most_recent(self, row: Row[Any], won: Row[Any]) -> str:
        if row.event_at != won.event_at:
            return f"older than {won.event_at:%F %T}"
        return self._source_priority(row, won, tie=True) or "equal in all; the smaller id wins"

    def _source_priority(self, row: Row[Any], won: Row[Any], tie: bool = False) -> str | None:
        if self._rank(row) == self._rank(won):
            return None
        same = "as recent, but " if tie else ""
        return f"{same}source {row.source} ranks below {won.source}"

    def _most_frequent(self, row: Row[Any], won: Row[Any]) -> str | None:
        voices, needed = self._voices(row), self._voices(won)
        if row.ballot == won.ballot:
            return f"the same in standard form; older than {won.event_at:%F %T}"
        if voices != needed:
            return f"held by {voices} source(s), the winner by {needed}"
        return f"held by {voices} source(s) as is the winner, but seen less recently"

    def _most_complete(self, row: Row[Any], won: Row[Any]) -> str | None:
        if row.filled_n != won.filled_n:
            return f"its record fills {row.filled_n} attributes, the winner's {won.filled_n}"
        return self._source_priority(row, won)

    def _longest(self, row: Row[Any], won: Row[Any]) -> str | None:
        if row.length_n != won.length_n:
            return f"{row.length_n} characters, the winner has {won.length_n}"
        return self._source_priority(row, won)

    def _rank(self, row: Row[Any]) -> int:
        known = row.source in self.sources
        return self.sources.index(row.source) if known else len(self.sources)

    def _voices(self, row: Row[Any]) -> int:
        return len({other.source for other in self.rows if other.ballot == row.ballot})


def _changes(conn: Connection, parameters: dict[str, Any]) -> list[Change]:
    return [Change(**row._asdict()) for row in conn.execute(query(_FILE, "changes"), parameters)]


def _past(conn: Connection, asked_for: UUID, living: dict[str, Any], *, at: datetime) -> Past:
    """The value at ``at``: of the id that was asked for if it lived then, else of its survivor."""
    for customer_id in dict.fromkeys((asked_for, living["customer_id"] or asked_for)):
        own = {**living, "customer_id": customer_id, "at": at}
        version = conn.execute(query(_FILE, "version_at"), own).one_or_none()
        changes = _changes(conn, own)
        if version is not None:
            break
    before = [change for change in changes if change.occurred_at <= at]
    after = [change for change in changes if change.occurred_at > at]
    override = None
    if version is not None:
        moment = {**own, "moment": version.valid_from, "run_id": version.run_id}
        override = conn.execute(query(_FILE, "override_at"), moment).one_or_none()
        if override is not None and (
            override.action == "REVOKE" or override.value != version.value
        ):
            override = None
    return Past(
        at=at,
        customer_id=customer_id,
        version=version.version if version is not None else None,
        value=version.value if version is not None else None,
        valid_from=version.valid_from if version is not None else None,
        valid_to=version.valid_to if version is not None else None,
        override=_override(override),
        set_by=before[-1] if before else None,
        ended_by=after[0] if after else None,
    )
