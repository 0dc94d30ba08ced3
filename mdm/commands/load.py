"""``mdm load``: an extract into the lake."""

from __future__ import annotations

from pathlib import Path

import click

from mdm.app import App, pass_app, say
from mdm.errors import BadInput, UsageError
from mdm.progress import bars
from producers.loader import load_file


@click.command("load", epilog="Example:  mdm load customers.csv --source crm && mdm run")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--source", required=True, help="The source in mdm.toml that these files belong to.")
@click.option("--path", "json_path", help="Where a JSON document holds its list: customers, a.b.")
@pass_app
def load_command(app: App, files: tuple[Path, ...], source: str, json_path: str | None) -> None:
    """Put extracts (CSV, TSV, JSON, JSONL, each also .gz) into the lake as SOURCE's JSON lines."""
    if source not in app.config.sources:
        raise UsageError(
            f"{app.config_path}: sources.{source} is not there; "
            f"allowed: {', '.join(app.config.sources)}"
        )
    for path in files:
        if not path.is_file():
            raise BadInput(str(path), problem="no such file")
    with app.warehouse() as (warehouse, _):
        for path in files:
            loaded = load_file(
                warehouse.lake, path, source=source, progress=bars, json_path=json_path
            )
            say(
                f"{path}: {loaded.description}; {loaded.rows:,} records into "
                f"{len(loaded.keys)} object(s) of {warehouse.lake.bucket}/{source}"
            )
            if not loaded.rows:
                say(f"{path}: holds no records; nothing was put into the lake")
