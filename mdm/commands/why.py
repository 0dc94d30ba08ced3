"""``mdm why``: what is behind one golden value, now and then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from uuid import UUID

import click
import orjson

from gold.reasons import AGREES, Change, Override, Past, Sighting, Why
from gold.why import why
from mdm.app import App, pass_app
from mdm.errors import UsageError


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.3 only
    """An instant as ISO 8601 writes it; without an offset it is UTC."""

    name = "time"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The instant, with its zone. Raises UsageError."""
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            raise UsageError(
                f"{value!r} is no time; write 2026-01-31 or 2026-01-31T18:00"
            ) from error
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@click.command("why", epilog="Example:  mdm why 0199… email --at 2026-01-31T18:00")
@click.argument("customer_id", type=click.UUID)
@click.argument("attribute")
@click.option("--at", type=Moment(), help="Also: what it was then, what set it, what ended it.")
@click.option("--json", "json_wanted", is_flag=True, help="The answer as JSON.")
@pass_app
def why_command(
    app: App, customer_id: UUID, attribute: str, at: datetime | None, json_wanted: bool
) -> None:
    """Name the record, lake line, rule, override and run behind a golden value.

    Every other value that its records hold is listed with the reason it lost; --json also lists the
    records that agree. An id that was merged
    is followed to the customer it stands for today.
    """
    with app.warehouse() as (warehouse, _), warehouse.engine.connect() as conn:
        found = why(conn, customer_id, attribute, at=at)
    click.echo(
        orjson.dumps(asdict(found), option=orjson.OPT_INDENT_2).decode()
        if json_wanted
        else "\n".join(_lines(found))
    )


def _lines(found: Why) -> Iterator[str]:
    if found.followed:
        yield f"{found.followed}."
    if found.customer_id is not None:
        yield f"{found.customer_id}  {found.attribute} = {_shown(found.value)}"
        if found.override is not None:
            yield f"  override  {_override(found.override)}"
        if found.winner is not None:
            yield f"  rule      {found.rule}"
            yield f"  record    {_sighting(found.winner)}"
        elif found.override is None:
            yield "  no record of this customer gives it a value"
        if found.set_by is not None:
            yield f"  since     {_change(found.set_by)}"
        rivals = [one for one in found.others if one.verdict != AGREES]
        if len(rivals) < len(found.others):
            yield f"  agreeing  {len(found.others) - len(rivals):,} more record(s)"
        if rivals:
            yield "  lost"
        for one in rivals:
            yield f"    {_shown(one.value)}  {_sighting(one)}: {one.verdict}"
    if found.past is not None:
        yield from _past(found.past)


def _past(past: Past) -> Iterator[str]:
    yield f"At {past.at:%F %T %Z}"
    if past.version is None:
        yield "  gold did not have this customer then"
    else:
        until = f"{past.valid_to:%F %T} UTC" if past.valid_to else "now"
        yield f"  {past.customer_id}  {_shown(past.value)}"
        yield f"  version   {past.version}, valid from {past.valid_from:%F %T} UTC to {until}"
    if past.override is not None:
        yield f"  override  {_override(past.override)}"
    if past.winner is not None:
        yield f"  rule      {past.rule}"
        yield f"  record    {_sighting(past.winner)}"
    if past.set_by is not None and past.version is not None:
        yield f"  set by    {_change(past.set_by)}"
    if past.ended_by is not None:
        label = "ended by" if past.version is not None else "came with"
        yield f"  {label:<10}{_change(past.ended_by)}"


def _shown(value: str | None) -> str:
    return "(empty)" if value is None else repr(value)


def _override(override: Override) -> str:
    return (
        f"{override.override_id}: {override.action} by {override.steward}, "
        f"{override.decided_at:%F %T} UTC: {override.reason}"
    )


def _sighting(one: Sighting) -> str:
    if one.event_at is None:
        return f"{one.record}, on a line that is no longer kept"
    place = f"{one.object_key} line {one.line_no}" if one.object_key else "the lake"
    return f"{one.record} as of {one.event_at:%F %T} UTC, {place}, staged by run {one.run_id}"


def _change(change: Change) -> str:
    other = {"MERGE": "into", "SPLIT": "out of"}.get(change.event_type)
    link = f" {other} {change.related_customer_id}" if other else ""
    command = f" ({change.command})" if change.command else ""
    return (
        f"{change.event_type}{link}, event {change.event_seq} of {change.occurred_at:%F %T} UTC, "
        f"run {change.run_id}{command}"
    )
