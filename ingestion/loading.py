"""The loading of one lake object: its lines to raw or to quarantine, its outcome to the ledger."""

from __future__ import annotations

import dataclasses
import io
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Connection

from db import bulk
from db.queries import load, query
from ingestion import drift
from ingestion.background import Background
from ingestion.lines import CorruptObject, Rejection, read_lines
from ingestion.records import Batch, as_copy, reader
from mdm.lake import LakeObject
from mdm.phases import RunContext

if TYPE_CHECKING:
    from ingestion.contracts import Judge
    from ingestion.fields import Watch

_FILE = "ingestion/ingestion.sql"
_COLUMNS = (
    "object_id", "line_no", "run_id", "source_record_id", "event_at", "is_deleted", "payload",
)  # fmt: skip
_REJECT_COLUMNS = ("object_id", "line_no", "source", "reason", "detail", "line", "run_id")
# Control characters never get into the fields of a rejected line, so these two need no escaping.
_REJECT_COPY = "FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02'"


@dataclasses.dataclass
class Tally:
    """Counts of one source in one run."""

    objects: Counter[str] = dataclasses.field(default_factory=Counter)
    rows: int = 0
    rejected: Counter[str] = dataclasses.field(default_factory=Counter)
    undated: int = 0
    refused: dict[str, str] = dataclasses.field(default_factory=dict)
    #: What a contract has to say of the run: stopped, waiting_objects, fields, overdue_hours.
    contract: dict[str, object] = dataclasses.field(default_factory=dict)

    def as_detail(self) -> dict[str, object]:
        """The counts for the phase report."""
        return {
            "objects": dict(self.objects),
            "rows": self.rows,
            "rejected": dict(self.rejected),
            "event_time_unreadable": self.undated,
            "refused_objects": self.refused,
        } | ({"contract": self.contract} if self.contract else {})


class Loading:
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
        judged_by: str,
        tally: Tally,
    ) -> None:
        self.tally = tally
        self.rows = 0
        self.rejected: Counter[str] = Counter()
        #: Why its bytes cannot be read as what its name says.
        self.corrupt: str | None = None
        #: The latest event time; only known of sources with a contract.
        self.newest: datetime | None = None
        self._undated = 0
        self._fields: Watch | None = None
        self._conn = conn
        self._ctx = ctx
        self._name = name
        self._source = ctx.config.sources[name]
        self._table = self._source.table
        self._object_id = object_id
        self._listed = listed
        self._judged_by = judged_by

    def stream(self) -> AbstractContextManager[Any]:
        """The bytes of the object; raises ObjectGone."""
        return self._ctx.lake.open(self._listed.key)

    def open(self) -> None:
        """Supersede what the key held before and write the ledger row."""
        self._conn.execute(query(_FILE, "commit_later"))
        self._conn.execute(
            query(_FILE, "supersede"),
            {
                "object_key": self._listed.key,
                "etag": self._listed.etag,
                "run_id": self._ctx.run_id,
            },
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
                "judged_by": self._judged_by,
            },
        )

    def read(self, stream: Any, database: Background, judge: Judge | None) -> None:
        """Give the lines of the object to the database, to raw or to quarantine."""
        records = reader(self._source)
        lines = read_lines(
            stream,
            gzipped=self._listed.key.endswith(".gz"),
            max_bytes=self._ctx.config.ingestion.max_line_bytes,
        )
        try:
            for piece in lines:
                batch = records(piece)
                if judge is not None:
                    self._hold(batch, judge)
                self._add(batch)
                database.submit(partial(self._copy, self._rows_of(batch), self._rejects_of(batch)))
        except CorruptObject as error:
            self.corrupt = str(error)
        if judge is not None:
            self._fields = judge.end_object()

    def close(self, reason: str | None) -> None:
        """Write the outcome into the ledger; a refused object is taken out again."""
        if reason is not None:
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
                "state": _state(reason),
                "reason": reason,
                "rows_n": self.rows,
                "rejected_n": self.rejected.total(),
            },
        )
        if self._fields is not None:
            drift.record_fields(self._conn, self._object_id, self._fields)

    def commit(self) -> None:
        """End the transaction: the last object of a delivery does."""
        self._conn.commit()

    def count(self, reason: str | None) -> None:
        """Add the outcome to the tally, once it is committed."""
        tally = self.tally
        tally.objects[_state(reason).lower()] += 1
        tally.rejected.update(self.rejected)
        tally.undated += self._undated
        if reason is None:
            tally.rows += self.rows
        else:
            tally.refused[self._listed.key] = reason

    @property
    def at(self) -> datetime:
        """The hour of the object."""
        return self._listed.at

    def _hold(self, batch: Batch, judge: Judge) -> None:
        """Hold the records of ``batch`` against the contract; those that break it are rejected."""
        self.newest = max(filter(None, (self.newest, *batch.event_at)), default=None)
        documents = [orjson.loads(payload) for payload in batch.payloads]
        batch.reject(judge.judge(documents))

    def _add(self, batch: Batch) -> None:
        self.rows += len(batch.numbers)
        if self._source.event_time is not None:
            self._undated += batch.event_at.count(None)
        self.rejected.update(why.reason for _, _, why in batch.rejected)

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


def refusal(objects: Sequence[Loading], judge: Judge | None, *, max_bad_share: float) -> str | None:
    """Why a delivery of ``objects`` is refused as a whole; None when it is not."""
    if not objects:
        return None
    bad = sum(one.rejected.total() for one in objects)
    lines = bad + sum(one.rows for one in objects)
    reasons = [one.corrupt for one in objects if one.corrupt is not None]
    if judge is not None and not reasons:
        newest = max((one.newest for one in objects if one.newest is not None), default=None)
        at = max(one.at for one in objects)
        reasons += judge.faults(lines=lines, newest=newest, at=at)
    if not reasons and bad > max_bad_share * lines:
        reasons = [
            f"{bad} of {lines} lines are bad, more than max_bad_share = {max_bad_share:g} allows"
        ]
    return "; ".join(reasons) or None


def _state(reason: str | None) -> str:
    return "LOADED" if reason is None else "REJECTED"
