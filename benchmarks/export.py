"""Golden customers to files: seconds, rows per second and memory of each format.

``python -m benchmarks.export --records 400000``
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
import psutil

from benchmarks import harness
from db import bulk
from db.queries import query
from mdm.exports.export import Request, to_path
from mdm.exports.sinks import ENDINGS, Format
from mdm.progress import silent
from mdm.warehouse import Warehouse, opened


def measure(records: int, *, formats: tuple[Format, ...], keep: bool = False) -> dict[str, Any]:
    """The result for ``records`` golden customers: see the last line of the command."""
    with harness.temporary_home(keep=keep) as settings, opened(settings) as warehouse:
        harness.say(f"Making {records:,} golden customers (not timed) …")
        with warehouse.engine.begin() as conn:
            conn.execute(query("benchmarks/export.sql", "fill_gold"), {"records": records})
            bulk.execute(conn, "ANALYZE gold.dim_customers")
        with harness.PeakMemory() as memory:
            found = {one: _export(warehouse, settings.home, one) for one in formats}
    return {
        "records": records,
        "seconds": found[formats[0]]["seconds"],
        "peak_rss_mib": memory.mib,
        "formats": found,
        "machine": harness.machine(),
    }


def _export(warehouse: Warehouse, folder: Path, format_: Format) -> dict[str, float]:
    target = folder / ("customers" + ENDINGS[format_][0])
    cpu = psutil.Process().cpu_times()
    started = time.monotonic()
    done = to_path(warehouse.engine, target, Request(format=format_), key=None, progress=silent)
    seconds = time.monotonic() - started
    used = psutil.Process().cpu_times()
    return {
        "seconds": seconds,
        "rows_per_second": done.rows["customers"] / seconds,
        "python_cpu_seconds": used.user + used.system - cpu.user - cpu.system,
        "mib": target.stat().st_size / 2**20,
    }


@click.command(epilog="Example:  python -m benchmarks.export --records 400000")
@click.option("--records", type=click.IntRange(min=1), default=100_000, show_default=True)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(tuple(ENDINGS)),
    default=("parquet", "csv", "duckdb"),
    show_default=True,
)
@click.option("--keep", is_flag=True, help="Leave the home behind, to look into it.")
def main(records: int, formats: tuple[Format, ...], keep: bool) -> None:
    """Measure exports of golden customers; the last line is JSON."""
    result = measure(records, formats=formats, keep=keep)
    click.echo(f"{'format':<10}{'seconds':>9}{'rows/s':>12}{'CPU s':>8}{'MiB':>9}")
    for name, one in result["formats"].items():
        click.echo(
            f"{name:<10}{one['seconds']:>9.2f}{one['rows_per_second']:>12,.0f}"
            f"{one['python_cpu_seconds']:>8.2f}{one['mib']:>9.1f}"
        )
    click.echo(f"peak memory of Python {result['peak_rss_mib']:,.0f} MiB")
    harness.result_line(result)


if __name__ == "__main__":
    main()
