"""Sampled records of a source in the warehouse: out of raw, or out of the lake before that."""

from __future__ import annotations

import contextlib
import gzip
import tempfile
from collections.abc import Iterator
from typing import Any

from psycopg2 import sql
from sqlalchemy import Connection

from db import bulk
from db.queries import load, query
from mdm.config import Source
from mdm.lake import Lake

_FILE = "mdm/profiling/profiling.sql"
# Valid JSON never holds a raw control character, so payloads come out as they are.
_COPY = "FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02'"
_IN_MEMORY = 32 << 20


@contextlib.contextmanager
def records_of(
    conn: Connection, lake: Lake, name: str, source: Source, *, limit: int
) -> Iterator[tuple[Iterator[bytes], str]]:
    """About ``limit`` JSON lines of a source and where they are from; all of them where 0.

    Of more records in raw every n-th is taken, so that old and new ones are looked at alike.
    """
    total = int(conn.execute(query(_FILE, "rows_in_raw"), {"source": name}).scalar_one())
    if not total:
        where = "the lake; nothing of it is in raw yet (mdm run)"
        yield _lake_lines(lake, name), where
        return
    step = max(1, total // limit) if limit else 1
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        statement = sql.SQL(load(_FILE)["payloads"]).format(
            table=bulk.identifier("raw", source.table), step=sql.Literal(step)
        )
        with bulk.cursor(conn) as cursor:
            text = statement.as_string(cursor)
        bulk.copy_out(conn, text, file, options=_COPY)
        file.seek(0)
        share = f"one row in {step} of {total:,}" if step > 1 else f"all {total:,} rows"
        yield iter(file), f"raw.{source.table}, {share}"


def _lake_lines(lake: Lake, name: str) -> Iterator[bytes]:
    for entry in lake.list(f"{name}/"):
        if not entry.key.endswith((".jsonl", ".jsonl.gz")):
            continue
        with lake.open(entry.key) as stream:
            source: Any = gzip.GzipFile(fileobj=stream) if entry.key.endswith(".gz") else stream
            yield from _lines(source)


def _lines(stream: Any) -> Iterator[bytes]:
    rest = b""
    while chunk := stream.read(1 << 20):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line for line in whole if line.strip())
    if rest.strip():
        yield rest
