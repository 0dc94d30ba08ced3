"""What a steward decides: golden values (``mdm overrides``) and who is who (``mdm link`` …)."""

from __future__ import annotations

import getpass
import sys
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import IO, Any

import click
from sqlalchemy import Connection, Row

from gold import overrides
from gold.overrides import Word
from identity import link_decisions
from identity.link_decisions import Decision, Verdict
from mdm.app import App, pass_app, say
from mdm.phases import RunContext, between
from mdm.pipeline import Pipeline, RunReport
from mdm.progress import bars
from mdm.warehouse import Warehouse

_steward = click.option("--steward", default=getpass.getuser, help="Who decides. [you]")
_reason = click.option("--reason", required=True, help="Why; kept with the decision.")
_moment = click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"])


def publish(
    warehouse: Warehouse, app: App, first: str, decide: Callable[[Connection], object] | None = None
) -> RunReport:
    """A run from phase ``first`` on that carries a decision out at once, on record like any run."""

    def prepare(conn: Connection, ctx: RunContext) -> None:
        if decide is not None:
            decide(conn)

    return Pipeline(warehouse, app.config, progress=bars).run(
        between(first, None),
        command=" ".join(["mdm", *sys.argv[1:]]),
        prepare=prepare,
        guarded=False,
    )


@click.group("overrides")
def overrides_command() -> None:
    """Golden values that a steward sets: the top survivorship rule."""


@overrides_command.command(
    "add",
    epilog="Example:  mdm overrides add 0199… email anna@example.org --reason 'told us by phone'",
)
@click.argument("customer_id", type=click.UUID)
@click.argument("attribute")
@click.argument("value", required=False)
@click.option("--clear", is_flag=True, help="Make the attribute empty instead of giving a value.")
@click.option("--from", "valid_from", type=_moment, help="Counts from then on. [now]")
@click.option("--to", "valid_to", type=_moment, help="Counts until then. [for good]")
@_steward
@_reason
@pass_app
def add_override(
    app: App,
    customer_id: uuid.UUID,
    attribute: str,
    value: str | None,
    clear: bool,
    valid_from: datetime | None,
    valid_to: datetime | None,
    steward: str,
    reason: str,
) -> None:
    """Set a golden value of a customer, at once."""
    word = Word(
        customer_id,
        attribute,
        steward,
        reason,
        action="CLEAR" if clear else "SET",
        value=value,
        valid_from=valid_from,
        valid_to=valid_to,
    )
    with app.warehouse() as (warehouse, _):
        with warehouse.engine.begin() as conn:
            stored = overrides.add(conn, word)
        _told(publish(warehouse, app, "gold"), stored)


@overrides_command.command("revoke", epilog="Example:  mdm overrides revoke 12 --reason 'moved'")
@click.argument("override_id", type=int)
@_steward
@_reason
@pass_app
def revoke_override(app: App, override_id: int, steward: str, reason: str) -> None:
    """Let the rules decide again what an override had set, at once."""
    with app.warehouse() as (warehouse, _):
        with warehouse.engine.begin() as conn:
            stored = overrides.revoke(conn, override_id, steward=steward, reason=reason)
        _told(publish(warehouse, app, "gold"), stored)


@overrides_command.command("apply", epilog="Example:  mdm overrides apply")
@pass_app
def apply_overrides(app: App) -> None:
    """Carry out at once what was inserted into gold.customer_steward_overrides by SQL."""
    with app.warehouse() as (warehouse, _):
        report = publish(warehouse, app, "gold")
    say(f"{_events(report):,} change event(s) written")


@overrides_command.command("list", epilog="Example:  mdm overrides list")
@click.option("--customer", "customer_id", type=click.UUID, help="Only those on this customer.")
@pass_app
def list_overrides(app: App, customer_id: uuid.UUID | None) -> None:
    """Show overrides, the newest first."""
    with app.warehouse() as (warehouse, _), warehouse.engine.connect() as conn:
        for row in overrides.listed(conn, customer_id=customer_id):
            until = f" until {row.valid_to:%F}" if row.valid_to else ""
            click.echo(
                f"{row.override_id:>6}  {row.action:<6} {row.global_customer_id} {row.attribute}"
                f"{' = ' + row.value if row.value is not None else ''}{until}"
                f"  ({row.steward}, {row.created_at:%F}: {row.reason})"
            )


def _told(report: RunReport, stored: Row[Any]) -> None:
    say(
        f"override {stored.override_id}: {stored.action} {stored.attribute} of "
        f"{stored.global_customer_id}; {_events(report):,} change event(s) written"
    )


def _events(report: RunReport) -> int:
    return sum(r.report.rows_out for r in report.phases if r.phase.name == "events")


@click.command("link", epilog="Example:  mdm link crm:17 shop:9 --reason 'same passport'")
@click.argument("left")
@click.argument("right")
@_steward
@_reason
@pass_app
def link_command(app: App, left: str, right: str, steward: str, reason: str) -> None:
    """Say that two records (source:record_id) or customers are the same, at once and for good."""
    _judge(app, "SAME", left, right, steward=steward, reason=reason)


@click.command("unlink", epilog="Example:  mdm unlink crm:17 shop:9 --reason 'father and son'")
@click.argument("left")
@click.argument("right")
@_steward
@_reason
@pass_app
def unlink_command(app: App, left: str, right: str, steward: str, reason: str) -> None:
    """Say that two records (source:record_id) or customers are different, at once and for good."""
    _judge(app, "DIFFERENT", left, right, steward=steward, reason=reason)


@click.command("undo", epilog="Example:  mdm undo 4 --reason 'a mistake'")
@click.argument("decision_id", type=int)
@_steward
@_reason
@pass_app
def undo_command(app: App, decision_id: int, steward: str, reason: str) -> None:
    """Take a link decision back, at once; the decision stays on record."""
    with app.warehouse() as (warehouse, _):
        with warehouse.engine.begin() as conn:
            link_decisions.undo(conn, decision_id, steward=steward, reason=reason)
        report = publish(warehouse, app, "identity")
    say(f"decision {decision_id} undone; {_events(report):,} change event(s) written")


@click.group("decisions")
def decisions_command() -> None:
    """The link decisions of stewards, as a list and as a file."""


@decisions_command.command("list", epilog="Example:  mdm decisions list")
@pass_app
def list_decisions(app: App) -> None:
    """Show the decisions that hold."""
    with app.warehouse() as (warehouse, _), warehouse.engine.connect() as conn:
        for one in link_decisions.live_decisions(conn):
            click.echo(_line(one))


@decisions_command.command("export", epilog="Example:  mdm decisions export decisions.csv")
@click.argument("file", type=click.File("w", encoding="utf-8"))
@pass_app
def export_decisions(app: App, file: IO[str]) -> None:
    """Write the decisions that hold to a CSV file (- for stdout)."""
    with app.warehouse() as (warehouse, _), warehouse.engine.connect() as conn:
        n = link_decisions.export_decisions(conn, file)
    say(f"{n:,} decision(s) written")


@decisions_command.command("import", epilog="Example:  mdm decisions import decisions.csv")
@click.argument("file", type=click.File("r", encoding="utf-8"))
@pass_app
def import_decisions(app: App, file: IO[str]) -> None:
    """Read decisions from such a file and carry them out; those that hold already are skipped."""
    with app.warehouse() as (warehouse, _):
        with warehouse.engine.begin() as conn:
            n = link_decisions.import_decisions(conn, file)
        report = publish(warehouse, app, "identity")
    say(f"{n:,} new decision(s); {_events(report):,} change event(s) written")


def _judge(app: App, verdict: Verdict, left: str, right: str, *, steward: str, reason: str) -> None:
    with app.warehouse() as (warehouse, _):
        with warehouse.engine.begin() as conn:
            decision = link_decisions.decide(
                conn, verdict, left=left, right=right, steward=steward, reason=reason
            )
        report = publish(warehouse, app, "identity")
    say(f"{_line(decision)}; {_events(report):,} change event(s) written")


def _line(one: Decision) -> str:
    return (
        f"{one.decision_id:>6}  {one.verdict:<9} {one.left} {one.right}"
        f"  ({one.steward}, {one.decided_at:%F}: {one.reason})"
    )
