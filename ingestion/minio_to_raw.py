"""Phase 2: new lake objects into ``raw``, each with its ledger row in one transaction."""

from __future__ import annotations

import dataclasses
import io
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from db import bulk
from db.queries import load, query
from ingestion.lines import CorruptObject, Line, Record, Rejection, parser, read_lines
from mdm.config import Source
from mdm.lake import LakeObject, ObjectGone
from mdm.phases import PhaseReport, RunContext

_FILE = "ingestion/ingestion.sql"
_COLUMNS = (
    "object_id", "line_no", "run_id", "source_record_id", "event_at", "is_deleted", "payload",
)  # fmt: skip
_REJECT_COLUMNS = ("object_id", "line_no", "source", "reason", "detail", "line", "run_id")
_BATCH_BYTES = 2 << 20
# Valid JSON never holds a raw control character, so these two need no escaping in the payload.
_COPY = "FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02'"
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
        _ensure_index(conn, source)
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


def _ensure_index(conn: Connection, source: Source) -> None:
    bulk.execute(
        conn,
        load(_FILE)["index_source_table"],
        table=bulk.identifier("raw", source.table),
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
    with ctx.progress(f"loading {name}", sum(o.size for o in new), "B") as bar:
        for listed in new:
            _load_object(conn, ctx, name, source, listed, tally)
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


def _load_object(
    conn: Connection, ctx: RunContext, name: str, source: Source, listed: LakeObject, tally: Tally
) -> None:
    """One object in one transaction: its rows, its rejects and its ledger row, or nothing."""
    loading = _Loading(conn, ctx, name, source, listed)
    try:
        with ctx.lake.open(listed.key) as stream:
            loading.open()
            state = loading.read(stream)
    except ObjectGone:
        # deleted between listing and reading: nothing to load, and nothing on record to undo
        conn.rollback()
        tally.objects["gone"] += 1
        return
    conn.commit()
    tally.objects[state.lower()] += 1
    if loading.reason is not None:
        tally.refused[listed.key] = loading.reason
    tally.rejected.update(loading.rejected)
    tally.undated += loading.undated
    if state == "LOADED":
        tally.rows += loading.rows


class _Loading:
    """The loading of one object, inside one transaction of ``conn``."""

    def __init__(
        self, conn: Connection, ctx: RunContext, name: str, source: Source, listed: LakeObject
    ) -> None:
        self.rows = 0
        self.undated = 0
        self.rejected: Counter[str] = Counter()
        self.reason: str | None = None
        self._conn = conn
        self._ctx = ctx
        self._name = name
        self._source = source
        self._listed = listed
        self._object_id = 0
        self._parse = parser(source)

    def open(self) -> None:
        """Supersede what the key held before and write the ledger row."""
        self._conn.execute(query(_FILE, "commit_later"))
        self._conn.execute(
            query(_FILE, "supersede"),
            {"object_key": self._listed.key, "run_id": self._ctx.run_id},
        )
        self._object_id = self._conn.execute(
            query(_FILE, "open_object"),
            {
                "source": self._name,
                "object_key": self._listed.key,
                "etag": self._listed.etag,
                "size_bytes": self._listed.size,
                "last_modified": self._listed.last_modified,
                "object_at": self._listed.at,
                "run_id": self._ctx.run_id,
            },
        ).scalar_one()

    def read(self, stream: object) -> str:
        """The state the object ends in, after its lines went to raw and to quarantine."""
        limits = self._ctx.config.ingestion
        reason = None
        try:
            lines = read_lines(
                stream,  # type: ignore[arg-type]
                gzipped=self._listed.key.endswith(".gz"),
                max_bytes=limits.max_line_bytes,
            )
            self._load(_batches(lines))
        except CorruptObject as error:
            reason = str(error)
        bad = sum(self.rejected.values())
        if reason is None and bad > limits.max_bad_share * (self.rows + bad):
            reason = (
                f"{bad} of {self.rows + bad} lines are bad, "
                f"more than max_bad_share = {limits.max_bad_share:g} allows"
            )
        if reason is not None:
            bulk.execute(
                self._conn,
                load(_FILE)["drop_rows"],
                (self._object_id,),
                table=bulk.identifier("raw", self._source.table),
            )
        self.reason = reason
        state = "LOADED" if reason is None else "REJECTED"
        self._conn.execute(
            query(_FILE, "close_object"),
            {
                "object_id": self._object_id,
                "state": state,
                "reason": reason,
                "rows_n": self.rows,
                "rejected_n": bad,
            },
        )
        return state

    def _load(self, batches: Iterator[list[Line]]) -> None:
        """All batches into the database, which takes one in while the next is parsed.

        The connection belongs to the other thread meanwhile.
        """
        with ThreadPoolExecutor(max_workers=1) as other:
            copying: Future[None] | None = None
            for batch in batches:
                rows = self._parsed(batch)
                if copying is not None:
                    copying.result()
                copying = other.submit(self._copy, *rows)
            if copying is not None:
                copying.result()

    def _parsed(self, batch: list[Line]) -> tuple[bytes, bytes]:
        """The rows for raw and for quarantine that the lines of `batch` make."""
        object_id, run_id = self._object_id, self._ctx.run_id
        fallback = self._listed.at.isoformat()
        dated = self._source.event_time is not None
        good, bad = [], []
        for line in batch:
            content = line.content
            found = Rejection("line too long") if line.too_long else self._parse(content)
            if isinstance(found, Record):
                if dated and found.event_at is None:
                    self.undated += 1
                good.append(
                    b"%d\x01%d\x01%d\x01%b\x01%b\x01%b\x01%b\n"
                    % (
                        object_id,
                        line.number,
                        run_id,
                        found.source_record_id.encode(),
                        (found.event_at or fallback).encode(),
                        b"t" if found.is_deleted else b"f",
                        content.strip(),
                    )
                )
            else:
                bad.append(self._reject(line, found))
        self.rows += len(good)
        return b"".join(good), b"".join(bad)

    def _copy(self, good: bytes, bad: bytes) -> None:
        target = ("raw", self._source.table)
        if good:
            bulk.copy_in(self._conn, target, _COLUMNS, io.BytesIO(good), options=_COPY)
        if bad:
            rejected = ("raw", "rejected_lines")
            bulk.copy_in(self._conn, rejected, _REJECT_COLUMNS, io.BytesIO(bad), options=_COPY)

    def _reject(self, line: Line, why: Rejection) -> bytes:
        self.rejected[why.reason] += 1
        fields = (
            str(self._object_id),
            str(line.number),
            self._name,
            why.reason,
            (why.detail or "").translate(dict.fromkeys(range(32), " ")),
            "\\x" + line.content.rstrip(b"\r").hex(),
            str(self._ctx.run_id),
        )
        return "\x01".join(fields).encode() + b"\n"


def _batches(lines: Iterator[Line]) -> Iterator[list[Line]]:
    """``lines`` in lists of bounded size."""
    batch: list[Line] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line.content)
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


if __name__ == "__main__":
    from mdm.standalone import main

    main("ingestion")
