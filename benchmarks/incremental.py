"""What a night costs: a full run, then 1 % new records, no new records, one steward decision.

``python -m benchmarks.incremental --records 1000000``
"""

from __future__ import annotations

import time
from typing import Any

import click
from sqlalchemy import Connection

from benchmarks import harness
from db.queries import query
from identity import link_decisions
from mdm.phases import RunContext, between
from mdm.pipeline import Pipeline
from mdm.warehouse import Warehouse, opened


def measure(records: int, *, seed: int = harness.SEED, keep: bool = False) -> dict[str, Any]:
    """The result on a base of ``records`` records: see the last line of the command."""
    total = records + max(1, records // 100)
    config = harness.customer_config()
    with (
        harness.temporary_home(keep=keep) as settings,
        opened(settings) as warehouse,
    ):
        truth = settings.home / "truth.csv"
        harness.put_customers(warehouse, harness.Rows(total, 0, records, seed), truth)
        harness.say(f"Full run on {records:,} records …")
        full = harness.run_pipeline(warehouse, config)
        harness.put_customers(warehouse, harness.Rows(total, records, total, seed), truth)
        harness.say(f"Run with {total - records:,} new records …")
        delta = harness.run_pipeline(warehouse, config)
        quality = harness.evaluated(warehouse, truth)
        harness.say("Run without new records …")
        noop = harness.run_pipeline(warehouse, config)
        harness.say("One steward decision …")
        decision_seconds = _decide(warehouse)
    return {
        "records": records,
        "full_seconds": full.seconds,
        "delta_1pct_seconds": delta.seconds,
        "noop_seconds": noop.seconds,
        "decision_seconds": decision_seconds,
        "delta_phases": {result.phase.name: result.seconds for result in delta.phases},
        "f1_after_delta": quality.pairwise.f1,
        "machine": harness.machine(),
    }


def _decide(warehouse: Warehouse) -> float:
    """Seconds from a steward's word that two customers are one to the published result."""
    with warehouse.engine.connect() as conn:
        pair = conn.execute(query("benchmarks/incremental.sql", "two_records")).one()

    def decide(conn: Connection, ctx: RunContext) -> None:
        link_decisions.decide(
            conn, "SAME", left=pair.one, right=pair.other, steward="benchmark", reason="measured"
        )

    started = time.monotonic()
    Pipeline(warehouse, harness.customer_config()).run(
        between("identity", None), command="benchmark: decision", prepare=decide, guarded=False
    )
    return time.monotonic() - started


@click.command(epilog="Example:  python -m benchmarks.incremental --records 100000")
@click.option("--records", type=click.IntRange(min=100), default=100_000, show_default=True)
@click.option("--seed", type=int, default=harness.SEED, show_default=True)
@click.option("--keep", is_flag=True, help="Leave the home behind, to look into it.")
def main(records: int, seed: int, keep: bool) -> None:
    """Measure full, incremental and idle runs and a decision; the last line is JSON."""
    harness.result_line(measure(records, seed=seed, keep=keep))


if __name__ == "__main__":
    main()
