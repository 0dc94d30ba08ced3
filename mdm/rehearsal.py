"""What a decision would make of customers: worked out by the real phases, seen and rolled back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from db.queries import query
from mdm import runs
from mdm.config import Config
from mdm.phases import RunContext, between
from mdm.progress import silent
from mdm.runs import RunLedger
from mdm.warehouse import Warehouse

_FILE = "mdm/rehearsal.sql"


@dataclass(frozen=True)
class Part:
    """A customer that some records belong to: its golden values by attribute, filled ones only.

    ``is_new`` tells that its id was made by the run that was asked about.
    """

    customer_id: UUID
    is_new: bool
    records: tuple[str, ...]
    golden: dict[str, Any]


@contextlib.contextmanager
def rehearsed(
    warehouse: Warehouse, config: Config, decide: Callable[[Connection], object]
) -> Iterator[tuple[Connection, int]]:
    """A connection that sees identity and gold as ``decide`` would make them, and the run's number.

    All of it, the run too, is rolled back when the block ends. Raises LockedError while a run is
    under way, whose work this would wait for, and what ``decide`` raises.
    """
    with RunLedger(warehouse.engine).lock(), warehouse.engine.connect() as conn:
        run = runs.enter(conn, "a rehearsal", config_hash=config.digest)
        decide(conn)
        context = RunContext(
            run_id=run.run_id,
            as_of=run.as_of,
            config=config,
            home=warehouse.settings.home,
            progress=silent,
            lake=warehouse.lake,
            guarded=False,
        )
        for phase in between("identity", "gold"):
            phase.load()(conn, context)
        yield conn, run.run_id


def parts(conn: Connection, records: Sequence[str], *, run_id: int) -> list[Part]:
    """The customers of ``records`` (``source:record_id``) as this transaction sees them, by age."""
    rows = conn.execute(
        query(_FILE, "customers_of_records"), {"records": list(records), "run_id": run_id}
    )
    return [
        Part(row.global_customer_id, row.is_new, tuple(row.records), row.golden) for row in rows
    ]
