"""What one switchboard does: a customer file as it is, and with one mailbox or phone on 5 % of it.

``python -m benchmarks.shared_values --records 100000``. A value that many strangers share must
neither join them nor make the run slow; the file without it is the yardstick for both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
import polars as pl

from benchmarks import harness
from mdm.lake import Lake
from mdm.warehouse import opened

SHARED = {"email": "info@acme-logistics.com", "phone": "+1 415 555 2671"}
SHARE = 0.05


def measure(records: int, *, seed: int = harness.SEED, keep: bool = False) -> dict[str, Any]:
    """The result for ``records`` records: see the last line of the command."""
    document: dict[str, Any] = {"records": records, "share": SHARE}
    for attribute in (None, *SHARED):
        document[attribute or "plain"] = _run(records, attribute, seed=seed, keep=keep)
    for attribute in SHARED:
        one = document[attribute]
        one["times_plain"] = one["seconds"] / document["plain"]["seconds"]
    document["machine"] = harness.machine()
    return document


def _run(records: int, attribute: str | None, *, seed: int, keep: bool) -> dict[str, float]:
    harness.say(f"{records:,} records, {attribute or 'nothing'} shared …")
    with harness.temporary_home(keep=keep) as settings, opened(settings) as warehouse:
        truth = settings.home / "truth.csv"
        _put(warehouse.lake, records, attribute, seed=seed, truth=truth)
        report = harness.run_pipeline(warehouse, harness.customer_config())
        quality = harness.evaluated(warehouse, truth).pairwise
    return {
        "seconds": report.seconds,
        "precision": quality.precision,
        "recall": quality.recall,
        "f1": quality.f1,
    }


def _put(lake: Lake, records: int, attribute: str | None, *, seed: int, truth: Path) -> None:
    generator = np.random.default_rng(seed)
    parts = []
    for number, (rows, clusters) in enumerate(
        harness.made_up(harness.Rows(records, 0, records, seed))
    ):
        if attribute is not None:
            chosen = pl.Series(generator.random(len(rows)) < SHARE)
            rows = rows.with_columns(
                pl.when(chosen)
                .then(pl.lit(SHARED[attribute]))
                .otherwise(pl.col(attribute))
                .alias(attribute)
            )
        source = harness.SOURCE
        key = f"{source}/dt=2025-01-01/hr=00/{source}_{number:05d}.jsonl"
        lake.put(key, rows.write_ndjson().encode())
        parts.append(clusters)
    pl.concat(parts).write_csv(truth)


@click.command(epilog="Example:  python -m benchmarks.shared_values --records 100000")
@click.option("--records", type=click.IntRange(min=1000), default=50_000, show_default=True)
@click.option("--seed", type=int, default=harness.SEED, show_default=True)
@click.option("--keep", is_flag=True, help="Leave the homes behind, to look into them.")
def main(records: int, seed: int, keep: bool) -> None:
    """Measure files with a shared mailbox and a shared phone; the last line is JSON."""
    result = measure(records, seed=seed, keep=keep)
    click.echo(f"{'shared':<8}{'seconds':>9}{'precision':>11}{'recall':>9}{'F1':>9}")
    for name in ("plain", *SHARED):
        one = result[name]
        click.echo(
            f"{name:<8}{one['seconds']:>9.1f}{one['precision']:>11.4f}{one['recall']:>9.4f}"
            f"{one['f1']:>9.4f}"
        )
    harness.result_line(result)


if __name__ == "__main__":
    main()
