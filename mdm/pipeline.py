"""The full run: phases in order, one transaction for what is published, a report at the end."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NoReturn

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from db.engine import is_transient
from mdm import check, plan, resume, retry
from mdm.config import Config
from mdm.errors import PublishHeld, ServiceDown
from mdm.phases import PHASES, DemoOptions, Phase, PhaseReport, Progress, RunContext
from mdm.plan import Plan
from mdm.progress import silent
from mdm.runs import Run, RunLedger
from mdm.tidying import tidy
from mdm.warehouse import Warehouse

_FIRST_BEHIND_RAW = Decimal(3)

Listener = Callable[[Phase, "PhaseReport | None", float], None]
Preparation = Callable[[Connection, RunContext], None]


@dataclass(frozen=True)
class PhaseResult:
    """A phase that ran, with its report and how long it took."""

    phase: Phase
    report: PhaseReport
    seconds: float
    retries: int = 0
    lake_retries: int = 0

    @property
    def report_on_record(self) -> PhaseReport:
        """The report as the ledger keeps it: retries are told beside what the phase counted."""
        told = {"retries": self.retries, "lake_retries": self.lake_retries}
        repeated = {name: n for name, n in told.items() if n}
        return replace(self.report, detail=self.report.detail | repeated)


@dataclass(frozen=True)
class RunReport:
    """What a run did, phase by phase, and what the invariants said at its end."""

    run_id: int
    seconds: float
    phases: tuple[PhaseResult, ...]
    invariants: tuple[check.Finding, ...] = ()
    plan_id: int | None = None

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
                    "retries": result.retries,
                    "lake_retries": result.lake_retries,
                    "detail": result.report.detail,
                }
                for result in self.phases
            ],
            "totals": {
                "rows_in": sum(r.report.rows_in for r in self.phases),
                "rows_out": sum(r.report.rows_out for r in self.phases),
                "rows_rejected": sum(r.report.rows_rejected for r in self.phases),
                "retries": sum(r.retries + r.lake_retries for r in self.phases),
            },
            "invariants": [
                {"name": f.name, "title": f.title, "broken": f.broken} for f in self.invariants
            ],
            "plan_id": self.plan_id,
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
        guarded: bool = True,
        rehearse: bool = False,
        planned: Plan | None = None,
    ) -> RunReport:
        """The report of a run of ``phases``, on record as DONE or FAILED.

        ``opened_in`` is the time that opening the warehouse took, told as phase 0's. ``prepare`` is
        done first, under the lock and in a transaction of its own: a decision that the phases then
        carry out. ``guarded=False`` lets nothing hold the run back. ``rehearse`` works everything
        behind raw out, rolls it back and saves it as a plan; ``planned`` publishes only what that
        plan said.

        Raises LockedError when a run is under way, CheckFailed when the outcome breaks an invariant
        and PublishHeld when it passes a limit (then nothing was published), PlanMoved when it is
        not what was planned, PhaseFailed or the phase's own MdmError when a phase stops.
        """
        ledger = RunLedger(self.warehouse.engine)
        with ledger.lock():
            run = ledger.start(command, config_hash=self.config.digest)
            try:
                context = self._context(run, full=full, demo=demo, guarded=guarded)
                if prepare is not None:
                    with self.warehouse.engine.begin() as conn:
                        prepare(conn, context)
                report = self._run(
                    ledger,
                    run,
                    phases,
                    context,
                    opened_in=opened_in,
                    rehearse=rehearse,
                    planned=planned,
                )
            except BaseException as error:
                with contextlib.suppress(Exception):  # the first error is the one to tell
                    ledger.finish(run, error=str(error) or type(error).__name__)
                raise
            ledger.finish(run, report=report.as_json())
            return report

    def _context(
        self, run: Run, *, full: bool, demo: DemoOptions | None, guarded: bool
    ) -> RunContext:
        return RunContext(
            run_id=run.run_id,
            as_of=run.as_of,
            config=self.config,
            home=self.warehouse.settings.home,
            progress=self.progress,
            lake=self.warehouse.lake,
            full=full,
            guarded=guarded,
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
        rehearse: bool,
        planned: Plan | None,
    ) -> RunReport:
        started = time.monotonic()
        # What is published together; a rehearsal takes everything behind raw into it.
        together = tuple(
            phase
            for phase in phases
            if phase.publishes or (rehearse and phase.position >= _FIRST_BEHIND_RAW)
        )
        units: list[tuple[Phase, ...]] = [(phase,) for phase in phases if phase not in together]
        work = _Work(units=[*units, together] if together else units, extra=opened_in)

        def go_on() -> None:
            if work.retries.total():
                with resume.telling(work.next[0], run):
                    work.done = min(work.done, _resume_at(ledger, work, run))
            while work.done < len(work.units):
                unit = work.next
                work.phase = unit[0]
                with self._unit(unit, run) as conn:
                    if unit is together:
                        self._publish(ledger, run, work, conn, context, rehearse, planned)
                    else:
                        self._phase(ledger, run, work, unit[0], conn, context)
                work.done += 1

        def on_retry(error: BaseException) -> None:
            work.retries[work.phase.name] += 1

        if work.units:
            retry.retrying(on_retry)(go_on)
        if together and not rehearse:
            with contextlib.suppress(DBAPIError):  # all is published; autovacuum makes up for it
                tidy(self.warehouse.engine)
        return RunReport(
            run.run_id,
            time.monotonic() - started,
            tuple(
                replace(work.results[phase.name], retries=work.retries[phase.name])
                for phase in phases
            ),
            invariants=work.findings,
            plan_id=work.plan_id,
        )

    @contextlib.contextmanager
    def _unit(self, unit: tuple[Phase, ...], run: Run) -> Iterator[Connection]:
        """A connection for phases that share a transaction, committed when they are done."""
        with resume.telling(unit[0], run), self.warehouse.engine.connect() as conn:
            try:
                yield conn
                conn.commit()
            except BaseException as error:
                if is_transient(error) or is_transient(error.__cause__):
                    conn.invalidate()  # the driver may not have told SQLAlchemy that it is lost
                raise

    def _publish(
        self,
        ledger: RunLedger,
        run: Run,
        work: _Work,
        conn: Connection,
        context: RunContext,
        rehearse: bool,
        planned: Plan | None,
    ) -> None:
        """One transaction: a reader sees the old customers, history and events, or the new ones."""
        before = plan.last_event(conn)
        try:
            self._work_out(ledger, run, work, conn, context, rehearse)
        except PublishHeld as held:
            # A phase would not go on by itself (a source that lost its records). What its data
            # would lead to is what a person needs to see.
            if not check.is_due(work.next):
                raise
            conn.rollback()
            unguarded = replace(context, guarded=False)
            self._work_out(ledger, run, work, conn, unguarded, rehearse)
            self._wait(conn, run, held.reasons, after_seq=before)
        if rehearse:
            work.plan_id = self._save_plan(conn, run, after_seq=before)
        elif planned is not None:
            plan.must_match(conn, planned, after_seq=before)
        elif context.guarded:
            self._hold_back(conn, run, after_seq=before)

    def _work_out(
        self,
        ledger: RunLedger,
        run: Run,
        work: _Work,
        conn: Connection,
        context: RunContext,
        rehearse: bool,
    ) -> None:
        """The phases that publish, and what the invariants say of the outcome."""
        together = work.next
        is_due = check.is_due(together)
        # What was committed before is looked at by a core that is idle otherwise: beside all but
        # the first, for identity keeps both busy. In a rehearsal nothing behind raw is committed.
        results = [self._phase(ledger, run, work, together[0], conn, context)]
        with (
            check.meanwhile(self.warehouse.engine, anew=context.full)
            if is_due and not rehearse
            else contextlib.nullcontext()
        ) as earlier:
            results += [
                self._phase(ledger, run, work, phase, conn, context) for phase in together[1:]
            ]
            if is_due:
                changed = any(r.report.rows_out for r in results if r.phase.publishes)
                work.findings = check.hold(
                    conn, changed=changed, anew=context.full, earlier=earlier
                )

    def _save_plan(
        self, conn: Connection, run: Run, *, after_seq: int, reasons: Sequence[str] = ()
    ) -> int:
        """Roll the work of ``conn`` back and keep what it would have changed as a waiting plan."""
        found, digest = plan.difference(conn, after_seq), plan.digest(conn, after_seq)
        conn.rollback()
        return plan.save(
            self.warehouse.engine,
            found,
            run_id=run.run_id,
            config_hash=self.config.digest,
            digest=digest,
            reasons=reasons,
        )

    def _hold_back(self, conn: Connection, run: Run, *, after_seq: int) -> None:
        """Turn a run that passes a limit of ``[publish]`` into a waiting plan.

        Raises PublishHeld with the limits and the plan to look at.
        """
        if not self.config.publish.model_dump(exclude_none=True):
            return
        reasons = plan.exceeded(plan.difference(conn, after_seq), self.config.publish)
        if reasons:
            self._wait(conn, run, reasons, after_seq=after_seq)

    def _wait(
        self, conn: Connection, run: Run, reasons: Sequence[str], *, after_seq: int
    ) -> NoReturn:
        plan_id = self._save_plan(conn, run, after_seq=after_seq, reasons=reasons)
        raise PublishHeld(
            reasons,
            hint=f"It waits as plan {plan_id}: mdm plan show {plan_id}, mdm apply {plan_id}.",
        )

    def _phase(
        self,
        ledger: RunLedger,
        run: Run,
        work: _Work,
        phase: Phase,
        conn: Connection,
        context: RunContext,
    ) -> PhaseResult:
        work.phase = phase
        self.listener(phase, None, 0.0)
        started_at, started = datetime.now(UTC), time.monotonic()
        repeated_before = self.warehouse.lake.retries
        with resume.telling(phase, run):
            report = phase.load()(conn, context)
        seconds = time.monotonic() - started + work.extra
        work.extra = 0.0
        result = PhaseResult(
            phase,
            report,
            seconds,
            retries=work.retries[phase.name],
            lake_retries=self.warehouse.lake.retries - repeated_before,
        )
        work.results[phase.name] = result
        ledger.phase_done(
            run, phase, result.report_on_record, started_at=started_at, seconds=seconds
        )
        self.listener(phase, report, seconds)
        return result


@dataclass
class _Work:
    """How far a run has come: what outlives a retry.

    ``units`` are phases that share a transaction, in their order; ``done`` counts those committed.
    """

    units: list[tuple[Phase, ...]]
    extra: float
    done: int = 0
    phase: Phase = PHASES[0]
    results: dict[str, PhaseResult] = field(default_factory=dict)
    retries: Counter[str] = field(default_factory=Counter)
    findings: tuple[check.Finding, ...] = ()
    plan_id: int | None = None

    @property
    def next(self) -> tuple[Phase, ...]:
        """The unit to do next."""
        return self.units[self.done]


def _resume_at(ledger: RunLedger, work: _Work, run: Run) -> int:
    """The number of the unit to go on with after a failure that may pass.

    It is the unit that failed, unless the server was restarted: that has emptied what can be
    rebuilt, so it is rebuilt from staging on. Raises ServiceDown where the run does not include
    staging and LockedError when another run came in between.
    """
    if ledger.keeps_lock():
        return work.done
    for number, unit in enumerate(work.units):
        if unit[0].position == _FIRST_BEHIND_RAW:
            return number
    raise ServiceDown(
        "PostgreSQL",
        address="the address it had",
        hint="It answers again now. What this run had not finished was rolled back: mdm run.",
        reason=f"restarted during run {run.run_id}",
    )
