"""``mdm check``: the invariants, one line each."""

from __future__ import annotations

import click

from mdm import check
from mdm.app import App, pass_app
from mdm.errors import CheckFailed


@click.command("check", epilog="Example:  mdm check")
@pass_app
def check_command(app: App) -> None:
    """Check everything that must always hold (docs/design.md §3). Exit code 1 if one is broken."""
    with app.warehouse() as (warehouse, _), warehouse.engine.connect() as conn:
        findings = check.run(conn)
    for finding in findings:
        mark = "ok    " if finding.holds else "BROKEN"
        click.echo(f"{mark} {finding.title}")
        if not finding.holds:
            click.echo(f"       {finding.broken} row(s), for example {finding.example}")
    broken = [finding.name for finding in findings if not finding.holds]
    if broken:
        raise CheckFailed(broken)
