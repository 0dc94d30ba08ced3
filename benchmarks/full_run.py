"""Lake to gold on a made-up customer file: seconds and rows per second of each phase, memory, F1.

``python -m benchmarks.full_run --records 1000000``
"""

from __future__ import annotations

from typing import Any

import click

from benchmarks import harness
from mdm.pipeline import RunReport
from mdm.warehouse import opened


def measure(records: int, *, seed: int = harness.SEED, keep: bool = False) -> dict[str, Any]:
    """The result of one run on ``records`` records: see the last line of the command."""
    with (
        harness.temporary_home(keep=keep) as settings,
        opened(settings) as warehouse,
    ):
        truth = settings.home / "truth.csv"
        harness.say(f"Putting {records:,} records into the lake (not timed) …")
        harness.put_customers(warehouse, harness.Rows(records, 0, records, seed), truth)
        harness.say("Running ingestion to quality …")
        with harness.PeakMemory() as memory:
            report = harness.run_pipeline(warehouse, harness.customer_config())
        quality = harness.evaluated(warehouse, truth)
    return {
        "records": records,
        "total_seconds": report.seconds,
        "peak_rss_mib": memory.mib,
        "phases": _phases(report),
        "matching": _matching(report),
        "precision": quality.pairwise.precision,
        "recall": quality.pairwise.recall,
        "f1": quality.pairwise.f1,
        "blocking_recall": quality.blocking_recall,
        "machine": harness.machine(),
    }


def _phases(report: RunReport) -> dict[str, dict[str, float]]:
    return {
        result.phase.name: {
            "seconds": result.seconds,
            "rows_per_second": result.report.rows_in / result.seconds if result.seconds else 0.0,
        }
        for result in report.phases
    }


def _matching(report: RunReport) -> dict[str, float]:
    """Seconds of what makes clusters of profiles: training, and blocking + scoring + clustering.

    All of the phases blocking and matching counts, storing too; of identity what it takes from the
    first pair read to all clusters known. Ids for life, which come behind, are no part of it.
    """
    phases = {result.phase.name: result for result in report.phases}
    training = float(phases["matching"].report.detail.get("training_seconds", 0.0))
    clustering = float(phases["identity"].report.detail["clustering_seconds"])
    blocking, scoring = (phases[name].seconds for name in ("blocking", "matching"))
    return {
        "training_seconds": training,
        "clustering_seconds": clustering,
        "blocking_scoring_clustering_seconds": blocking + scoring - training + clustering,
    }


@click.command(epilog="Example:  python -m benchmarks.full_run --records 100000")
@click.option("--records", type=click.IntRange(min=1), default=100_000, show_default=True)
@click.option("--seed", type=int, default=harness.SEED, show_default=True)
@click.option("--keep", is_flag=True, help="Leave the home behind, to look into it.")
def main(records: int, seed: int, keep: bool) -> None:
    """Measure a full run; the last line is JSON."""
    result = measure(records, seed=seed, keep=keep)
    click.echo(f"{'phase':<18}{'seconds':>9}{'rows/s':>12}")
    for name, phase in result["phases"].items():
        click.echo(f"{name:<18}{phase['seconds']:>9.2f}{phase['rows_per_second']:>12,.0f}")
    click.echo(f"{'total':<18}{result['total_seconds']:>9.2f}")
    matching = result["matching"]
    click.echo(
        f"of it training {matching['training_seconds']:.2f}; blocking, scoring and clustering "
        f"{matching['blocking_scoring_clustering_seconds']:.2f} "
        f"(clustering {matching['clustering_seconds']:.2f})"
    )
    click.echo(f"peak memory of Python {result['peak_rss_mib']:,.0f} MiB, F1 {result['f1']:.4f}")
    harness.result_line(result)


if __name__ == "__main__":
    main()
