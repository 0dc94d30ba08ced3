"""``mdm shared-values``: values that many different people hold, and a steward's word on them."""

from __future__ import annotations

import getpass
import sys
from typing import get_args

import click
import orjson
from sqlalchemy import Connection

from db.queries import query
from mdm.app import App, pass_app, say
from mdm.commands.run import tell
from mdm.phases import RunContext, between
from mdm.pipeline import Pipeline
from mdm.progress import bars
from mdm.summary import summary
from staging import shared_values
from staging.shared_values import Verdict
from staging.value_keys import SHAREABLE

_STATES = ("FOUND", "CONFIRMED", "LIFTED", "GONE")


@click.group("shared-values")
def shared_values_command() -> None:
    """The register of values that are no evidence: switchboards, info@, blocks of flats."""


@shared_values_command.command("list", epilog="Example:  mdm shared-values list --state FOUND")
@click.option("--attribute", type=click.Choice(list(SHAREABLE)), help="Only of this attribute.")
@click.option("--state", type=click.Choice(_STATES), help="Only in this state.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1))
@click.option("--json", "json_wanted", is_flag=True, help="As JSON, one object a line.")
@pass_app
def list_values(
    app: App, attribute: str | None, state: str | None, limit: int, json_wanted: bool
) -> None:
    """Show the register, the most shared values first."""
    values = {"attribute": attribute, "state": state, "most": limit}
    with app.warehouse() as (warehouse, _), warehouse.engine.connect() as conn:
        rows = conn.execute(query("mdm/commands/shared_values.sql", "register"), values).all()
    for row in rows:
        if json_wanted:
            click.echo(orjson.dumps(dict(row._mapping)).decode())
            continue
        said = f", said {row.steward}: {row.steward_reason}" if row.steward else ""
        click.echo(
            f"{row.state:<10}{row.attribute:<16}{row.value}  "
            f"({row.reason}, since {row.found_at:%Y-%m-%d}{said})"
        )
    if not rows:
        say("No value is shared by many different names.")


@shared_values_command.command(
    "decide",
    epilog="Example:  mdm shared-values decide LIFT email anna@example.org --reason 'a pen name'",
)
@click.argument("verdict", type=click.Choice(get_args(Verdict)))
@click.argument("attribute", type=click.Choice(list(SHAREABLE)))
@click.argument("value")
@click.option("--steward", default=getpass.getuser, help="Who decides. [you]")
@click.option("--reason", required=True, help="Why; kept with the decision.")
@pass_app
def decide_value(
    app: App, verdict: Verdict, attribute: str, value: str, steward: str, reason: str
) -> None:
    """Ignore a value for good (CONFIRM), count it like any other (LIFT), or take that back (UNDO).

    It takes effect at once: records that hold the value are matched anew.
    """

    def put_into_force(conn: Connection, ctx: RunContext) -> None:
        shared_values.decide(conn, verdict, attribute, value, steward=steward, reason=reason)

    with app.warehouse() as (warehouse, _):
        pipeline = Pipeline(warehouse, app.config, progress=bars, listener=tell)
        report = pipeline.run(
            between("identity_inputs", None),
            command=" ".join(["mdm", *sys.argv[1:]]),
            prepare=put_into_force,
            guarded=False,
        )
        say(summary(warehouse, app.config, report))
