"""``mdm status``: services, last run, what stands in each layer, what waits, and sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import click
import orjson

from mdm import services
from mdm.app import App, pass_app
from mdm.errors import ServiceDown
from mdm.services import ServiceStatus
from mdm.status import Status, look


@click.command("status", epilog="Example:  mdm status --json")
@click.option("--json", "json_wanted", is_flag=True, help="The same as JSON.")
@pass_app
def status_command(app: App, json_wanted: bool) -> None:
    """Show how the warehouse stands. Starts nothing: a service that is down is named."""
    states = services.status(app.settings)
    for service in states:
        # opening the warehouse tells best what is wrong with a server that is not ours
        if service.state not in ("running", "unreachable"):
            raise ServiceDown(
                service.name,
                address=service.address,
                hint="Start it with `mdm services up`.",
                reason=service.state,
            )
    with app.warehouse() as (warehouse, _), warehouse.engine.connect() as conn:
        found = look(conn)
    if json_wanted:
        up = [{"name": one.name, "state": one.state, "address": one.address} for one in states]
        document = {"services": up, **asdict(found)}
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        click.echo("\n".join(_lines(states, found)))


def _lines(states: list[ServiceStatus], found: Status) -> Iterator[str]:
    for service in states:
        yield f"{service.name:<12} {service.state:<10} {service.address}"
    run, n = found.last_run, found.counts
    if run is None:
        yield "last run     none yet: mdm run"
    else:
        yield (
            f"last run     {run['run_id']} {run['state']} {run['started_at']:%F %T} UTC  "
            f"{run['command']}"
        )
        if run["error"]:
            yield f"             {run['error'].splitlines()[0]}"
    yield f"raw          {n['raw_rows']:,} rows of {n['objects']:,} objects"
    yield f"staging      {n['records']:,} records, {n['profiles']:,} profiles"
    yield f"matching     {n['scored_pairs']:,} scored pairs"
    yield (
        f"gold         {n['customers']:,} customers, {n['versions']:,} versions, "
        f"{n['events']:,} change events"
    )
    yield f"to decide    {n['to_review']:,} rows in gold.steward_review_queue"
    if found.waiting_plan is not None:
        yield f"             plan {found.waiting_plan} waits: mdm plan show {found.waiting_plan}"
    yield (
        f"quarantine   {n['quarantined_lines']:,} lines, {n['refused_objects']:,} refused objects"
    )
    yield "size         " + ", ".join(f"{k} {_mib(v)}" for k, v in found.schema_bytes.items())
    yield "largest      " + ", ".join(f"{k} {_mib(v)}" for k, v in found.table_bytes.items())


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:,.1f} MiB"
