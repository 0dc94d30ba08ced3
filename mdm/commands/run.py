"""``mdm run``: all phases, or some."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import orjson

from mdm.app import App, pass_app, say
from mdm.contracts import SourcesStopped
from mdm.errors import UsageError
from mdm.phases import PHASES, DemoOptions, Phase, PhaseReport, between
from mdm.pipeline import Pipeline, RunReport
from mdm.progress import bars
from mdm.summary import summary

_NAMES = ", ".join(phase.name for phase in PHASES)


@click.command("run", epilog="Example:  mdm run --json report.json")
@click.option("--from", "first", metavar="PHASE", help=f"Start here. Phases: {_NAMES}.")
@click.option("--to", "last", metavar="PHASE", help="Stop after this phase.")
@click.option("--full", is_flag=True, help="Recompute everything instead of what is new.")
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path, dir_okay=False, writable=True, allow_dash=True),
    help="Report file; - = stdout.",
)
@click.option("--records", type=click.IntRange(min=1), help="Demo: events to produce.")
@click.option("--seed", type=int, help="Demo: seed of the population.")
@click.option("--day", type=click.IntRange(min=1), default=1, show_default=True, help="Demo: day.")
@pass_app
def run_command(
    app: App,
    first: str | None,
    last: str | None,
    full: bool,
    json_path: Path | None,
    records: int | None,
    seed: int | None,
    day: int,
) -> None:
    """Run the pipeline: lake to golden customers, history and events."""
    phases = between(first, last)
    if json_path is not None and not json_path.absolute().parent.is_dir():
        raise UsageError(f"--json {json_path}: the folder does not exist")
    demo = app.config.demo
    options = DemoOptions(records or demo.records, demo.seed if seed is None else seed, day)
    with app.warehouse() as (warehouse, opened_in):
        pipeline = Pipeline(warehouse, app.config, progress=bars, listener=tell)
        report = pipeline.run(
            phases,
            command=" ".join(["mdm", *sys.argv[1:]]),
            full=full,
            demo=options,
            opened_in=opened_in,
        )
        if json_path is not None:
            text = orjson.dumps(report.as_json(), default=str, option=orjson.OPT_INDENT_2)
            if str(json_path) == "-":
                click.echo(text)
            else:
                json_path.write_bytes(text + b"\n")
        say(summary(warehouse, app.config, report))
        stop_if_stopped(report)


def stop_if_stopped(report: RunReport) -> None:
    """Raise SourcesStopped, the end of a run in which contracts stopped sources; else nothing."""
    stopped = {
        source: str(counts["contract"]["stopped"])
        for result in report.phases
        if result.phase.name == "ingestion"
        for source, counts in result.report.detail.items()
        if "stopped" in counts.get("contract", {})
    }
    if stopped:
        raise SourcesStopped(stopped)


def tell(phase: Phase, report: PhaseReport | None, seconds: float) -> None:
    """One line per phase: its name when it starts (to a terminal), its figures when it ends."""
    if report is None:
        if sys.stderr.isatty():
            click.echo(f"  {phase.position!s:>4}  {phase.title} …\r", err=True, nl=False)
        return
    rate = f"{report.rows_in / seconds:>12,.0f} rows/s" if seconds > 0 and report.rows_in else ""
    rejected = f"  {report.rows_rejected:,} rejected" if report.rows_rejected else ""
    say(
        f"  {phase.position!s:>4}  {phase.title:<30} {report.rows_in:>11,} in "
        f"{report.rows_out:>11,} out {seconds:>8.2f} s {rate}{rejected}"
    )
