"""The full run: phases in order, one transaction for what is published, a report at the end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg2
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from mdm import check
from mdm.config import Config
from mdm.errors import MdmError, PhaseFailed, ServiceDown
from mdm.phases import DemoOptions, Phase, PhaseReport, Progress, RunContext
from mdm.progress import silent
from mdm.runs import Run, RunLedger
from mdm.warehouse import Warehouse

Listener = Callable[[Phase, "PhaseReport | None", float], None]
Preparation = Callable[[Connection, RunContext], None]


@dataclass(frozen=True)
class PhaseResult:
    """A phase that ran, with its report and how long it took."""

    phase: Phase
    report: PhaseReport
    seconds: float


@dataclass(frozen=True)
class RunReport:
    """What a run did, phase by phase, and what the invariants said at its end."""

    run_id: int
    seconds: float
    phases: tuple[PhaseResult, ...]
    invariants: tuple[check.Finding, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The report as ``mdm run --json`` prints it."""
        return {
            "run_id": self.run_id,
            "seconds": round(self.seconds, 3),
            "phases": [
                {
                    "name": result.phase.name,
                    "phase": str(result.phase.position),
                    "seconds": round(result.seconds, 3),
                    "rows_in": result.report.rows_in,
                    "rows_out": result.report.rows_out,
                    "rows_rejected": result.report.rows_rejected,
                    "detail": result.report.detail,
                }
                for result in self.phases
            ],
            "totals": {
                "rows_in": sum(r.report.rows_in for r in self.phases),
                "rows_out": sum(r.report.rows_out for r in self.phases),
                "rows_rejected": sum(r.report.rows_rejected for r in self.phases),
            },
            "invariants": [
                {"name": f.name, "title": f.title, "broken": f.broken} for f in self.invariants
            ],
        }


@dataclass
class Pipeline:
    """Runs phases on an open warehouse, under the lock and on record."""

    warehouse: Warehouse
    config: Config
    progress: Progress = silent
    listener: Listener = field(default=lambda phase, report, seconds: None)

    def run(
        self,
        phases: Sequence[Phase],
        *,
        command: str,
        full: bool = False,
        demo: DemoOptions | None = None,
        opened_in: float = 0.0,
        prepare: Preparation | None = None,
    ) -> RunReport:
        """The report of a run of ``phases``, on record as DONE or FAILED.

        ``prepare`` is done first, under the lock and in a transaction of its own: a decision that
        the phases then carry out.
        ``opened_in`` is the time that opening the warehouse took, told as phase 0's. Raises
        LockedError when a run is under way, CheckFailed when the outcome breaks an invariant (then
        nothing of it was published), PhaseFailed or the phase's own MdmError when a phase stops.
        """
        ledger = RunLedger(self.warehouse.engine)
        with ledger.lock():
            run = ledger.start(command, config_hash=self.config.digest)
            try:
                context = self._context(run, full=full, demo=demo)
                if prepare is not None:
                    with self.warehouse.engine.begin() as conn:
                        prepare(conn, context)
                report = self._run(ledger, run, phases, context, opened_in=opened_in)
            except BaseException as error:
                with contextlib.suppress(Exception):  # the first error is the one to tell
                    ledger.finish(run, error=str(error) or type(error).__name__)
                raise
            ledger.finish(run, report=report.as_json())
            return report

    def _context(self, run: Run, *, full: bool, demo: DemoOptions | None) -> RunContext:
        return RunContext(
            run_id=run.run_id,
            as_of=run.as_of,
            config=self.config,
            home=self.warehouse.settings.home,
            progress=self.progress,
            lake=self.warehouse.lake,
            full=full,
            demo=demo,
        )

    def _run(
        self,
        ledger: RunLedger,
        run: Run,
        phases: Sequence[Phase],
        context: RunContext,
        *,
        opened_in: float,
    ) -> RunReport:
        started = time.monotonic()
        results: list[PhaseResult] = []
        findings: tuple[check.Finding, ...] = ()
        with self.warehouse.engine.connect() as conn:
            for phase in phases:
                if not phase.publishes:
                    results.append(self._phase(ledger, run, phase, conn, context, extra=opened_in))
                    opened_in = 0.0
                    conn.commit()
        publishing = [phase for phase in phases if phase.publishes]
        if publishing:
            # One transaction: a reader sees the old customers, history and events, or the new ones.
            with self.warehouse.engine.begin() as conn:
                for phase in publishing:
                    results.append(self._phase(ledger, run, phase, conn, context))
                if check.is_due(publishing):
                    findings = check.hold(conn, changed=any(r.report.rows_out for r in results))
        return RunReport(
            run.run_id, time.monotonic() - started, tuple(results), invariants=findings
        )

    def _phase(
        self,
        ledger: RunLedger,
        run: Run,
        phase: Phase,
        conn: Connection,
        context: RunContext,
        *,
        extra: float = 0.0,
    ) -> PhaseResult:
        self.listener(phase, None, 0.0)
        started_at, started = datetime.now(UTC), time.monotonic()
        with _telling(phase, run):
            report = phase.load()(conn, context)
        seconds = time.monotonic() - started + extra
        ledger.phase_done(run, phase, report, started_at=started_at, seconds=seconds)
        self.listener(phase, report, seconds)
        return PhaseResult(phase, report, seconds)


@contextlib.contextmanager
def _telling(phase: Phase, run: Run) -> Iterator[None]:
    """Turns what the database driver says into what happened, what is left and what to do."""
    left = (
        "Nothing of this run was published; what was loaded stays. Run again to go on."
        if phase.publishes
        else "What this phase had not finished was rolled back. Run again to go on."
    )
    try:
        yield
    except MdmError:
        raise
    except (DBAPIError, psycopg2.Error) as error:
        if _is_lost(error):
            raise ServiceDown(
                "PostgreSQL",
                address="the address it had",
                hint=f"Start it with `mdm services up`. {left}",
                reason=f"connection lost in phase {phase.name}",
            ) from error
        raise PhaseFailed(
            phase.name, run_id=run.run_id, problem=_first_line(error), left=left
        ) from error


def _is_lost(error: BaseException) -> bool:
    """Whether the server went away (as opposed to: refused what was asked of it)."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    # COPY goes through psycopg2 itself; a lost connection has no SQLSTATE
    return isinstance(error, psycopg2.OperationalError) and error.pgcode is None


def _first_line(error: Exception) -> str:
    told = error.orig if isinstance(error, DBAPIError) else error
    return (str(told).strip().splitlines() or [type(told).__name__])[0].rstrip(".")
