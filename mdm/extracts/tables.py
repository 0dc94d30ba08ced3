"""Parquet files, by Polars, and tables of DuckDB files, by DuckDB; typed rows as JSON lines."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson
import polars as pl

from mdm.errors import BadInput
from mdm.extracts.databases import named_once, one_table
from mdm.extracts.model import Extract, Options
from mdm.extracts.rows import LineWriter

_BATCH = 10_000
_WITH_ZONE = "TIMESTAMP WITH TIME ZONE"


@contextlib.contextmanager
def parquet_extract(path: Path) -> Iterator[Extract]:
    """The rows of a Parquet file, row group by row group."""
    try:
        scan = pl.scan_parquet(path, glob=False)
        names = scan.collect_schema().names()
        total = int(scan.select(pl.len()).collect().item())
        notes: list[str] = []
        frames = scan.collect_batches(chunk_size=_BATCH, maintain_order=True)
        yield Extract(
            description=f"Parquet, {len(names)} columns, {total:,} rows",
            lines=LineWriter(names, notes).lines(frame.rows() for frame in frames),
            total=total,
            notes=notes,
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BadInput(str(path), problem=f"no readable Parquet: {reason}") from error


@contextlib.contextmanager
def duckdb_extract(path: Path, options: Options) -> Iterator[Extract]:
    """The rows of a table, a view or a query of a DuckDB file, opened read-only."""
    try:
        with duckdb.connect(str(path), read_only=True) as database:
            yield _rows(path, database, options)
    except duckdb.Error as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BadInput(str(path), problem=f"DuckDB refuses: {reason}") from error


def _rows(path: Path, database: duckdb.DuckDBPyConnection, options: Options) -> Extract:
    what, query = _wanted(path, database, options)
    columns = database.execute(f"DESCRIBE {query}").fetchall()
    names = named_once(str(path), [str(column[0]) for column in columns])
    types = [str(column[1]) for column in columns]
    # the driver hands out zoned times through a package that is not needed for anything else, so
    # they come as UTC, and those inside of nested values as DuckDB's JSON
    shown = [_expression(name, kind) for name, kind in zip(names, types, strict=True)]
    result = database.execute(f"SELECT {', '.join(shown)} FROM ({query}) AS extract")
    utc = [place for place, kind in enumerate(types) if kind == _WITH_ZONE]
    raw = [place for place, kind in enumerate(types) if kind != _WITH_ZONE and _is_json(kind)]
    notes: list[str] = []
    return Extract(
        description=f"DuckDB, {what}, {len(names)} columns",
        lines=LineWriter(names, notes).lines(_fetched(result, utc, raw)),
        notes=notes,
    )


def _wanted(path: Path, database: duckdb.DuckDBPyConnection, options: Options) -> tuple[str, str]:
    if options.query is not None:
        return "a query", options.query.strip().rstrip(";")
    listed = database.execute(
        "SELECT table_schema, table_name FROM information_schema.tables"
        " WHERE table_catalog = current_database() ORDER BY 1, 2"
    ).fetchall()
    tables = {
        name if schema == "main" else f"{schema}.{name}": (schema, name) for schema, name in listed
    }
    table = one_table(path, list(tables), options.table)
    return f"table {table!r}", f"FROM {'.'.join(map(_quoted, tables[table]))}"


def _expression(name: str, kind: str) -> str:
    column = _quoted(name)
    if kind == _WITH_ZONE:
        return f"timezone('UTC', {column})"
    if kind == "JSON":
        return f"{column}::VARCHAR"
    return f"to_json({column})::VARCHAR" if _is_json(kind) else column


def _is_json(kind: str) -> bool:
    return kind == "JSON" or _WITH_ZONE in kind


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _fetched(
    result: duckdb.DuckDBPyConnection, utc: Sequence[int], raw: Sequence[int]
) -> Iterator[Sequence[Sequence[Any]]]:
    while rows := result.fetchmany(_BATCH):
        yield [_restored(list(row), utc, raw) for row in rows] if utc or raw else rows


def _restored(row: list[Any], utc: Sequence[int], raw: Sequence[int]) -> list[Any]:
    for place in utc:
        if isinstance(row[place], datetime):
            row[place] = row[place].replace(tzinfo=UTC)
    for place in raw:
        if row[place] is not None:
            row[place] = orjson.Fragment(" ".join(row[place].splitlines()))
    return row
