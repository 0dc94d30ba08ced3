"""``mdm runs``: what was run, when, and how it ended."""

from __future__ import annotations

import click
import orjson

from mdm import resume, runs
from mdm.app import App, pass_app
from mdm.errors import UsageError

_STOPPED = ("FAILED", "DIED")


@click.group("runs", invoke_without_command=True, epilog="Example:  mdm runs && mdm runs show 7")
@click.pass_context
def runs_command(ctx: click.Context) -> None:
    """The run ledger: what was run, when, how it ended."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_runs)


@runs_command.command("list", epilog="Example:  mdm runs list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1))
@pass_app
def list_runs(app: App, limit: int) -> None:
    """Show the newest runs with their state."""
    with app.warehouse() as (warehouse, _), warehouse.engine.connect() as conn:
        for row in runs.listed(conn, limit=limit):
            took = f"{row.took.total_seconds():8.1f} s" if row.took else " " * 10
            repeated = f"  ({row.retries_n} retries)" if row.retries_n else ""
            click.echo(
                f"{row.run_id:>6}  {row.state:<8} {row.started_at:%F %T}  {took}  {row.command}"
                f"{repeated}"
            )
            if row.error:
                click.echo(f"        {row.error.splitlines()[0]}")
            if row.state in _STOPPED:
                click.echo(f"        {resume.told(row.finished_position)}")


@runs_command.command("show", epilog="Example:  mdm runs show 7")
@click.argument("run_id", type=int)
@pass_app
def show_run(app: App, run_id: int) -> None:
    """Print the report of a run as JSON: its phases with rows, seconds and retries."""
    with app.warehouse() as (warehouse, _), warehouse.engine.connect() as conn:
        found = runs.listed(conn, run_id=run_id)
        if not found:
            raise UsageError(f"there is no run {run_id}; `mdm runs` shows them")
        document = runs.report(conn, run_id) | {"state": found[0].state}
    if found[0].state in _STOPPED:
        document["resume"] = resume.told(found[0].finished_position)
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
