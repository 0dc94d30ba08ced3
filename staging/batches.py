"""The current rows of a source, batch by batch: out of raw, standardised, into records.

Rows leave and enter PostgreSQL by COPY and are columns of polars in between; there is never a
Python object per field but for distinct values.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Any

import polars as pl
from psycopg2 import sql
from sqlalchemy import Connection, Row

from db import bulk
from db.queries import load
from mdm.phases import Bar
from staging.extraction import Extraction
from staging.mapping import FieldMapping
from staging.standardisation import Standardiser

# A clean value holds no control character and is never empty, so nothing needs quotes: to look for
# what does would take half of the time of writing.
_SEPARATOR = "\x01"
_COPY = "FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02'"
_RECORDS = ("staging", "records")
_STAGED = ("pg_temp", "staged_records")
_KEYS = ("source_record_id", "object_id", "line_no", "event_at")


@dataclass(frozen=True, slots=True)
class _Rows:
    """Lines of CSV, and the table and the columns that they fill."""

    table: tuple[str, str]
    columns: tuple[str, ...]
    text: IO[bytes]


@dataclass(frozen=True, slots=True)
class Target:
    """What the standardised records of a source have in common where they go."""

    source: str
    change_seq: int
    run_id: int
    freeze: bool = False


def stage_current_rows(
    conn: Connection,
    batches: Sequence[Row[Any]],
    mapping: FieldMapping,
    standardise: Standardiser,
    target: Target,
    *,
    reader: Connection,
    read_batch: str,
    bar: Bar,
) -> tuple[int, int]:
    """How many rows `batches` had, and how many of them are new records.

    These are in `staging.records` then, the others in `pg_temp.staged_records`, to be compared with
    what is known. `read_batch` is the query for one batch.

    While one batch is standardised, PostgreSQL takes in the one before and gives out the one
    behind, side by side where `reader` is not `conn`; these belong to other threads meanwhile.
    Memory is that of four batches, whatever their number.
    """
    extraction = Extraction(sql.SQL("rows.payload"), mapping.columns)
    upcoming = iter([batch for batch in batches if batch.rows_n])

    def read() -> tuple[bool, pl.DataFrame] | None:
        """The next batch that holds any row, if there is one, and whether its records are known."""
        for batch in upcoming:
            found = _read(reader, batch, read_batch, extraction, mapping)
            if len(found):
                return batch.is_known, found
        return None

    count = added = 0
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as another:
        writing = one if reader is conn else another
        ahead = one.submit(read)
        written: Future[None] | None = None
        while (found := ahead.result()) is not None:
            is_known, batch = found
            ahead = one.submit(read)
            standard = standardise(batch.select(mapping.expressions()))
            rows = batch.select(_KEYS).hstack(standard)
            done = _as_csv(rows, target, _STAGED if is_known else _RECORDS)
            if written is not None:
                written.result()
            written = writing.submit(_write, conn, target, done)
            count += len(batch)
            added += 0 if is_known else len(batch)
            bar.update(len(batch))
        if written is not None:
            written.result()
    return count, added


def _read(
    conn: Connection,
    batch: Row[Any],
    read_batch: str,
    extraction: Extraction,
    mapping: FieldMapping,
) -> pl.DataFrame:
    """The keys and the mapped fields of one batch, all of them text."""
    with bulk.cursor(conn) as cur:
        select = (
            sql.SQL(load("staging/staging.sql")[read_batch])
            .format(
                items=extraction.items,
                joins=extraction.joins,
                **{name: sql.Literal(value) for name, value in batch._mapping.items()},
            )
            .as_string(cur)
        )
    lines = io.BytesIO()
    bulk.copy_out(conn, select, lines, options="FORMAT csv")
    columns = [*_KEYS, *mapping.columns.values()]
    if not lines.tell():
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    lines.seek(0)
    return pl.read_csv(lines, has_header=False, new_columns=columns, infer_schema=False)


def _as_csv(frame: pl.DataFrame, target: Target, table: tuple[str, str]) -> _Rows:
    """The rows of `frame` as COPY takes them, with the constants of `target` behind.

    Columns without a value are left out: they are many, and PostgreSQL makes them null cheaper.
    """
    filled = [column.name for column in frame.iter_columns() if column.null_count() < len(frame)]
    constants = {"source": target.source, "change_seq": target.change_seq, "run_id": target.run_id}
    rows = frame.select(
        *filled, *(pl.lit(value).alias(f"constant {name}") for name, value in constants.items())
    )
    text = io.BytesIO()
    rows.write_csv(text, include_header=False, separator=_SEPARATOR, quote_style="never")
    text.seek(0)
    return _Rows(table, (*filled, *constants), text)


def _write(conn: Connection, target: Target, rows: _Rows) -> None:
    options = f"{_COPY}, FREEZE" if target.freeze else _COPY
    bulk.copy_in(conn, rows.table, rows.columns, rows.text, options=options)
