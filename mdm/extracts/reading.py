"""One door to all readers: the extract in a file, whatever its format."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mdm.errors import BadInput, UsageError
from mdm.extracts import csv_files, databases, json_files, spreadsheets, tables, text
from mdm.extracts.formats import TEXT, format_of
from mdm.extracts.model import Extract, Options

_BELONGS_TO = {
    "json_path": ("--path", ("json",)),
    "sheet": ("--sheet", ("excel",)),
    "table": ("--table", ("duckdb", "sqlite")),
    "query": ("--query", ("duckdb", "sqlite")),
}


@contextlib.contextmanager
def open_extract(path: Path, options: Options | None = None) -> Iterator[Extract]:
    """The extract in ``path``, to be read while the context is open.

    Raises BadInput when the file is not what it claims to be, at opening or while its lines are
    read, and UsageError for an option that its format does not know.
    """
    options = options or Options()
    if path.is_dir():
        raise BadInput(str(path), problem="a folder, not a file")
    found = format_of(path, wanted=options.format)
    for key, (option, formats) in _BELONGS_TO.items():
        if getattr(options, key) is not None and found.name not in formats:
            raise UsageError(f"{path}: {option} is for {' and '.join(formats)}, not {found.name}")
    if options.table is not None and options.query is not None:
        raise UsageError("name a --table or a --query, not both")
    with contextlib.ExitStack() as open_files:
        if found.name in TEXT:
            yield open_files.enter_context(_text(path, options, found.name, found.gzipped))
        elif found.name == "excel":
            yield spreadsheets.sheet_extract(path, options)
        elif found.name == "parquet":
            yield open_files.enter_context(tables.parquet_extract(path))
        elif found.name == "duckdb":
            yield open_files.enter_context(tables.duckdb_extract(path, options))
        else:
            yield open_files.enter_context(databases.sqlite_extract(path, options))


@contextlib.contextmanager
def _text(path: Path, options: Options, kind: str, gzipped: bool) -> Iterator[Extract]:
    with text.opened(path, gzipped=gzipped) as (stream, raw), contextlib.ExitStack() as open_files:
        if kind == "json":
            extract = json_files.json_extract(
                path, stream, options, again=lambda: text.opened(path, gzipped=gzipped)
            )
        elif kind == "jsonl":
            lines = text.filled_lines(path, stream, max_bytes=options.max_line_bytes)
            extract = Extract(description="JSON lines", lines=lines)
        else:
            extract = open_files.enter_context(
                csv_files.csv_extract(path, stream, options, tabs=kind == "tsv")
            )
        yield replace(extract, total=path.stat().st_size, unit="B", position=raw.tell)
