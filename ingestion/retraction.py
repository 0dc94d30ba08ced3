"""Taking a delivery back, and restoring it: a change of the ledger that all phases then follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection

from db.queries import query
from mdm.errors import UsageError

_FILE = "ingestion/retraction.sql"
_STATE = {"RETRACT": "RETRACTED", "RESTORE": "LOADED"}
Verdict = Literal["RETRACT", "RESTORE"]


@dataclass(frozen=True)
class Delivery:
    """The objects of a delivery: their ids and keys, and the rows they hold."""

    object_ids: tuple[int, ...]
    keys: tuple[str, ...]
    rows: int


@dataclass(frozen=True)
class Reach:
    """What stands on a delivery now: current records, their customers, golden values it won."""

    records: int
    customers: int
    values: int


def find(
    conn: Connection, verdict: Verdict, *, key: str | None = None, run_id: int | None = None
) -> Delivery:
    """The delivery that a verdict would touch: one object by key, or all that a run loaded.

    Raises UsageError when there is nothing to retract or restore under that name.
    """
    if key is not None:
        rows = conn.execute(query(_FILE, "objects_of_key"), {"object_key": key}).all()
        named = f"object {key}"
    else:
        rows = conn.execute(query(_FILE, "objects_of_run"), {"run_id": run_id}).all()
        named = f"run {run_id}"
    touched = [row for row in rows if row.state in _STATE.values() and row.state != _STATE[verdict]]
    if not rows:
        raise UsageError(f"{named} loaded nothing; raw.lake_objects lists what was loaded")
    if not touched:
        raise UsageError(f"{named}: nothing to {verdict.lower()}, its state is {rows[0].state}")
    return Delivery(
        tuple(row.object_id for row in touched),
        tuple(row.object_key for row in touched),
        sum(row.rows_n for row in touched),
    )


def reach(conn: Connection, delivery: Delivery) -> Reach:
    """What stands on a delivery now, and so would change with it."""
    row = conn.execute(query(_FILE, "reach"), {"object_ids": list(delivery.object_ids)}).one()
    return Reach(row.records_n, row.customers_n, row.values_n)


def decide(
    conn: Connection,
    delivery: Delivery,
    verdict: Verdict,
    *,
    decided_by: str,
    reason: str,
    run_id: int,
) -> None:
    """Put the verdict on record and into force; the phases behind follow at the next run.

    A retracted object stays retracted when the lake lists it again, until it is restored or its
    content changes.
    """
    ids = list(delivery.object_ids)
    conn.execute(
        query(_FILE, "set_state"),
        {
            "object_ids": ids,
            "state": _STATE[verdict],
            "reason": f"{verdict.lower()}ed by {decided_by}: {reason}",
        },
    )
    conn.execute(
        query(_FILE, "remember"),
        {
            "object_ids": ids,
            "verdict": verdict,
            "decided_by": decided_by,
            "reason": reason,
            "run_id": run_id,
        },
    )
