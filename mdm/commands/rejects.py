"""``mdm rejects``: what waits in quarantine, why, and having it judged again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click
from sqlalchemy import Connection, Row

from ingestion import rejects
from ingestion.rejects import Choice
from mdm.app import App, pass_app, say
from mdm.commands.run import stop_if_stopped, tell
from mdm.contracts import REASON
from mdm.errors import UsageError
from mdm.phases import RunContext, between
from mdm.pipeline import Pipeline
from mdm.progress import bars
from mdm.summary import summary

_FILTERS = (
    click.option("--source", help="Only of this source."),
    click.option("--reason", help="Only where the reason holds this text: email.pattern"),
    click.option("--run", "run_id", type=int, help="Only what this run rejected."),
)


def _filters(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_FILTERS):
        command = option(command)
    return command


@click.group("rejects")
def rejects_command() -> None:
    """The quarantine: lines that are no records of their source, and refused objects."""


@rejects_command.command("list", epilog="Example:  mdm rejects list --source crm --lines")
@_filters
@click.option("--lines", "singly", is_flag=True, help="Each line, instead of counts per reason.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1))
@pass_app
def list_rejects(
    app: App, source: str | None, reason: str | None, run_id: int | None, singly: bool, limit: int
) -> None:
    """Show what waits: refused objects, and lines counted per source and reason."""
    choice = Choice(source, reason, run_id)
    with app.warehouse() as (warehouse, _), warehouse.engine.connect() as conn:
        refused = rejects.refused_objects(conn, choice)
        rows = rejects.lines(conn, choice, limit=limit) if singly else []
        counted = rejects.by_reason(conn, choice)
    for row in refused:
        click.echo(
            f"refused object {row.object_id}  run {row.run_id}  {row.lines_n:,} lines  "
            f"{row.object_key}\n  {row.reason}"
        )
    for row in rows:
        click.echo(f"{row.line}  {row.source}  run {row.run_id}  {row.reason}  ({row.detail})")
    for row in counted if not singly else []:
        click.echo(
            f"{row.lines_n:>9,} lines of {row.objects_n:,} object(s)  {row.source}  {row.reason}  "
            f"e.g. {row.example}"
        )
    if singly and (hidden := sum(row.lines_n for row in counted) - len(rows)) > 0:
        say(f"{hidden:,} more; --limit shows more of them")
    if not refused and not counted:
        say("Nothing waits in quarantine.")


@rejects_command.command("show", epilog="Example:  mdm rejects show 17:3")
@click.argument("place", metavar="OBJECT:LINE")
@pass_app
def show_reject(app: App, place: str) -> None:
    """Print one line as it came, why it was rejected, and the rule as it stands today."""
    object_id, _, line_no = place.partition(":")
    if not (object_id.isdecimal() and line_no.isdecimal()):
        raise UsageError(f"{place!r} is no OBJECT:LINE; mdm rejects list --lines shows them")
    with app.warehouse() as (warehouse, _), warehouse.engine.connect() as conn:
        row = rejects.find(conn, int(object_id), int(line_no))
    click.echo(f"object    {row.object_id} {row.object_key} ({row.state})")
    click.echo(f"line      {row.line_no}, rejected by run {row.run_id} at {row.rejected_at:%F %T}")
    click.echo(f"reason    {row.reason}" + (f": {row.detail}" if row.detail else ""))
    if row.reason.startswith(REASON):
        click.echo(f"rule      {_rule(app, row.source, row.reason.removeprefix(REASON))}")
    click.echo(f"bytes     {bytes(row.line).decode('utf-8', 'backslashreplace')}")


def _rule(app: App, source: str, name: str) -> str:
    """What a rule of a contract says today."""
    found = app.config.sources.get(source)
    contract = found.contract if found else None
    for rule in contract.rules() if contract else ():
        if rule.name == name:
            return f"{rule.says} (sources.{source}.contract in {app.config_path})"
    return f"{app.config_path} has no such rule any more; mdm rejects retry judges again"


@rejects_command.command("retry", epilog="Example:  mdm rejects retry --source crm")
@click.argument("object_ids", metavar="[OBJECT…]", type=int, nargs=-1)
@_filters
@click.option("--dry-run", is_flag=True, help="Only say which objects would be judged again.")
@pass_app
def retry_rejects(
    app: App,
    object_ids: tuple[int, ...],
    source: str | None,
    reason: str | None,
    run_id: int | None,
    dry_run: bool,
) -> None:
    """Judge what waits again, by today's contract and mapping, and run all phases behind it.

    An object is judged as a whole: lines that are records now become rows under their own numbers,
    the others stay in quarantine with today's reason. Safe to repeat.
    """
    choice = Choice(source, reason, run_id)
    with app.warehouse() as (warehouse, _):
        with warehouse.engine.connect() as conn:
            found = rejects.waiting(conn, choice, object_ids=object_ids)
        ids = [row.object_id for row in found]
        lines_n = sum(row.rejected_n + row.rows_n * (row.state == "REJECTED") for row in found)
        say(f"{len(found):,} object(s) with {lines_n:,} waiting line(s) to judge again")
        if dry_run:
            for row in found:
                click.echo(f"{row.object_id}  {row.state}  {row.object_key}")
            return

        def ask(conn: Connection, ctx: RunContext) -> None:
            rejects.ask_again(conn, ids)

        report = Pipeline(warehouse, app.config, progress=bars, listener=tell).run(
            between("ingestion", None), command=" ".join(["mdm", *sys.argv[1:]]), prepare=ask
        )
        with warehouse.engine.begin() as conn:
            unread = rejects.still_asked(conn, ids)
            gone = [row for row in unread if not warehouse.lake.exists(row.object_key)]
            rejects.stop_asking(conn, [row.object_id for row in gone])
            became = rejects.present(conn, [row.object_key for row in found])
        for old, new in zip(found, became, strict=True):
            if old.object_id != new.object_id:
                click.echo(_outcome(old, new))
        for row in unread:
            why = (
                "the lake has it no more; it stays as it is"
                if row in gone
                else "its source stopped or is not configured; the next run reads it"
            )
            click.echo(f"{row.object_key}: not read again, {why}")
        say(summary(warehouse, app.config, report))
        stop_if_stopped(report)


def _outcome(old: Row[Any], new: Row[Any]) -> str:
    """One line on what judging an object again has changed."""
    before, after = (row.rows_n if row.state == "LOADED" else 0 for row in (old, new))
    return (
        f"{new.object_key}: {old.state} → {new.state}, rows {before:,} → {after:,}, "
        f"{new.rejected_n:,} line(s) still wait" + (f": {new.reason}" if new.reason else "")
    )
