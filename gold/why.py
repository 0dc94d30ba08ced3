"""Why a golden value is what it is: record, lake line, rule, override and run, and what lost.

Reads lineage, survivorship values, history and change events; writes nothing. What is told of now
comes from ``gold.customer_lineage``, what is told of an earlier instant from history and events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from db.queries import query
from gold import past
from gold.reasons import AGREES, Sighting, Why, override_of
from gold.survivorship import PARTS
from mdm.errors import UsageError

_FILE = "gold/why.sql"


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
    changes = past.changes(conn, living) if found.living_id else []
    return Why(
        asked_for=customer_id,
        customer_id=found.living_id,
        followed=_followed(customer_id, found),
        attribute=parameters["attribute"],
        value=golden.value if golden is not None else None,
        rule=golden.rule if golden is not None else None,
        override=override_of(golden),
        winner=winner,
        others=others,
        set_by=changes[-1] if changes else None,
        past=None if at is None else past.past(conn, customer_id, living, at=at),
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
