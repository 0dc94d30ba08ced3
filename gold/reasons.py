"""The words in which a golden value is accounted for: sightings, overrides, changes, the past."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row

#: Verdict on a record that holds the winning value too.
AGREES: Final = "agrees"


@dataclass(frozen=True)
class Sighting:
    """A value as one source record has it, where that stands, and what became of it.

    Of the past, ``value`` is None beneath an override, and the place is None where the line is no
    longer kept.
    """

    value: str | None
    record: str
    event_at: datetime | None
    object_key: str | None
    line_no: int | None
    run_id: int | None
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
    """What the value was at an instant: the version that held it, who won, what set and ended it.

    ``rule`` and ``winner`` are None where gold had no such customer, where no record had a value
    and for instants of which nobody kept the winners (before an upgrade to the schema that does).
    """

    at: datetime
    customer_id: UUID
    version: int | None
    value: str | None
    valid_from: datetime | None
    valid_to: datetime | None
    rule: str | None
    winner: Sighting | None
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


def override_of(row: Row[Any] | None) -> Override | None:
    """The override that a row names, if it names one."""
    if row is None or row.override_id is None:
        return None
    return Override(row.override_id, row.action, row.steward, row.reason, row.decided_at)
