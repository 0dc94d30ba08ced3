"""Steward link decisions: the one code path behind command line, console and files.

A decision says of two source records that they are the SAME customer or DIFFERENT ones. It holds
transitively and outranks the model from the next resolution on. Rows are only ever added; what may
not be said (a contradiction, an unknown record) is refused by the database itself, which shows the
chain of earlier decisions in the way.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, Literal
from uuid import UUID

from sqlalchemy import Connection, RowMapping
from sqlalchemy.exc import IntegrityError

from db.queries import query
from mdm.errors import UsageError

Verdict = Literal["SAME", "DIFFERENT"]

_SQL = "identity/link_decisions.sql"
_FILE_COLUMNS = ("verdict", "left", "right", "steward", "reason")


@dataclass(frozen=True)
class Decision:
    """One row of ``identity.steward_link_decisions``; sides are ``source:record_id``."""

    decision_id: int
    verdict: str
    left: str
    right: str
    steward: str
    reason: str
    decided_at: datetime
    undoes: int | None


def decide(
    conn: Connection, verdict: Verdict, *, left: str, right: str, steward: str, reason: str
) -> Decision:
    """The decision now on record that ``left`` and ``right`` are the same or different customers.

    A side is ``source:record_id`` or a global customer id. Raises UsageError with what stands in
    the way; nothing was written then.
    """
    sides: dict[str, Any] = {"verdict": verdict, "steward": steward, "reason": reason}
    for suffix, side in (("l", left), ("r", right)):
        source, record, customer = _side(side)
        sides |= {f"source_{suffix}": source, f"record_{suffix}": record}
        sides[f"customer_{suffix}"] = customer
    return _insert(conn, "insert_decision", sides)


def undo(conn: Connection, decision_id: int, *, steward: str, reason: str) -> Decision:
    """The row that takes ``decision_id`` back.

    Raises UsageError when there is no such decision or it is undone already.
    """
    values = {"decision_id": decision_id, "steward": steward, "reason": reason}
    return _insert(conn, "insert_undo", values)


def live_decisions(conn: Connection) -> list[Decision]:
    """The decisions that hold, in the order they were taken."""
    return [_decision(row._mapping) for row in conn.execute(query(_SQL, "live_decisions"))]


def export_decisions(conn: Connection, sink: IO[str]) -> int:
    """How many live decisions were written to ``sink``, as CSV that ``import_decisions`` reads."""
    decisions = live_decisions(conn)
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(_FILE_COLUMNS)
    for d in decisions:
        writer.writerow((d.verdict, d.left, d.right, d.steward, d.reason))
    return len(decisions)


def import_decisions(conn: Connection, lines: Iterable[str]) -> int:
    """How many decisions of an exported file were new and are on record now.

    What holds already is skipped, so a file can be read twice. Raises UsageError naming the line of
    the first decision that cannot be taken; the caller rolls back.
    """
    reader = csv.DictReader(lines)
    missing = set(_FILE_COLUMNS) - set(reader.fieldnames or ())
    if missing:
        raise UsageError(
            f"the file of decisions lacks the columns {', '.join(sorted(missing))}; "
            f"needed: {', '.join(_FILE_COLUMNS)}"
        )
    known = {(d.verdict, frozenset((d.left, d.right))) for d in live_decisions(conn)}
    added = 0
    for row in reader:
        verdict, left, right = row["verdict"], row["left"], row["right"]
        if (verdict, frozenset((left, right))) in known:
            continue
        if verdict not in ("SAME", "DIFFERENT"):
            raise UsageError(
                f"line {reader.line_num}: the verdict is {verdict!r}; allowed: SAME, DIFFERENT"
            )
        try:
            decision = decide(
                conn,
                "SAME" if verdict == "SAME" else "DIFFERENT",
                left=left,
                right=right,
                steward=row["steward"],
                reason=row["reason"],
            )
        except UsageError as error:
            raise UsageError(f"line {reader.line_num}: {error}") from error
        known.add((decision.verdict, frozenset((decision.left, decision.right))))
        added += 1
    return added


def _side(side: str) -> tuple[str | None, str | None, UUID | None]:
    """Source, record id and customer that ``side`` names: the first two or the last."""
    try:
        return None, None, UUID(side)
    except ValueError:
        source, colon, record = side.partition(":")
    if not (source and colon and record):
        raise UsageError(
            f"{side!r} is neither a record (source:record_id) nor a global customer id"
        )
    return source, record, None


def _insert(conn: Connection, name: str, values: Mapping[str, Any]) -> Decision:
    try:
        with conn.begin_nested():
            return _decision(conn.execute(query(_SQL, name), values).one()._mapping)
    except IntegrityError as error:
        diagnosis = getattr(error.orig, "diag", None)
        problem = getattr(diagnosis, "message_primary", None) or str(error.orig)
        hint = getattr(diagnosis, "message_hint", None)
        if getattr(diagnosis, "constraint_name", None):
            problem = "a decision needs the name of a steward and a reason"
        raise UsageError(f"Refused: {problem}." + (f" {hint}" if hint else "")) from error


def _decision(row: RowMapping) -> Decision:
    return Decision(
        decision_id=row["decision_id"],
        verdict=row["verdict"],
        left=f"{row['source_l']}:{row['source_record_id_l']}",
        right=f"{row['source_r']}:{row['source_record_id_r']}",
        steward=row["steward"],
        reason=row["reason"],
        decided_at=row["decided_at"],
        undoes=row["undoes"],
    )
