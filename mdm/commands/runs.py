"""``mdm runs``: what was run, when, and how it ended."""

from __future__ import annotations

import click
import orjson

from db.queries import query
from mdm import resume
from mdm.app import App, pass_app
from mdm.errors import UsageError


@click.group("runs")
def runs_command() -> None:
    """The run ledger."""


@runs_command.command("list", epilog="Example:  mdm runs list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1))
@pass_app
def list_runs(app: App, limit: int) -> None:
    """Show the newest runs with their state."""
    with app.warehouse() as (warehouse, _), warehouse.engine.connect() as conn:
        for row in conn.execute(query("mdm/runs.sql", "list"), {"limit": limit}):
            took = f"{row.took.total_seconds():8.1f} s" if row.took else " " * 10
            repeated = f"  ({row.retries_n} retries)" if row.retries_n else ""
            click.echo(
                f"{row.run_id:>6}  {row.state:<8} {row.started_at:%F %T}  {took}  {row.command}"
                f"{repeated}"
            )
            if row.error:
                click.echo(f"        {row.error.splitlines()[0]}")
            if row.state == "FAILED":
                click.echo(f"        {resume.told(row.finished_position)}")


@runs_command.command("show", epilog="Example:  mdm runs show 7")
@click.argument("run_id", type=int)
@pass_app
def show_run(app: App, run_id: int) -> None:
    """Print the report of a run as JSON."""
    with app.warehouse() as (warehouse, _), warehouse.engine.connect() as conn:
        row = conn.execute(query("mdm/runs.sql", "show"), {"run_id": run_id}).one_or_none()
    if row is None:
        raise UsageError(f"there is no run {run_id}; `mdm runs list` shows them")
    document = row.report or {"run_id": run_id, "state": row.state, "error": row.error}
    if row.state == "FAILED":
        document["resume"] = resume.told(row.finished_position)
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
