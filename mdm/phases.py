"""The phase list, and what a phase is given and gives back.

A phase is a function ``run(conn, ctx) -> PhaseReport`` in its own room. Phases never import each
other; they are named here as ``module`` strings and imported when their turn comes.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from mdm.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mdm.config import Config
    from mdm.lake import Lake


class Bar(Protocol):
    """A progress bar: advance it by a number of units."""

    def update(self, n: int = 1, /) -> object: ...


class Progress(Protocol):
    """Opens progress bars; the command line shows them, tests and cron jobs do not."""

    def __call__(
        self, description: str, total: int | None, unit: str = "rows"
    ) -> AbstractContextManager[Bar]: ...


@dataclass(frozen=True)
class DemoOptions:
    """What the demo producers are asked for: events, seed of the population, day of its life."""

    records: int
    seed: int
    day: int


@dataclass(frozen=True)
class RunContext:
    """Everything a phase may know about the run it is part of.

    ``as_of`` is the run's one boundary instant: no phase reads a clock. ``full`` asks for a
    recomputation of what would otherwise be carried on incrementally. ``guarded`` is false where a
    person has looked at the outcome or asked for it (a plan applied, a delivery taken back): then
    no limit stops it.
    """

    run_id: int
    as_of: datetime
    config: Config
    home: Path
    progress: Progress
    lake: Lake
    full: bool = False
    guarded: bool = True
    demo: DemoOptions | None = None


@dataclass(frozen=True)
class PhaseReport:
    """What a phase did: rows in, out and rejected, and counts by reason that only it knows."""

    rows_in: int
    rows_out: int
    rows_rejected: int = 0
    detail: dict[str, Any] = field(default_factory=dict)


PhaseFunction = Callable[["Connection", RunContext], PhaseReport]


@dataclass(frozen=True)
class Phase:
    """One step of the pipeline: its number, name, the module that does it and what it says.

    ``publishes`` marks the phases that share one transaction, so that identity, gold, history and
    events of a run become visible together or not at all. ``settles`` marks those that leave to a
    core which is idle then what only later runs need of their tables.
    """

    position: Decimal
    name: str
    module: str
    title: str
    publishes: bool = False
    settles: bool = False

    def load(self) -> PhaseFunction:
        """The phase's function, imported now."""
        function: PhaseFunction = importlib.import_module(self.module).run
        return function

    def settle(self, conn: Connection) -> None:
        """Makes what later runs need of the tables the phase has committed, where it is missing."""
        if self.settles:
            importlib.import_module(self.module).settle(conn)


def _phase(
    position: str,
    name: str,
    module: str,
    title: str,
    publishes: bool = False,
    *,
    settles: bool = False,
) -> Phase:
    return Phase(Decimal(position), name, module, title, publishes, settles)


PHASES: Final = (
    _phase("0", "infrastructure", "mdm.warehouse", "services and schema"),
    _phase("1", "production", "producers.run_production", "demo producers to the lake"),
    _phase("2", "ingestion", "ingestion.minio_to_raw", "lake objects to raw"),
    _phase("3", "staging", "staging.run_staging", "raw to standardised records"),
    _phase("4", "identity_inputs", "staging.run_identity_inputs", "records to profiles"),
    _phase("4.5", "blocking", "matching.run_blocking", "profiles to candidate pairs", settles=True),
    _phase(
        "5",
        "matching",
        "matching.run_matching_engine",
        "pairs to scores and decisions",
        settles=True,
    ),
    _phase("6", "identity", "identity.run_identity_resolution", "decisions to customer ids", True),
    _phase("7", "gold", "gold.run_golden_customers", "survivorship and overrides", True),
    _phase("8", "history", "gold.run_golden_history", "SCD2 versions", True),
    _phase("9", "events", "gold.run_golden_cdc", "change events", True),
    _phase("10", "quality", "gold.run_quality", "conflicts, metrics, review queue", True),
)


def find(name: str) -> Phase:
    """The phase called ``name`` (or numbered so).

    Raises UsageError that lists the phases.
    """
    wanted = name.replace("-", "_").lower()
    for phase in PHASES:
        if wanted in (phase.name, str(phase.position)):
            return phase
    raise UsageError(
        f"no phase is called {name!r}; phases: {', '.join(_names(PHASES))} (or their numbers)"
    )


def between(first: str | None, last: str | None) -> tuple[Phase, ...]:
    """The phases from ``first`` to ``last``, both included; all of them without bounds.

    Raises UsageError for an unknown phase or an empty range.
    """
    low = find(first).position if first else PHASES[0].position
    high = find(last).position if last else PHASES[-1].position
    chosen = tuple(phase for phase in PHASES if low <= phase.position <= high)
    if not chosen:
        raise UsageError(f"--from {first} lies after --to {last}: nothing to run")
    return chosen


def _names(phases: Iterable[Phase]) -> list[str]:
    return [f"{phase.name}" for phase in phases]
