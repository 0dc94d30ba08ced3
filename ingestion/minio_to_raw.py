"""Phase 2: new lake objects into ``raw``, each with its ledger row in one transaction."""

from __future__ import annotations

import dataclasses
import io
from collections import Counter
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection

from db import bulk
from db.queries import load, query
from ingestion.background import Background
from ingestion.lines import CorruptObject, Rejection, read_lines
from ingestion.records import Batch, as_copy, reader
from mdm.config import Source
from mdm.lake import LakeObject, ObjectGone
from mdm.phases import PhaseReport, RunContext

_FILE = "ingestion/ingestion.sql"
_COLUMNS = (
    "object_id", "line_no", "run_id", "source_record_id", "event_at", "is_deleted", "payload",
)  # fmt: skip
_REJECT_COLUMNS = ("object_id", "line_no", "source", "reason", "detail", "line", "run_id")
# Control characters never get into the fields of a rejected line, so these two need no escaping.
_REJECT_COPY = "FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02'"
# Listing everything is cheap below this many objects and then finds files however late they are.
_NARROW_ABOVE = 10_000
_LIST_ALL_EVERY = timedelta(hours=24)
_NEVER = datetime.fromtimestamp(0, UTC)


@dataclasses.dataclass
class Tally:
    """Counts of one source in one run."""

    objects: Counter[str] = dataclasses.field(default_factory=Counter)
    rows: int = 0
    rejected: Counter[str] = dataclasses.field(default_factory=Counter)
    undated: int = 0
    refused: dict[str, str] = dataclasses.field(default_factory=dict)

    def as_detail(self) -> dict[str, object]:
        """The counts for the phase report."""
        return {
            "objects": dict(self.objects),
            "rows": self.rows,
            "rejected": dict(self.rejected),
            "event_time_unreadable": self.undated,
            "refused_objects": self.refused,
        }


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """What was read, loaded and rejected; reads the lake, writes raw and the watermarks.

    Commits per object: what was loaded before a fault stays, and the next run goes on behind it.
    """
    detail: dict[str, object] = {}
    rows = rejected = 0
    for name, source in ctx.config.sources.items():
        _ensure_table(conn, source)
        tally = _load_source(conn, ctx, name, source)
        _ensure_indexes(conn, source)
        rows += tally.rows
        rejected += sum(tally.rejected.values())
        if tally.objects:
            detail[name] = tally.as_detail()
    return PhaseReport(rows + rejected, rows, rejected, detail)


def _ensure_table(conn: Connection, source: Source) -> None:
    exists = conn.execute(query(_FILE, "source_table_exists"), {"table": source.table})
    if not exists.scalar_one():
        bulk.execute(
            conn,
            load(_FILE)["create_source_table"],
            table=bulk.identifier("raw", source.table),
        )
    conn.commit()


def _ensure_indexes(conn: Connection, source: Source) -> None:
    """The key and the index of a raw table: made behind the first load, by one sort each."""
    table = bulk.identifier("raw", source.table)
    has_key = conn.execute(query(_FILE, "source_table_has_key"), {"table": source.table})
    if not has_key.scalar_one():
        bulk.execute(conn, load(_FILE)["add_source_key"], table=table)
    bulk.execute(
        conn,
        load(_FILE)["index_source_table"],
        table=table,
        index=bulk.identifier(f"{source.table}_source_record_id"),
    )
    conn.commit()


def _load_source(conn: Connection, ctx: RunContext, name: str, source: Source) -> Tally:
    tally = Tally()
    known = {
        row.object_key: row.etag
        for row in conn.execute(query(_FILE, "live_objects"), {"source": name})
    }
    mark = conn.execute(query(_FILE, "watermark"), {"source": name}).one_or_none()
    conn.commit()
    now = datetime.now(UTC)
    listed_all_at = now
    start_after = None
    if (
        mark is not None
        and not ctx.full
        and len(known) > _NARROW_ABOVE
        and now - mark.listed_all_at < _LIST_ALL_EVERY
    ):
        since = mark.watermark - timedelta(hours=ctx.config.ingestion.lookback_hours)
        start_after = f"{name}/dt={since:%Y-%m-%d}"
        listed_all_at = mark.listed_all_at
    new = [
        listed
        for listed in ctx.lake.list(f"{name}/", start_after=start_after)
        if listed.key.endswith((".jsonl", ".jsonl.gz")) and known.get(listed.key) != listed.etag
    ]
    ids = conn.execute(query(_FILE, "number_objects"), {"objects_n": len(new)}).scalars().all()
    conn.commit()
    # The connection belongs to the database's thread meanwhile: PostgreSQL takes in what was read
    # while this thread reads on, in the next object too.
    with (
        ctx.progress(f"loading {name}", sum(o.size for o in new), "B") as bar,
        Background() as database,
    ):
        for object_id, listed in zip(ids, new, strict=True):
            _load_object(_Loading(conn, ctx, name, object_id, listed, tally), database)
            bar.update(listed.size)
    if new or mark is None or listed_all_at != mark.listed_all_at:
        conn.execute(
            query(_FILE, "move_watermark"),
            {
                "source": name,
                "watermark": max((listed.at for listed in new), default=_NEVER),
                "listed_all_at": listed_all_at,
                "run_id": ctx.run_id,
            },
        )
        conn.commit()
    return tally


def _load_object(loading: _Loading, database: Background) -> None:
    """One object in one transaction: its rows, its rejects and its ledger row, or nothing."""
    try:
        with loading.stream() as stream:
            database.submit(loading.open)
            loading.read(stream, database)
    except ObjectGone:
        # deleted between listing and reading: nothing to load, and nothing on record to undo
        loading.tally.objects["gone"] += 1
        return
    database.submit(loading.close)


class _Loading:
    """The loading of one object, inside one transaction of ``conn``.

    ``read`` works in the caller's thread, ``open``, the copying and ``close`` in the database's.
    """

    def __init__(
        self,
        conn: Connection,
        ctx: RunContext,
        name: str,
        object_id: int,
        listed: LakeObject,
        tally: Tally,
    ) -> None:
        self.tally = tally
        self._rows = 0
        self._undated = 0
        self._rejected: Counter[str] = Counter()
        self._reason: str | None = None
        self._conn = conn
        self._ctx = ctx
        self._name = name
        self._source = ctx.config.sources[name]
        self._table = self._source.table
        self._object_id = object_id
        self._listed = listed

    def stream(self) -> AbstractContextManager[Any]:
        """The bytes of the object; raises ObjectGone."""
        return self._ctx.lake.open(self._listed.key)

    def open(self) -> None:
        """Supersede what the key held before and write the ledger row."""
        self._conn.execute(query(_FILE, "commit_later"))
        self._conn.execute(
            query(_FILE, "supersede"),
            {"object_key": self._listed.key, "run_id": self._ctx.run_id},
        )
        self._conn.execute(
            query(_FILE, "open_object"),
            {
                "object_id": self._object_id,
                "source": self._name,
                "object_key": self._listed.key,
                "etag": self._listed.etag,
                "size_bytes": self._listed.size,
                "last_modified": self._listed.last_modified,
                "object_at": self._listed.at,
                "run_id": self._ctx.run_id,
            },
        )

    def read(self, stream: Any, database: Background) -> None:
        """Give the lines of the object to the database, to raw or to quarantine."""
        limits = self._ctx.config.ingestion
        records = reader(self._source)
        lines = read_lines(
            stream,
            gzipped=self._listed.key.endswith(".gz"),
            max_bytes=limits.max_line_bytes,
        )
        try:
            for piece in lines:
                batch = records(piece)
                self._count(batch)
                database.submit(partial(self._copy, self._rows_of(batch), self._rejects_of(batch)))
        except CorruptObject as error:
            self._reason = str(error)
        bad = sum(self._rejected.values())
        if self._reason is None and bad > limits.max_bad_share * (self._rows + bad):
            self._reason = (
                f"{bad} of {self._rows + bad} lines are bad, "
                f"more than max_bad_share = {limits.max_bad_share:g} allows"
            )

    def close(self) -> None:
        """Take a refused object out again, write the outcome into the ledger, commit and count."""
        state = "LOADED" if self._reason is None else "REJECTED"
        if self._reason is not None:
            bulk.execute(
                self._conn,
                load(_FILE)["drop_rows"],
                (self._object_id,),
                table=bulk.identifier("raw", self._table),
            )
        self._conn.execute(
            query(_FILE, "close_object"),
            {
                "object_id": self._object_id,
                "state": state,
                "reason": self._reason,
                "rows_n": self._rows,
                "rejected_n": sum(self._rejected.values()),
            },
        )
        self._conn.commit()
        tally = self.tally
        tally.objects[state.lower()] += 1
        tally.rejected.update(self._rejected)
        tally.undated += self._undated
        if self._reason is None:
            tally.rows += self._rows
        else:
            tally.refused[self._listed.key] = self._reason

    def _count(self, batch: Batch) -> None:
        self._rows += len(batch.numbers)
        if self._source.event_time is not None:
            self._undated += batch.event_at.count(None)
        self._rejected.update(why.reason for _, _, why in batch.rejected)

    def _copy(self, rows: bytes, rejects: bytes) -> None:
        if rows:
            target = ("raw", self._table)
            bulk.copy_in(self._conn, target, _COLUMNS, io.BytesIO(rows), options="FORMAT binary")
        if rejects:
            target = ("raw", "rejected_lines")
            data = io.BytesIO(rejects)
            bulk.copy_in(self._conn, target, _REJECT_COLUMNS, data, options=_REJECT_COPY)

    def _rows_of(self, batch: Batch) -> bytes:
        if not batch.numbers:
            return b""
        return as_copy(
            batch, object_id=self._object_id, run_id=self._ctx.run_id, fallback=self._listed.at
        )

    def _rejects_of(self, batch: Batch) -> bytes:
        return b"".join(self._quarantined(*rejected) for rejected in batch.rejected)

    def _quarantined(self, number: int, content: bytes, why: Rejection) -> bytes:
        fields = (
            str(self._object_id),
            str(number),
            self._name,
            why.reason,
            (why.detail or "").translate(dict.fromkeys(range(32), " ")),
            "\\x" + content.rstrip(b"\r").hex(),
            str(self._ctx.run_id),
        )
        return "\x01".join(fields).encode() + b"\n"


if __name__ == "__main__":
    from mdm.standalone import main

    main("ingestion")
