"""``mdm export``: golden customers and what stands behind them, in files or in the lake."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from mdm.app import App, pass_app, say
from mdm.commands.why import Moment
from mdm.errors import UsageError
from mdm.exports import masking
from mdm.exports.datasets import DATASETS, Dataset
from mdm.exports.export import LAKE_PREFIX, Exported, Request, to_lake, to_path
from mdm.exports.sinks import ENDINGS, HOLDS_SEVERAL, Format
from mdm.progress import bars

_FORMATS = tuple(ENDINGS)


@click.command("export", epilog="Example:  mdm export customers.parquet --mask pii")
@click.argument("target", required=False, type=click.Path(path_type=Path))
@click.option(
    "--what",
    multiple=True,
    default=("customers",),
    show_default=True,
    metavar="DATASET",
    help=f"What to export: {', '.join(DATASETS)}, or all; may be repeated.",
)
@click.option(
    "--format",
    "wanted",
    type=click.Choice(_FORMATS),
    help="The format; without it the ending of TARGET says. In the lake: parquet.",
)
@click.option(
    "--partition-by",
    multiple=True,
    metavar="COLUMN",
    help="Make a folder COLUMN=VALUE/ for each value (csv, parquet); may be repeated.",
)
@click.option("--at", type=Moment(), help="Customers as gold showed them at this time.")
@click.option(
    "--mask",
    multiple=True,
    metavar="ATTRIBUTE[=hash|partial|drop]",
    help="Hide an attribute (hash unless said), or all that names a person: pii. May be repeated. "
    f"Hashes need the key {masking.KEY_NAME}.",
)
@click.option(
    "--excel-safe",
    is_flag=True,
    help="Put ' before CSV texts that a spreadsheet would run as a formula (+44…, =1+1).",
)
@click.option("--lake", is_flag=True, help="Into the lake, below gold/dt=DAY/, instead of TARGET.")
@click.option("--force", is_flag=True, help="Replace what an earlier export left there.")
@pass_app
def export_command(
    app: App,
    target: Path | None,
    what: tuple[str, ...],
    wanted: Format | None,
    partition_by: tuple[str, ...],
    at: datetime | None,
    mask: tuple[str, ...],
    excel_safe: bool,
    lake: bool,
    force: bool,
) -> None:
    """Write golden customers and what stands behind them to TARGET: all of it or nothing.

    TARGET is a .csv, .parquet, .duckdb or .xlsx file; with several datasets of csv or parquet, or
    partitions, a folder.
    """
    if lake == (target is not None):
        raise UsageError("name a TARGET, or --lake, but not both")
    request = Request(
        format=wanted or _format(target),
        datasets=_datasets(what),
        at=at,
        partition_by=partition_by,
        masks=masking.parse(mask, app.config) if mask else {},
        excel_safe=excel_safe,
        force=force,
    )
    if lake and request.format in HOLDS_SEVERAL:
        raise UsageError("the lake takes csv and parquet")
    if lake and LAKE_PREFIX in app.config.sources:
        raise UsageError(f"a source is called {LAKE_PREFIX!r}: its extracts have that place")
    key = app.settings.export_key
    with app.warehouse() as (warehouse, _):
        if target is not None:
            done = to_path(warehouse.engine, target, request, key=key, progress=bars)
        else:
            folder = warehouse.settings.home
            done = to_lake(
                warehouse.engine, warehouse.lake, request, key=key, progress=bars, folder=folder
            )
    _tell(done, at)


def _tell(done: Exported, at: datetime | None) -> None:
    for name, rows in done.rows.items():
        say(f"{done.where}: {rows:,} rows of {name}")
    if not any(done.rows.values()):
        say(
            f"Gold had no customers at {at:%F %T %Z}."
            if at
            else "There was nothing to export; mdm run fills gold."
        )


def _format(target: Path | None) -> Format:
    """The format that the ending of ``target`` names; parquet for the lake. Raises UsageError."""
    if target is None:
        return "parquet"
    for name, endings in ENDINGS.items():
        if target.suffix.lower() in endings:
            return name
    raise UsageError(
        f"{target}: the ending names no format; use "
        f"{', '.join(endings[0] for endings in ENDINGS.values())} or --format"
    )


def _datasets(what: tuple[str, ...]) -> tuple[Dataset, ...]:
    """The datasets called ``what``, each once, in the order of their list. Raises UsageError."""
    names = {part.strip() for word in what for part in word.split(",")}
    if unknown := names - DATASETS.keys() - {"all"}:
        raise UsageError(
            f"--what {', '.join(sorted(unknown))}: allowed: {', '.join(DATASETS)}, all"
        )
    return tuple(one for name, one in DATASETS.items() if name in names or "all" in names)
