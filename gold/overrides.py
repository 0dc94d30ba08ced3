"""Steward overrides for the command line and the console: add, revoke, list, apply.

All writing is an INSERT into ``gold.customer_steward_overrides``, as a steward would do it in psql:
the database checks it, and what it says is translated here into errors people can read.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row
from sqlalchemy.exc import DataError, IntegrityError

from db.queries import query
from gold import run_steward_overrides
from mdm.errors import UsageError
from mdm.phases import PhaseReport, RunContext

_FILE = "gold/overrides.sql"
Action = Literal["SET", "CLEAR", "REVOKE"]


@dataclass(frozen=True)
class Word:
    """What a steward says of one golden value; the override's content without its bookkeeping."""

    customer_id: uuid.UUID
    attribute: str
    steward: str
    reason: str
    action: Action = "SET"
    value: str | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None


def add(conn: Connection, word: Word) -> Row[Any]:
    """The override as stored: merged ids followed, value in standard form.

    Raises UsageError with the database's reason when it is refused; nothing is written then.
    """
    try:
        with conn.begin_nested():
            return conn.execute(query(_FILE, "add"), vars(word)).one()
    except (IntegrityError, DataError) as error:
        raise UsageError(_reason(error)) from error


def revoke(conn: Connection, override_id: int, *, steward: str, reason: str) -> Row[Any]:
    """The REVOKE row that hands the attribute of an override back to the rules.

    Raises UsageError when there is no such override or it is a REVOKE itself.
    """
    found = conn.execute(query(_FILE, "find"), {"override_id": override_id}).one_or_none()
    if found is None:
        raise UsageError(f"there is no override {override_id}; `mdm overrides list` shows all")
    if found.action == "REVOKE":
        raise UsageError(f"override {override_id} is itself a REVOKE; add a new override instead")
    return add(
        conn,
        Word(
            customer_id=found.global_customer_id,
            attribute=found.attribute,
            steward=steward,
            reason=reason,
            action="REVOKE",
        ),
    )


def listed(conn: Connection, *, customer_id: uuid.UUID | None = None) -> Sequence[Row[Any]]:
    """Overrides, the newest first: all, or those on one customer (merged ids are followed)."""
    return conn.execute(query(_FILE, "list_all"), {"customer_id": customer_id}).all()


def apply(conn: Connection, ctx: RunContext) -> PhaseReport:
    """What bringing gold, history and events up to the overrides did: run_steward_overrides."""
    return run_steward_overrides.run(conn, ctx)


def _reason(error: IntegrityError | DataError) -> str:
    """What the database said, in one line, with its hint."""
    diagnosis = getattr(error.orig, "diag", None)
    message = getattr(diagnosis, "message_primary", None) or str(error.orig).splitlines()[0]
    hint = getattr(diagnosis, "message_hint", None)
    return f"{message}. {hint}" if hint else message
