"""What an extract costs on its way into the lake.

``python -m benchmarks.load --records 1000000``
"""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import click

from benchmarks import harness
from mdm import services
from mdm.extracts.loader import load_file
from mdm.lake import Lake
from mdm.progress import silent

FORMATS = ("csv", "parquet")


def measure(
    records: int, *, seed: int = harness.SEED, kind: str = "csv", keep: bool = False
) -> dict[str, Any]:
    """The result for one file of ``records`` made-up customers: see the last line of the command.

    The file is made in a process of its own, so that its memory is not counted.
    """
    with harness.temporary_home(keep=keep) as settings:
        path = settings.home / f"customers.{kind}"
        settings.home.mkdir(exist_ok=True)
        harness.say(f"Making {records:,} records …")
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            pool.submit(_make, path, records, seed).result()
        endpoints = services.up(settings)
        lake = Lake(endpoints)
        lake.ensure_bucket()
        harness.say("Loading …")
        began, began_cpu = time.monotonic(), time.process_time()
        with harness.PeakMemory() as memory:
            loaded = load_file(lake, path, source=harness.SOURCE, progress=silent)
        seconds, cpu_seconds = time.monotonic() - began, time.process_time() - began_cpu
        return {
            "records": loaded.rows,
            "format": kind,
            "file_mib": path.stat().st_size / 2**20,
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "rows_per_second": loaded.rows / seconds,
            "peak_rss_mib": memory.mib,
            "objects": len(loaded.keys),
            "machine": harness.machine(),
        }


def _make(path: Path, records: int, seed: int) -> None:
    import polars as pl

    frames = (frame for frame, _ in harness.made_up(harness.Rows(records, 0, records, seed)))
    if path.suffix == ".csv":
        with path.open("wb") as file:
            for number, frame in enumerate(frames):
                frame.write_csv(file, include_header=number == 0)
    else:
        pl.concat(list(frames)).write_parquet(path)


@click.command(epilog="Example:  python -m benchmarks.load --records 100000")
@click.option("--records", type=click.IntRange(min=1), default=1_000_000, show_default=True)
@click.option("--format", "kind", type=click.Choice(FORMATS), default="csv", show_default=True)
@click.option("--seed", type=int, default=harness.SEED, show_default=True)
@click.option("--keep", is_flag=True, help="Leave the home behind, to look into it.")
def main(records: int, kind: str, seed: int, keep: bool) -> None:
    """Measure `mdm load` of one file; the last line is JSON."""
    harness.result_line(measure(records, seed=seed, kind=kind, keep=keep))


if __name__ == "__main__":
    main()
