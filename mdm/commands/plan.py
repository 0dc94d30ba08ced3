"""``mdm plan`` and ``mdm apply``: what a run would change, and publishing exactly that."""

from __future__ import annotations

import sys

import click

from mdm import plan
from mdm.app import App, pass_app, say
from mdm.commands.run import stop_if_stopped, tell
from mdm.errors import UsageError
from mdm.phases import between
from mdm.pipeline import Pipeline
from mdm.plan import Plan
from mdm.progress import bars
from mdm.summary import summary


@click.group("plan", invoke_without_command=True, epilog="Example:  mdm plan && mdm apply 3")
@click.option("--full", is_flag=True, help="Plan a full recomputation.")
@click.pass_context
def plan_command(ctx: click.Context, full: bool) -> None:
    """Work a whole run out without publishing it, and show what it would change.

    Exit code 3 when a contract stopped a source: the plan is of the others.
    """
    if ctx.invoked_subcommand is not None:
        return
    app: App = ctx.obj
    with app.warehouse() as (warehouse, _):
        pipeline = Pipeline(warehouse, app.config, progress=bars, listener=tell)
        report = pipeline.run(
            between("ingestion", None), command=_words(), full=full, rehearse=True, guarded=False
        )
        assert report.plan_id is not None
        with warehouse.engine.connect() as conn:
            _show(plan.find(conn, report.plan_id))
        stop_if_stopped(report)


@plan_command.command("show", epilog="Example:  mdm plan show 3")
@click.argument("plan_id", type=int)
@pass_app
def show_plan(app: App, plan_id: int) -> None:
    """Show a plan again."""
    with app.warehouse() as (warehouse, _), warehouse.engine.connect() as conn:
        _show(plan.find(conn, plan_id))


@click.command("apply", epilog="Example:  mdm apply 3")
@click.argument("plan_id", type=int)
@pass_app
def apply_command(app: App, plan_id: int) -> None:
    """Publish exactly what a plan said, or say what has moved since and publish nothing."""
    with app.warehouse() as (warehouse, _):
        with warehouse.engine.connect() as conn:
            planned = plan.find(conn, plan_id)
        if planned.state != "WAITING":
            raise UsageError(f"plan {plan_id} is {planned.state.lower()}; make a new one: mdm plan")
        if planned.config_hash != app.config.digest:
            raise UsageError(
                f"plan {plan_id} was made with another configuration than {app.config_path}; "
                "use that one, or make a new plan: mdm plan"
            )
        pipeline = Pipeline(warehouse, app.config, progress=bars, listener=tell)
        # not from the lake: what has come in since is not part of the plan
        report = pipeline.run(
            between("staging", None), command=_words(), guarded=False, planned=planned
        )
        say(summary(warehouse, app.config, report))


def _words() -> str:
    return " ".join(["mdm", *sys.argv[1:]])


def _show(planned: Plan) -> None:
    found = planned.difference
    click.echo(f"Plan {planned.plan_id} ({planned.state.lower()}): {plan.told(found)}")
    for reason in planned.reasons:
        click.echo(f"  held back: {reason}")
    for attribute, n in found.attributes.items():
        click.echo(f"  {attribute:<28} changes for {n:,}")
    if found.strangest:
        click.echo("  strangest first:")
    for change in found.strangest:
        other = change["related_customer_id"]
        link = {"MERGE": " into ", "SPLIT": " out of "}.get(change["event_type"], "")
        columns = ", ".join(change["changed_attributes"] or ())
        click.echo(
            f"    {change['event_type']:<7} {change['global_customer_id']}"
            f"{link}{other if link else ''} ({change['record_n']} records) {columns}"
        )
    if planned.state == "WAITING":
        click.echo(f"Publish it: mdm apply {planned.plan_id}")
