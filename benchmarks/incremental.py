"""What a night costs: a full run, then 1 % new records, no new records, one steward decision.

``python -m benchmarks.incremental --records 1000000``; with ``--delta N`` the night has N new
records, so that bases of different size can be held against each other; with ``--compare`` it
recomputes everything after the night and ends with 1 unless customers, golden values and scored
pairs are the same.
"""

from __future__ import annotations

import sys
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

_SQL = "benchmarks/incremental.sql"


def measure(
    records: int,
    *,
    delta: int | None = None,
    seed: int = harness.SEED,
    keep: bool = False,
    compare: bool = False,
) -> dict[str, Any]:
    """The result on a base of ``records`` records: see the last line of the command.

    The night has ``delta`` new records, by default 1 %. With ``compare`` it also says how much a
    full recomputation after the night changes.
    """
    comparison: dict[str, Any] = {}
    total = records + (delta or max(1, records // 100))
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
        night = harness.run_pipeline(warehouse, config)
        quality = harness.evaluated(warehouse, truth)
        harness.say("Run without new records …")
        noop = harness.run_pipeline(warehouse, config)
        if compare:
            harness.say("Full recomputation …")
            comparison = {"comparison": _compare(warehouse)}
        harness.say("One steward decision …")
        decision_seconds = _decide(warehouse)
    return {
        "records": records,
        "full_seconds": full.seconds,
        # by the name that a night of 1 % goes by; how many came is beside it
        "delta_1pct_seconds": night.seconds,
        "delta_records": total - records,
        "noop_seconds": noop.seconds,
        "decision_seconds": decision_seconds,
        "delta_phases": {result.phase.name: result.seconds for result in night.phases},
        "f1_after_delta": quality.pairwise.f1,
        **comparison,
        "machine": harness.machine(),
    }


def _compare(warehouse: Warehouse) -> dict[str, Any]:
    """How many customers a full recomputation changes, and whether it changes any scored pair."""
    customers, pairs = _outcome(warehouse)
    report = Pipeline(warehouse, harness.customer_config()).run(
        between("staging", "quality"), command="benchmark: full", full=True, guarded=False
    )
    customers_anew, pairs_anew = _outcome(warehouse)
    return {
        "full_seconds": report.seconds,
        "customers": len(customers_anew),
        "customers_changed": len(dict(customers.items() ^ customers_anew.items())),
        "scored_pairs": pairs_anew[0],
        "scored_pairs_equal": pairs == pairs_anew,
    }


def _outcome(warehouse: Warehouse) -> tuple[dict[Any, str], tuple[int, Any]]:
    """A digest of each customer's records and golden values; number and digest of scored pairs."""
    with warehouse.engine.connect() as conn:
        customers = conn.execute(query(_SQL, "outcome")).all()
        pairs = conn.execute(query(_SQL, "scored_pairs")).one()
    return {row.global_customer_id: row.digest for row in customers}, (pairs.pairs_n, pairs.digest)


def _decide(warehouse: Warehouse) -> float:
    """Seconds from a steward's word that two customers are one to the published result."""
    with warehouse.engine.connect() as conn:
        pair = conn.execute(query(_SQL, "two_records")).one()

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
@click.option(
    "--delta", type=click.IntRange(min=1), help="New records of the night. [1 % of --records]"
)
@click.option("--seed", type=int, default=harness.SEED, show_default=True)
@click.option("--keep", is_flag=True, help="Leave the home behind, to look into it.")
@click.option(
    "--compare",
    is_flag=True,
    help="Recompute everything after the night; exit code 1 unless the outcome is the same.",
)
def main(records: int, delta: int | None, seed: int, keep: bool, compare: bool) -> None:
    """Measure full, incremental and idle runs and a decision; the last line is JSON."""
    result = measure(records, delta=delta, seed=seed, keep=keep, compare=compare)
    harness.result_line(result)
    found = result.get("comparison")
    if found and (found["customers_changed"] or not found["scored_pairs_equal"]):
        harness.say("A full recomputation after the night gives something else.")
        sys.exit(1)


if __name__ == "__main__":
    main()
