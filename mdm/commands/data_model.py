"""``mdm data-model``: every table with grain, writer and columns, as markdown."""

from __future__ import annotations

import click

from db.data_model import markdown
from mdm.app import App, pass_app


@click.command("data-model", epilog="Example:  mdm data-model > docs/data_model.md")
@pass_app
def data_model_command(app: App) -> None:
    """Print the data model as the database's own comments tell it."""
    with app.warehouse() as (warehouse, _), warehouse.engine.connect() as conn:
        click.echo(markdown(conn), nl=False)
