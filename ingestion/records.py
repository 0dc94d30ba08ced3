"""Many lines at once: the records among them by columns, and the reasons of the others.

Nearly all lines of nearly all objects are plain: JSON objects whose id is a text or an integer. A
block of such lines is read by a few passes over lists. A block with any other line in it is read
line by line by ``lines.parser``, which is the one place that says what a record is.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain, compress, repeat

import orjson

from ingestion.lines import Lines, Rejection, instant, parser, value_at
from mdm.config import Source

# Small, so that one odd line in a thousand leaves most blocks plain.
_BLOCK = 256
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL counts microseconds from here


@dataclass(slots=True)
class Batch:
    """The records of some lines by columns, and the rejected lines with their numbers."""

    numbers: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    event_at: list[datetime | None] = field(default_factory=list)
    is_deleted: list[bool] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    rejected: list[tuple[int, bytes, Rejection]] = field(default_factory=list)

    def reject(self, reasons: Mapping[int, Rejection]) -> None:
        """Make rejected lines of the records at the places that ``reasons`` names."""
        if not reasons:
            return
        self.rejected += [(self.numbers[n], self.payloads[n], why) for n, why in reasons.items()]
        kept = [place not in reasons for place in range(len(self.numbers))]
        self.numbers = list(compress(self.numbers, kept))
        self.ids = list(compress(self.ids, kept))
        self.event_at = list(compress(self.event_at, kept))
        self.is_deleted = list(compress(self.is_deleted, kept))
        self.payloads = list(compress(self.payloads, kept))


#: Ids, event times and delete marks of as many records.
_Columns = tuple[list[str], list[datetime | None], list[bool]]


def reader(source: Source) -> Callable[[Lines], Batch]:
    """A function that reads lines as records of ``source``."""
    parse = parser(source)
    read_plain = _plain_reader(source)

    def read(lines: Lines) -> Batch:
        batch = Batch()
        if lines.too_long:
            why = Rejection("line too long")
            batch.rejected = [
                (number, content, why)
                for number, content in zip(lines.numbers, lines.contents, strict=True)
            ]
            return batch
        for start in range(0, len(lines.contents), _BLOCK):
            numbers = lines.numbers[start : start + _BLOCK]
            contents = lines.contents[start : start + _BLOCK]
            columns = read_plain(contents)
            if columns is not None:
                batch.numbers += numbers
                batch.ids += columns[0]
                batch.event_at += columns[1]
                batch.is_deleted += columns[2]
                batch.payloads += map(bytes.strip, contents)
                continue
            for number, content in zip(numbers, contents, strict=True):
                found = parse(content)
                if isinstance(found, Rejection):
                    batch.rejected.append((number, content, found))
                else:
                    batch.numbers.append(number)
                    batch.ids.append(found.source_record_id)
                    batch.event_at.append(found.event_at)
                    batch.is_deleted.append(found.is_deleted)
                    batch.payloads.append(content.strip())
        return batch

    return read


def _plain_reader(source: Source) -> Callable[[list[bytes]], _Columns | None]:
    """A function that reads lines of which each is a plain record; None when one is not."""
    id_path = source.record_id.split(".")
    time_path = source.event_time.split(".") if source.event_time else None
    date_order = source.date_order or "DMY"

    def read(contents: list[bytes]) -> _Columns | None:
        try:
            documents = [orjson.loads(content) for content in contents]
            values = documents
            for key in id_path:
                values = [value[key] for value in values]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return None
        if not {*map(type, documents)} <= {dict} or not {*map(type, values)} <= {str, int}:
            return None
        ids = [str(value).strip() for value in values]
        if not all(ids) or not "".join(ids).isprintable():
            return None
        if any(b"\\u0000" in content for content in contents):
            return None
        times: Sequence[datetime | None] = [None] * len(ids)
        if time_path is not None:
            times = [instant(value_at(document, time_path), date_order) for document in documents]
        return ids, list(times), [document.get("_deleted") is True for document in documents]

    return read


def as_copy(batch: Batch, *, object_id: int, run_id: int, fallback: datetime) -> bytes:
    """The records of ``batch`` for COPY in the binary format, in the columns of a raw table.

    Binary costs as much to write as text and PostgreSQL a third less to read. A record without a
    time of its own has that of ``fallback``. The format is described in the PostgreSQL manual, on
    the page of COPY.
    """
    ids = [record_id.encode() for record_id in batch.ids]
    otherwise = _microseconds(fallback)
    times = [otherwise if at is None else _microseconds(at) for at in batch.event_at]
    heads = map(
        struct.Struct(">18si12si").pack,
        repeat(struct.pack(">hiqi", 7, 8, object_id, 4)),
        batch.numbers,
        repeat(struct.pack(">iq", 8, run_id)),
        map(len, ids),
    )
    tails = map(
        struct.Struct(">iqi?i").pack,
        repeat(8),
        times,
        repeat(1),
        batch.is_deleted,
        map(len, batch.payloads),
    )
    rows = zip(heads, ids, tails, batch.payloads, strict=True)
    start = (b"PGCOPY\n\xff\r\n\0", bytes(8))
    return b"".join(chain(start, chain.from_iterable(rows), (b"\xff\xff",)))


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
