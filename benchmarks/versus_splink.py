"""Ours and Splink 5 on the same made-up customer file: seconds, memory and F1 of both.

``python -m benchmarks.versus_splink --records 1000000``

Each runs in a process of its own. Ours are the phases that do Splink's work (blocking, matching
with training, identity) and, as ``total_seconds``, the whole road from lake to gold. Ours decides
at its default threshold. Splink's clusters are judged at seven thresholds, of which ``f1`` is the
best one: a choice that a user without labels cannot make.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import orjson
import polars as pl

from benchmarks import harness
from mdm.errors import MdmError
from mdm.evaluation import pairwise

_WORKER = Path(__file__).with_name("splink_worker.py")
_OURS = ("blocking", "matching", "identity")
SETUPS = ("documented", "quick", "contacts")


class PeerFailed(MdmError):
    """The process of one of the two did not end well."""


def measure(
    records: int,
    *,
    seed: int = harness.SEED,
    splink_python: str = sys.executable,
    setup: str = "documented",
) -> dict[str, Any]:
    """The result for both on ``records`` records: see the last line of the command."""
    with tempfile.TemporaryDirectory(prefix="mdm-benchmark-") as folder:
        harness.say("Splink …")
        splink = _splink(
            Path(folder), harness.Rows(records, 0, records, seed), splink_python, setup
        )
    harness.say("Ours …")
    return {
        "records": records,
        "ours": _ours(records, seed),
        "splink": splink,
        "machine": harness.machine(),
    }


def _ours(records: int, seed: int) -> dict[str, Any]:
    words = ["--records", str(records), "--seed", str(seed)]
    result = _last_line([sys.executable, "-m", "benchmarks.full_run", *words])
    return {
        "seconds": sum(result["phases"][phase]["seconds"] for phase in _OURS),
        "peak_rss_mib": result["peak_rss_mib"],
        "f1": result["f1"],
        "precision": result["precision"],
        "recall": result["recall"],
        "total_seconds": result["total_seconds"],
        "steps": {phase: result["phases"][phase]["seconds"] for phase in _OURS},
        "matching": result["matching"],
    }


def _splink(folder: Path, rows: harness.Rows, python: str, setup: str) -> dict[str, Any]:
    chunks = list(harness.made_up(rows))
    records = folder / "records.parquet"
    pl.concat([chunk for chunk, _ in chunks]).write_parquet(records)
    truth = pl.concat([clusters for _, clusters in chunks])
    del chunks
    _require_splink(python)
    result = _last_line([python, str(_WORKER), str(records), str(folder), setup])
    qualities = {}
    for file in sorted(folder.glob("clusters_*.parquet")):
        clusters = pl.read_parquet(file)
        both = truth.rename({"cluster_id": "truth"}).join(
            clusters.select(record_id="unique_id", customer="cluster_id"), on="record_id"
        )
        qualities[file.stem.removeprefix("clusters_")] = pairwise(both)
    best = max(qualities, key=lambda threshold: qualities[threshold].f1)
    return {
        "seconds": result.pop("seconds"),
        "peak_rss_mib": result.pop("peak_rss_mib"),
        "f1": qualities[best].f1,
        "precision": qualities[best].precision,
        "recall": qualities[best].recall,
        "best_threshold": float(best),
        "f1_by_threshold": {threshold: quality.f1 for threshold, quality in qualities.items()},
        "setup": setup,
        **result,
    }


def _require_splink(python: str) -> None:
    probe = subprocess.run(
        [python, "-c", "import splink, duckdb"], capture_output=True, check=False
    )
    if probe.returncode:
        raise click.UsageError(
            "Splink is not installed: pip install 'customer-master[benchmark]', or name the Python "
            "of an environment that has it with --splink-python."
        )


def _last_line(command: list[str]) -> dict[str, Any]:
    """The JSON in the last line that a program prints."""
    ended = subprocess.run(command, capture_output=True, check=False)
    lines = ended.stdout.decode().strip().splitlines()
    if ended.returncode or not lines:
        told = ended.stderr.decode(errors="replace").strip().splitlines()[-15:]
        raise PeerFailed(
            f"{' '.join(command[1:4])} ended with {ended.returncode}:\n" + "\n".join(told)
        )
    document: dict[str, Any] = orjson.loads(lines[-1])
    return document


@click.command(epilog="Example:  python -m benchmarks.versus_splink --records 100000")
@click.option("--records", type=click.IntRange(min=1), default=100_000, show_default=True)
@click.option("--seed", type=int, default=harness.SEED, show_default=True)
@click.option(
    "--splink-python", default=sys.executable, help="Python of an environment with Splink. [this]"
)
@click.option(
    "--setup",
    type=click.Choice(SETUPS),
    default="documented",
    show_default=True,
    help="How Splink is set up: as documented, trained quickly, or without any address.",
)
def main(records: int, seed: int, splink_python: str, setup: str) -> None:
    """Measure both on the same records; the last line is JSON."""
    try:
        result = measure(records, seed=seed, splink_python=splink_python, setup=setup)
    except PeerFailed as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{'':<10}{'seconds':>9}{'MiB':>8}{'F1':>9}")
    for name in ("ours", "splink"):
        one = result[name]
        click.echo(f"{name:<10}{one['seconds']:>9.1f}{one['peak_rss_mib']:>8,.0f}{one['f1']:>9.4f}")
    harness.result_line(result)


if __name__ == "__main__":
    main()
