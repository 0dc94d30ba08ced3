"""``mdm retract`` and ``mdm restore``: a bad delivery taken back, and the taking back undone."""

from __future__ import annotations

import getpass
import sys

import click
from sqlalchemy import Connection

from ingestion import retraction
from ingestion.retraction import Verdict
from mdm.app import App, pass_app, say
from mdm.commands.run import tell
from mdm.errors import UsageError
from mdm.phases import RunContext, between
from mdm.pipeline import Pipeline
from mdm.progress import bars
from mdm.summary import summary

_WHAT = (
    click.option("--object", "key", metavar="KEY", help="The key of one lake object."),
    click.option("--run", "run_id", type=int, metavar="ID", help="All objects that a run loaded."),
    click.option("--by", "decided_by", default=getpass.getuser, help="Who decides. [you]"),
    click.option("--reason", default="", help="Why; required unless --dry-run."),
    click.option("--dry-run", is_flag=True, help="Only say what would change."),
)


def _options(command: click.Command) -> click.Command:
    for option in reversed(_WHAT):
        option(command)
    return command


@_options
@click.command("retract", epilog="Example:  mdm retract --object KEY --reason 'wrong file'")
@pass_app
def retract_command(
    app: App, key: str | None, run_id: int | None, decided_by: str, reason: str, dry_run: bool
) -> None:
    """Take a delivery back: its rows leave the current state and what they caused is undone."""
    _decide(app, "RETRACT", key=key, run_id=run_id, by=decided_by, reason=reason, dry_run=dry_run)


@_options
@click.command("restore", epilog="Example:  mdm restore --object KEY --reason 'it was right'")
@pass_app
def restore_command(
    app: App, key: str | None, run_id: int | None, decided_by: str, reason: str, dry_run: bool
) -> None:
    """Undo a retraction."""
    _decide(app, "RESTORE", key=key, run_id=run_id, by=decided_by, reason=reason, dry_run=dry_run)


def _decide(
    app: App,
    verdict: Verdict,
    *,
    key: str | None,
    run_id: int | None,
    by: str,
    reason: str,
    dry_run: bool,
) -> None:
    if (key is None) == (run_id is None):
        raise UsageError("name one delivery: --object KEY or --run ID")
    if not dry_run and not reason.strip():
        raise UsageError("say why: --reason TEXT")
    with app.warehouse() as (warehouse, _):
        with warehouse.engine.connect() as conn:
            delivery = retraction.find(conn, verdict, key=key, run_id=run_id)
            reach = retraction.reach(conn, delivery)
        say(
            f"{len(delivery.keys)} object(s) with {delivery.rows:,} lines; on them stand now "
            f"{reach.records:,} current records of {reach.customers:,} customers "
            f"and {reach.values:,} golden values"
        )
        if dry_run:
            return

        def put_into_force(conn: Connection, ctx: RunContext) -> None:
            retraction.decide(
                conn, delivery, verdict, decided_by=by, reason=reason, run_id=ctx.run_id
            )

        pipeline = Pipeline(warehouse, app.config, progress=bars, listener=tell)
        report = pipeline.run(
            between("staging", None),
            command=" ".join(["mdm", *sys.argv[1:]]),
            prepare=put_into_force,
            guarded=False,
        )
        say(summary(warehouse, app.config, report))
