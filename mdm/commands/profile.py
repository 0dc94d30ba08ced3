"""``mdm profile``: what the data of a source look like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import orjson

from mdm.app import App, pass_app, say
from mdm.errors import BadInput, UsageError
from mdm.profiling.figures import Field, fields_of
from mdm.profiling.page import page
from mdm.profiling.records import records_of
from mdm.profiling.sample import Sample
from mdm.profiling.tables import details, listing

_LOOKED_AT = 100_000


@click.command("profile", epilog="Example:  mdm profile --source crm --html crm.html")
@click.option("--source", required=True, help="The source in mdm.toml to look at.")
@click.option("--json", "json_wanted", is_flag=True, help="The figures as JSON.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a page of charts.")
@click.option(
    "--rows",
    type=click.IntRange(min=0),
    default=_LOOKED_AT,
    show_default=True,
    help="About how many records to look at; 0 for all.",
)
@pass_app
def profile_command(app: App, source: str, json_wanted: bool, html: Path | None, rows: int) -> None:
    """Show what the fields of a source hold: fill, distinct values, types, shapes, extremes.

    Reads what the source has delivered into raw, or into the lake before the first run. The page is
    one file without scripts that fetches nothing; like the table it shows values of customers.
    """
    if source not in app.config.sources:
        raise UsageError(
            f"{app.config_path}: sources.{source} is not there; "
            f"allowed: {', '.join(app.config.sources)}"
        )
    if html is not None and not html.absolute().parent.is_dir():
        raise UsageError(f"--html {html}: the folder does not exist")
    with app.warehouse() as (warehouse, _), warehouse.engine.connect() as conn:
        reading = records_of(conn, warehouse.lake, source, app.config.sources[source], limit=rows)
        with reading as (lines, where):
            sample = Sample.of(lines, limit=rows or 2**62)
    if not sample.rows:
        raise BadInput(source, problem="it has no records yet", hint="mdm load FILE --source …")
    fields = fields_of(sample)
    if html is not None:
        html.write_text(page(f"Source {source}", where, sample.rows, fields), encoding="utf-8")
        say(f"Page: {html}")
    if json_wanted:
        document = {
            "source": source,
            "from": where,
            "records": sample.rows,
            "fields": [_document(one) for one in fields],
        }
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    elif html is None:
        click.echo("\n".join(_lines(source, where, sample, fields)))


def _document(one: Field) -> dict[str, Any]:
    document = asdict(one)
    document["kind"] = one.content.kind
    document["fill"] = one.fill
    document["content"] = one.content.shares
    return document


def _lines(source: str, where: str, sample: Sample, fields: list[Field]) -> Iterator[str]:
    yield f"{source}: {sample.rows:,} records of {where}"
    if sample.left_out:
        yield f"{len(sample.left_out):,} further fields were left out"
    yield ""
    yield from listing(fields)
    yield from details(fields)
