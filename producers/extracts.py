"""Reading an extract: CSV, JSON or JSON lines, plain or gzipped, as bytes of JSON lines.

CSV values stay text exactly as written: leading zeros and ``1e5`` are ids, not numbers.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import charset_normalizer
import orjson

from mdm.errors import BadInput

_SAMPLE = 1 << 18
_DELIMITERS = ",;\t|"
_MAX_FIELD = 16 << 20
FORMATS: Final = ("csv", "tsv", "json", "jsonl", "ndjson")


@dataclass(frozen=True)
class Extract:
    """An extract being read: what was found out about it, and its lines as they come.

    ``lines`` are JSON objects as bytes without line ends; for JSON lines they are the file's own
    bytes, good or bad (ingestion judges them).
    """

    description: str
    lines: Iterator[bytes]


@contextlib.contextmanager
def open_extract(path: Path, *, json_path: str | None = None) -> Iterator[tuple[Extract, BinaryIO]]:
    """The extract in ``path`` and the file below it, whose position tells how far reading is.

    Raises BadInput when the file is not what its name says.
    """
    kind = _format(path)
    try:
        raw = path.open("rb")
    except OSError as error:
        raise BadInput(str(path), problem=error.strerror or "cannot be read") from error
    with contextlib.ExitStack() as open_files:
        open_files.enter_context(raw)
        stream: BinaryIO = raw
        if path.suffix.lower() == ".gz":
            stream = cast(BinaryIO, open_files.enter_context(gzip.GzipFile(fileobj=raw)))
        try:
            if kind == "json":
                extract = _json(path, stream, json_path)
            elif kind in ("jsonl", "ndjson"):
                extract = Extract("JSON lines", _json_lines(stream))
            else:
                delimiter = "\t" if kind == "tsv" else None
                text, extract = _csv(path, stream, delimiter)
                open_files.enter_context(text)
            yield extract, raw
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise BadInput(str(path), problem=f"damaged gzip: {error}") from error
        except UnicodeDecodeError as error:
            raise BadInput(
                str(path),
                problem=f"byte {error.object[error.start]:#x} is no {error.encoding}",
                hint="Convert the file to UTF-8 and load it again.",
            ) from error
        except csv.Error as error:
            raise BadInput(str(path), problem=f"no readable CSV: {error}") from error


def _format(path: Path) -> str:
    suffixes = [suffix.lower().lstrip(".") for suffix in path.suffixes]
    if suffixes and suffixes[-1] == "gz":
        suffixes.pop()
    if not suffixes or suffixes[-1] not in FORMATS:
        raise BadInput(
            str(path),
            problem="the ending does not name a known format",
            hint=f"Known: {', '.join('.' + name for name in FORMATS)}, each also with .gz.",
        )
    return suffixes[-1]


def _json_lines(stream: BinaryIO) -> Iterator[bytes]:
    first = True
    for line in stream:
        if first:
            line, first = line.removeprefix(b"\xef\xbb\xbf"), False
        line = line.strip()
        if line:
            yield line


def _json(path: Path, stream: BinaryIO, json_path: str | None) -> Extract:
    try:
        document = orjson.loads(stream.read().removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise BadInput(
            str(path),
            problem=f"not JSON (line {error.lineno}, column {error.colno})",
            hint="A file of one object per line is loaded under the ending .jsonl.",
        ) from error
    rows, where = _rows(path, document, json_path)
    return Extract(f"JSON, {len(rows):,} records {where}", map(orjson.dumps, rows))


def _rows(path: Path, document: Any, json_path: str | None) -> tuple[list[Any], str]:
    """The list of records in a JSON document, and where it was found."""
    if json_path is not None:
        found = document
        for part in json_path.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        if not isinstance(found, list):
            raise BadInput(str(path), problem=f"there is no list at {json_path!r}")
        return found, f"at {json_path}"
    if isinstance(document, list):
        return document, "at the top"
    lists = (
        [key for key, value in document.items() if _is_records(value)]
        if isinstance(document, dict)
        else []
    )
    if len(lists) == 1:
        return document[lists[0]], f"at {lists[0]}"
    raise BadInput(
        str(path),
        problem="there is no single list of records"
        + (f" but {', '.join(lists)}" if lists else ""),
        hint="Name the list: --path customers (dots for nested keys).",
    )


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


def _csv(path: Path, stream: BinaryIO, delimiter: str | None) -> tuple[io.TextIOWrapper, Extract]:
    """The text file over ``stream``, for the caller to close, and what is read from it."""
    sample = stream.read(_SAMPLE)
    stream.seek(0)
    if b"\x00" in sample and not sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadInput(str(path), problem="a binary file, not CSV")
    encoding = _encoding(path, sample)
    delimiter = delimiter or _delimiter(sample.decode(encoding, errors="replace"))
    csv.field_size_limit(_MAX_FIELD)
    text = io.TextIOWrapper(stream, encoding=encoding, newline="")
    reader = csv.reader(text, delimiter=delimiter)
    header = [name.strip() for name in next(reader, [])]
    twice = {name for name in header if header.count(name) > 1}
    problem = None
    if not any(header):
        problem = "empty: there is no header line"
    elif twice:
        problem = f"columns named twice: {', '.join(sorted(twice))}"
    if problem is not None:
        text.close()
        raise BadInput(str(path), problem=problem)
    shown = "tab" if delimiter == "\t" else repr(delimiter)
    description = f"CSV, {encoding}, delimiter {shown}, {len(header)} columns"
    return text, Extract(description, _csv_rows(header, reader))


def _csv_rows(header: list[str], reader: Iterator[list[str]]) -> Iterator[bytes]:
    width = len(header)
    for row in reader:
        if not row:
            continue
        record: dict[str, Any] = dict(zip(header, row, strict=False))
        if len(row) > width:
            record["_overflow"] = row[width:]  # kept: a shifted line must not look like a whole one
        yield orjson.dumps(record)


def _encoding(path: Path, sample: bytes) -> str:
    if sample.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig"
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        # an incomplete character at the end of the sample is no fault of the file
        sample[: sample.rfind(b"\n") + 1 or None].decode("utf-8")
    except UnicodeDecodeError:
        best = charset_normalizer.from_bytes(sample).best()
        if best is None:
            raise BadInput(str(path), problem="the text encoding cannot be told") from None
        # the Latin families differ in rare signs only; the one everybody exports is cp1252
        return (
            "cp1252" if best.encoding.startswith(("cp125", "latin", "iso8859")) else best.encoding
        )
    return "utf-8"


def _delimiter(sample: str) -> str:
    """The delimiter of the header line; the comma when there is one column only."""
    try:
        return csv.Sniffer().sniff(sample, delimiters=_DELIMITERS).delimiter
    except csv.Error:
        header = sample.partition("\n")[0]
        return max(_DELIMITERS, key=header.count)
