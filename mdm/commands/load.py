"""``mdm load``: an extract into the lake."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from mdm.app import App, pass_app, say
from mdm.errors import UsageError
from mdm.extracts.cursors import IncrementalExtract
from mdm.extracts.databases import query_extract
from mdm.extracts.formats import FORMATS
from mdm.extracts.loader import Loaded, load_extract, load_file
from mdm.extracts.locations import downloaded, files_of, is_remote
from mdm.extracts.model import Extract, Options
from mdm.progress import bars
from mdm.warehouse import Warehouse


@click.command("load", epilog="Example:  mdm load customers.csv --source crm && mdm run")
@click.argument("files", nargs=-1, metavar="[FILE|FOLDER|PATTERN|s3://BUCKET/KEY]...")
@click.option("--source", required=True, help="The source in mdm.toml that these files belong to.")
@click.option("--path", "json_path", help="Where a JSON document holds its list: customers, a.b.")
@click.option("--sheet", help="The sheet of a workbook; the first one where not given.")
@click.option("--table", help="The table of a DuckDB or SQLite file.")
@click.option("--format", "kind", type=click.Choice(FORMATS), help="Where the ending misleads.")
@click.option("--encoding", help="Of CSV that does not show it: cp1250, …")
@click.option(
    "--url",
    envvar="MDM_LOAD_URL",
    show_envvar=True,
    help="A database: any SQLAlchemy URL whose driver is installed.",
)
@click.option("--query", help="What to read of --url, or of a DuckDB or SQLite file.")
@click.option("--cursor", help="Column of --query: only rows behind its last loaded value.")
@click.option("--anew", is_flag=True, help="With --cursor: from the beginning once more.")
@pass_app
def load_command(
    app: App,
    files: tuple[str, ...],
    source: str,
    json_path: str | None,
    sheet: str | None,
    table: str | None,
    kind: str | None,
    encoding: str | None,
    url: str | None,
    query: str | None,
    cursor: str | None,
    anew: bool,
) -> None:
    """Put extracts into the lake as SOURCE's JSON lines.

    CSV, TSV, JSON and JSON lines (each also .gz), Excel, Parquet, DuckDB and SQLite files; folders
    and patterns of these; objects of a bucket; any database with --url and --query. Values stay as
    written. Of an extract that cannot be read whole, nothing stays in the lake.
    """
    if source not in app.config.sources:
        raise UsageError(
            f"{app.config_path}: sources.{source} is not there; "
            f"allowed: {', '.join(app.config.sources)}"
        )
    if url is not None and files:
        # the address may stand in the environment for good; files that are named outrank it
        url = None
    if url is None and not files:
        raise UsageError("name files to load, or a database with --url and --query")
    if url is not None and query is None:
        raise UsageError("--url needs --query: what to read there")
    if (cursor is not None or anew) and url is None:
        raise UsageError("--cursor is for a database: --url and --query")
    if anew and cursor is None:
        raise UsageError("--anew is for an extract with --cursor")
    options = Options(
        format=kind,
        encoding=encoding,
        json_path=json_path,
        sheet=sheet,
        table=table,
        query=None if url is not None else query,
        max_line_bytes=app.config.ingestion.max_line_bytes,
    )
    if url is not None and query is not None:
        with app.warehouse() as (warehouse, _):
            loaded = _load_query(warehouse, options, source, _Query(url, query, cursor, anew))
            _tell(warehouse, source, loaded)
        return
    wanted = [(word, () if is_remote(word) else tuple(files_of(word))) for word in files]
    with app.warehouse() as (warehouse, _):
        for word, local in wanted:
            with _here(warehouse, word, local) as paths:
                for path in paths:
                    loaded = load_file(
                        warehouse.lake, path, source=source, progress=bars, options=options
                    )
                    _tell(warehouse, source, loaded)


@contextlib.contextmanager
def _here(warehouse: Warehouse, word: str, local: tuple[Path, ...]) -> Iterator[tuple[Path, ...]]:
    """The files that a word means, a remote one as a copy for as long as it is read."""
    if local:
        yield local
        return
    with downloaded(word, warehouse.endpoints) as copy:
        yield (copy,)


@dataclass(frozen=True)
class _Query:
    """What to read of a database, and by which column only what is new of it."""

    url: str
    query: str
    cursor: str | None
    anew: bool


def _load_query(warehouse: Warehouse, options: Options, source: str, wanted: _Query) -> Loaded:
    def put(extract: Extract) -> Loaded:
        return load_extract(
            warehouse.lake,
            extract,
            source=source,
            name="the query",
            progress=bars,
            max_line_bytes=options.max_line_bytes,
        )

    if wanted.cursor is None:
        with query_extract(wanted.url, wanted.query) as extract:
            return put(extract)
    with warehouse.engine.connect() as conn:
        reading = IncrementalExtract.begin(
            conn,
            source=source,
            url=wanted.url,
            query=wanted.query,
            column=wanted.cursor,
            anew=wanted.anew,
        )
        conn.rollback()  # a long extract must not hold a transaction of the warehouse open
        with reading.opened(wanted.url) as extract:
            loaded = put(extract)
        reading.save(conn, records=loaded.rows)
    return loaded


def _tell(warehouse: Warehouse, source: str, loaded: Loaded) -> None:
    notes = "".join(f"; {note}" for note in loaded.notes)
    say(
        f"{loaded.name}: {loaded.description}; {loaded.rows:,} records into "
        f"{len(loaded.keys)} object(s) of {warehouse.lake.bucket}/{source}{notes}"
    )
    if not loaded.rows:
        say(f"{loaded.name}: holds no new records; nothing was put into the lake")
