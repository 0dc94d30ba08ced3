"""``mdm vacuum``: delete what nothing needs any more."""

from __future__ import annotations

import click

from db import bulk
from gold import retention as gold_retention
from ingestion import retention as raw_retention
from mdm import check, retention
from mdm.app import App, pass_app, say
from mdm.runs import RunLedger


@click.command("vacuum", epilog="Example:  mdm vacuum --dry-run")
@click.option("--dry-run", is_flag=True, help="Say what would be deleted and delete nothing.")
@pass_app
def vacuum_command(app: App, dry_run: bool) -> None:
    """Delete superseded raw rows, decided plans, old phase figures and consumed work rows.

    How long they are kept is said in [retention] of the configuration. What history, change events,
    identity and stewards' decisions need is never touched, nor are scored pairs, rejected ones
    included: clustering weighs them. Every invariant must hold before anything is deleted for good.
    """
    with app.warehouse() as (warehouse, _):
        ledger = RunLedger(warehouse.engine)
        with ledger.lock(), warehouse.engine.connect() as conn:
            deleted = {
                **raw_retention.drop_superseded(conn, app.config),
                **retention.drop_old(conn, app.config.retention),
                **gold_retention.drop_consumed(conn),
            }
            tables = [table for table, n in deleted.items() if n]
            if tables and not dry_run:
                check.hold(conn, changed=True)
                conn.commit()
            conn.rollback()
        if not dry_run:
            # in a session of its own: VACUUM cannot run inside a transaction
            with warehouse.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as conn:
                for table in tables:
                    name = bulk.identifier(*table.split(".", 1))
                    bulk.execute(conn, "VACUUM (ANALYZE) {table}", table=name)
    verb = "would be deleted" if dry_run else "deleted"
    for table in tables:
        click.echo(f"{table}: {deleted[table]:,} row(s) {verb}")
    if not tables:
        say("Nothing is older than [retention] says.")
