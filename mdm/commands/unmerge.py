"""``mdm unmerge``: take customers apart that are not one."""

from __future__ import annotations

import getpass
import uuid
from collections.abc import Iterator
from typing import IO

import click
from sqlalchemy import Connection

from identity import unmerge
from identity.link_decisions import Decision
from identity.unmerge import Proposal
from mdm.app import App, pass_app, say
from mdm.commands.steward import publish
from mdm.errors import UsageError
from mdm.rehearsal import Part, parts, rehearsed

_RECORDS_SHOWN = 8


@click.command(
    "unmerge",
    epilog="Example:  mdm unmerge 0199… --apply --reason 'two people behind one phone'",
)
@click.argument("customer_id", type=click.UUID, required=False)
@click.option("--file", type=click.File("r", encoding="utf-8"), help="CSV of customer ids.")
@click.option("--run", "run_id", type=int, help="Every merge that this run made.")
@click.option("--apply", "applies", is_flag=True, help="Do it, at once; else only show.")
@click.option("--steward", default=getpass.getuser, help="Who decides. [you]")
@click.option("--reason", help="Why; kept with the decisions. Needed with --apply.")
@pass_app
def unmerge_command(
    app: App,
    customer_id: uuid.UUID | None,
    file: IO[str] | None,
    run_id: int | None,
    applies: bool,
    steward: str,
    reason: str | None,
) -> None:
    """Show where a customer is cut most cheaply, and cut it there for good with --apply.

    The golden records that the cut leads to are shown with it. It is made by DIFFERENT decisions,
    which `mdm undo` takes back.
    """
    if sum(given is not None for given in (customer_id, file, run_id)) != 1:
        raise UsageError("name one of: a customer id, --file FILE, --run RUN")
    if applies and not reason:
        raise UsageError("--apply needs a --reason")
    with app.warehouse() as (warehouse, _):
        with warehouse.engine.connect() as conn:
            proposals = _proposals(conn, customer_id, file, run_id)
        decided: list[Decision] = []

        def decide(conn: Connection) -> None:
            for proposal in proposals:
                decided.extend(
                    unmerge.apply(conn, proposal, steward=steward, reason=reason or "proposed")
                )

        if applies:
            with warehouse.engine.begin() as conn:
                decide(conn)
            run = publish(warehouse, app, "identity").run_id
            with warehouse.engine.connect() as conn:
                _show(conn, proposals, run, applied=True)
        else:
            with rehearsed(warehouse, app.config, decide) as (conn, run):
                _show(conn, proposals, run, applied=False)
    say(
        f"{len(decided):,} decision(s) taken and carried out"
        if applies
        else f"{len(proposals):,} cut(s) proposed, nothing done; --apply --reason … does it"
    )


def _proposals(
    conn: Connection, customer_id: uuid.UUID | None, file: IO[str] | None, run_id: int | None
) -> list[Proposal]:
    if customer_id is not None:
        return [unmerge.propose(conn, customer_id)]
    if file is not None:
        return unmerge.propose_many(conn, unmerge.read_ids(file))
    return unmerge.propose_for_run(conn, run_id or 0)


def _show(conn: Connection, proposals: list[Proposal], run_id: int, *, applied: bool) -> None:
    """Each cut, and the customers that it leads to as ``conn`` sees them."""
    for proposal in proposals:
        click.echo(f"{proposal.customer_id}  {proposal.why}")
        click.echo(f"  stays:  {' '.join(proposal.stays)}")
        click.echo(f"  leaves: {' '.join(proposal.leaves)}")
        for left, right, bits in proposal.crossing:
            click.echo(f"  cut:    {left} {right} ({bits:.1f} bits)")
        for part in parts(conn, (*proposal.stays, *proposal.leaves), run_id=run_id):
            for line in _golden_record(part, applied=applied):
                click.echo(line)


def _golden_record(part: Part, *, applied: bool) -> Iterator[str]:
    # An id that a rehearsal made is not the one that the customer will get.
    name = f"{part.customer_id}" if applied or not part.is_new else "a new customer"
    shown = " ".join(part.records[:_RECORDS_SHOWN])
    more = " …" if len(part.records) > _RECORDS_SHOWN else ""
    yield f"  {'gives' if applied else 'would give'} {name}: {shown}{more}"
    for attribute, value in part.golden.items():
        told = ", ".join(value) if isinstance(value, list) else value
        yield f"    {attribute.removeprefix('canonical_'):<16}{told}"
