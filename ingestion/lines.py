"""The lines of a lake object, and what one line is: a record with its id and time, or a reason."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, InvalidOperation
from typing import Any, NamedTuple, Protocol

import orjson

from mdm.config import Source
from mdm.errors import MdmError

# PostgreSQL takes in one chunk while the next is read, so the first of an object is a small one.
_FIRST_CHUNK, _CHUNK = 1 << 18, 1 << 21
_KEPT_OF_A_LONG_LINE = 1 << 16
_CONTROL = dict.fromkeys(range(32))
_EXACTLY = Context(prec=MAX_PREC, Emin=MIN_EMIN, Emax=MAX_EMAX)


class CorruptObject(MdmError):
    """An object's bytes cannot be read as what its name says (a truncated gzip, for example)."""


class Readable(Protocol):
    """A binary stream."""

    def read(self, size: int = -1, /) -> bytes: ...


class Lines(NamedTuple):
    """Physical lines of an object and their numbers from 1; ``too_long`` ones lack their ends."""

    numbers: Sequence[int]
    contents: list[bytes]
    too_long: bool = False


class Record(NamedTuple):
    """A valid line: what raw keeps of it besides the payload itself."""

    source_record_id: str
    event_at: datetime | None
    is_deleted: bool


class Rejection(NamedTuple):
    """Why a line is no record: a reason to count by and a detail to look at."""

    reason: str
    detail: str | None = None


def read_lines(stream: Readable, *, gzipped: bool, max_bytes: int) -> Iterator[Lines]:
    """The non-blank lines of an object, a few megabytes at a time, in bounded memory.

    A byte order mark and carriage returns at line ends are not part of a line. Raises
    CorruptObject when a gzip stream is damaged or ends early.
    """
    source: Any = gzip.GzipFile(fileobj=stream) if gzipped else stream  # type: ignore[call-overload]
    number, rest, skipping = 1, b"", False
    first, size = True, _FIRST_CHUNK
    while True:
        try:
            chunk = source.read(size)
            size = min(2 * size, _CHUNK)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise CorruptObject(f"damaged gzip: {error}") from error
        if first:
            chunk, first = chunk.removeprefix(b"\xef\xbb\xbf"), False
        if not chunk:
            break
        pieces = chunk.split(b"\n")
        if skipping and len(pieces) > 1:
            pieces, skipping, rest = pieces[1:], False, b""
        if skipping:
            continue
        pieces[0] = rest + pieces[0]
        rest = pieces.pop()
        yield from _filled(number, pieces, max_bytes)
        number += len(pieces)
        if len(rest) > max_bytes:
            yield Lines([number], [rest[:_KEPT_OF_A_LONG_LINE]], too_long=True)
            number += 1
            rest, skipping = b"", True
    if rest and not rest.isspace():
        yield Lines([number], [rest])


def _filled(first: int, contents: list[bytes], max_bytes: int) -> Iterator[Lines]:
    """The lines ``contents`` from number ``first`` on without blank ones, overlong ones apart."""
    if not contents:
        return
    blank = not all(contents) or any(map(bytes.isspace, contents))
    if not blank and max(map(len, contents)) <= max_bytes:
        yield Lines(range(first, first + len(contents)), contents)
        return
    numbers: list[int] = []
    kept: list[bytes] = []
    for number, content in enumerate(contents, first):
        if not content or content.isspace():
            continue
        if len(content) > max_bytes:
            yield Lines([number], [content[:_KEPT_OF_A_LONG_LINE]], too_long=True)
        else:
            numbers.append(number)
            kept.append(content)
    if kept:
        yield Lines(numbers, kept)


def parser(source: Source) -> Callable[[bytes], Record | Rejection]:
    """A function that reads one line as a record of ``source``."""
    id_path = source.record_id.split(".")
    time_path = source.event_time.split(".") if source.event_time else None
    date_order = source.date_order or "DMY"

    def parse(line: bytes) -> Record | Rejection:
        try:
            document = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            return _why_not_json(line, error)
        if type(document) is not dict:
            return Rejection("not an object", f"a JSON {type(document).__name__}")
        record_id = value_at(document, id_path)
        if type(record_id) in (bool, dict, list):
            kind = type(record_id).__name__
            return Rejection("no record id", f"{source.record_id} is a JSON {kind}")
        if type(record_id) is not str:
            record_id = _id_text(record_id, line, id_path)
        record_id = record_id.strip() if record_id else ""
        if not record_id:
            return Rejection("no record id", f"{source.record_id} is missing or empty")
        # control characters in ids are always an accident, and COPY uses two of them as marks
        if not record_id.isprintable() and record_id.translate(_CONTROL) != record_id:
            return Rejection("record id with control characters", source.record_id)
        if b"\\u0000" in line and _holds_nul(document):
            return Rejection("NUL character", "PostgreSQL text cannot hold U+0000")
        event_at = None
        if time_path is not None:
            event_at = instant(value_at(document, time_path), date_order)
        return Record(record_id, event_at, document.get("_deleted") is True)

    return parse


def value_at(document: dict[str, Any], path: list[str]) -> Any:
    """What stands at ``path`` in a parsed line, or under a key with these dots in its own name.

    None where there is neither.
    """
    value: Any = document
    for part in path:
        value = value.get(part) if type(value) is dict else None
    return document.get(".".join(path)) if value is None and len(path) > 1 else value


def _id_text(value: Any, line: bytes, path: list[str]) -> str | None:
    """A numeric id, one text for equal numbers: 1, 1.0 and 10e-1 are 1, to the last digit."""
    if value is None:
        return None
    if type(value) is int:
        return str(value)
    # a float has too few digits to tell all numbers apart
    written = str(value_at(json.loads(line, parse_float=str, parse_int=str), path))
    try:
        number = Decimal(written).normalize(_EXACTLY)
    except InvalidOperation:  # an exponent of nineteen digits: no number that anything counts in
        return written
    if number.is_zero():
        return "0"
    is_whole = number == number.to_integral_value()
    return format(number, "f") if is_whole else str(number)


def _why_not_json(line: bytes, error: orjson.JSONDecodeError) -> Rejection:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as wrong:
        return Rejection("invalid UTF-8", f"byte {wrong.start + 1}: {wrong.reason}")
    return Rejection("not JSON", f"column {error.colno}: {error.msg.partition(':')[0]}")


def _holds_nul(document: Any) -> bool:
    waiting = [document]  # a stack of our own: a line may nest deeper than Python recurses
    while waiting:
        value = waiting.pop()
        if type(value) is str:
            if "\x00" in value:
                return True
        elif type(value) is dict:
            waiting.extend(value)
            waiting.extend(value.values())
        elif type(value) is list:
            waiting.extend(value)
    return False


_FORMATS = {
    "DMY": ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y"),
    "MDY": ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y"),
    "YMD": ("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d"),
}
_EPOCH_MS = 100_000_000_000  # seconds up to the year 5138; what is above counts milliseconds


def instant(value: Any, date_order: str) -> datetime | None:
    """``value`` as an instant in UTC; None when it cannot be read as a time.

    Reads ISO 8601, seconds or milliseconds since 1970, and dates in the source's order. A time
    without zone is UTC.
    """
    if type(value) is str:
        try:
            return _utc(datetime.fromisoformat(value))
        except ValueError:
            pass
        text = value.strip().replace(".", "/").replace("-", "/")
        for form in _FORMATS[date_order]:
            try:
                return _utc(datetime.strptime(text, form))
            except ValueError:
                continue
        if not text.isdigit():
            return None
        value = int(text)
    if type(value) in (int, float):
        seconds = value / 1000 if abs(value) >= _EPOCH_MS else value
        try:
            return datetime.fromtimestamp(seconds, UTC)
        except (OverflowError, OSError, ValueError):
            return None
    return None


def _utc(moment: datetime) -> datetime | None:
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None
