"""The run ledger: one run at a time, each phase on record, and one boundary instant per run."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, Row
from sqlalchemy.exc import DBAPIError

from db.engine import is_lost
from db.queries import query
from mdm.errors import LockedError
from mdm.phases import Phase, PhaseReport

_FILE = "mdm/runs.sql"
_LOCK_KEY = 7_202_610  # any fixed number, the same in every process that shares the warehouse


@dataclass(frozen=True)
class Run:
    """One run of the pipeline: its number and the boundary instant its history versions carry."""

    run_id: int
    as_of: datetime


class RunLedger:
    """Writes ``ops.runs`` and ``ops.phase_runs`` on a connection of its own, so that what a failed
    run did is on record even where its work was rolled back."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._session: Connection | None = None

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the one-run-at-a-time lock of this warehouse.

        The lock belongs to a database session: it goes when the process dies, however it dies.
        Raises LockedError that names the run and process holding it.
        """
        with self._engine.connect() as conn:
            if not conn.execute(query(_FILE, "try_lock"), {"key": _LOCK_KEY}).scalar():
                raise LockedError("The warehouse", holder=self._holder(conn))
            self._session = conn
            try:
                yield
            finally:
                self._session = None
                with contextlib.suppress(Exception):  # a lost session has already let go of it
                    conn.execute(query(_FILE, "unlock"), {"key": _LOCK_KEY})

    def keeps_lock(self) -> bool:
        """Whether the session that took the lock has lived on: nobody else ran, no server crashed.

        (A server that loses one backend to a crash restarts all of them and empties what is
        UNLOGGED.) Where it has not, the lock is taken again. Raises LockedError when another run
        was faster.
        """
        if self._session is None:
            return False
        try:
            if self._session.execute(query(_FILE, "has_lock")).scalar_one():
                return True
        except DBAPIError as error:
            if not is_lost(error):
                raise
            # the same handle opens a new session once it has let go of the lost one
            self._session.rollback()
        if not self._session.execute(query(_FILE, "try_lock"), {"key": _LOCK_KEY}).scalar():
            raise LockedError("The warehouse", holder=self._holder(self._session))
        return False

    def _holder(self, conn: Connection) -> str:
        row = conn.execute(query(_FILE, "running")).one_or_none()
        if row is None:
            return "another mdm command that is just starting"
        return (
            f"run {row.run_id} (process {row.pid} on {row.host}, since {row.started_at:%F %T %Z})"
        )

    def start(self, command: str, *, config_hash: str) -> Run:
        """A new run on record. Runs that died without saying so are marked FAILED first."""
        with self._engine.connect() as conn:
            conn.execute(query(_FILE, "close_dead_runs"))
            return enter(conn, command, config_hash=config_hash)

    def phase_done(
        self, run: Run, phase: Phase, report: PhaseReport, *, started_at: datetime, seconds: float
    ) -> None:
        """Put a finished phase on record."""
        with self._engine.connect() as conn:
            conn.execute(
                query(_FILE, "phase_done"),
                {
                    "run_id": run.run_id,
                    "phase": phase.name,
                    "position": phase.position,
                    "started_at": started_at,
                    "seconds": seconds,
                    "rows_in": report.rows_in,
                    "rows_out": report.rows_out,
                    "rows_rejected": report.rows_rejected,
                    "detail": dumps(report.detail),
                },
            )

    def finish(
        self, run: Run, *, report: dict[str, Any] | None = None, error: str | None = None
    ) -> None:
        """End a run: DONE with its report, or FAILED with its error."""
        with self._engine.connect() as conn:
            conn.execute(
                query(_FILE, "finish_run"),
                {
                    "run_id": run.run_id,
                    "state": "DONE" if error is None else "FAILED",
                    "error": error,
                    "report": None if report is None else dumps(report),
                },
            )


def enter(conn: Connection, command: str, *, config_hash: str) -> Run:
    """A new run in ``ops.runs``, in the transaction of ``conn``."""
    row = conn.execute(
        query(_FILE, "start_run"),
        {
            "command": command,
            "config_hash": config_hash,
            "code_version": code_version(),
            "host": platform.node() or "unknown",
            "pid": os.getpid(),
        },
    ).one()
    return Run(row.run_id, row.as_of)


def listed(conn: Connection, *, limit: int = 1, run_id: int | None = None) -> Sequence[Row[Any]]:
    """The newest runs, or the one asked for, with state, error, time and last finished phase.

    The state is that of ``ops.runs``, or DIED where a process ended before it could say so.
    """
    wanted = {"key": _LOCK_KEY, "limit": limit, "run_id": run_id}
    return conn.execute(query(_FILE, "list"), wanted).all()


def report(conn: Connection, run_id: int) -> dict[str, Any]:
    """The report of a run that is on record; of one that is not done, what it has finished."""
    found: dict[str, Any] = conn.execute(query(_FILE, "report"), {"run_id": run_id}).scalar_one()
    return found


def dumps(document: Any) -> str:
    """``document`` as JSON text; dates, decimals and numpy numbers included."""
    return orjson.dumps(
        document, default=str, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    ).decode()


@functools.cache
def code_version() -> str:
    """The version of this code: the package's, with the commit where it runs from a checkout.

    It is that of the process: what was loaded does not change when the checkout does.
    """
    version = metadata.version("customer-master")
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return version
    described = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    commit = described.stdout.strip()
    return f"{version}+{commit}" if described.returncode == 0 and commit else version
