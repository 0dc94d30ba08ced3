"""CSV and TSV: every value as text exactly as written; leading zeros and ``1e5`` are ids.

The reading is the csv module's (C, strict about nothing that people export). DuckDB's reader costs
the same CPU per row once JSON is made of it, and refuses rows that are too short or too long or
have quotes inside, which here are kept as they are; Polars fills short rows without a word.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from mdm.errors import BadInput
from mdm.extracts.model import Extract, Options
from mdm.extracts.text import SAMPLE_BYTES, encoding_of

_DELIMITERS = ",;\t|"
#: A line behind the last one: a row of its own, unless a quote that nobody closed swallows it.
_END = "\0end\0"


@contextlib.contextmanager
def csv_extract(path: Path, stream: BinaryIO, options: Options, *, tabs: bool) -> Iterator[Extract]:
    """The records of a CSV file with a header line.

    A row that is too long keeps the rest as ``_overflow``, one that is too short has no value for
    its last columns, a blank line is none. Raises BadInput for a file without header, with binary
    content or with columns named twice.
    """
    sample = stream.read(SAMPLE_BYTES)
    stream.seek(0)
    encoding = encoding_of(path, sample, named=options.encoding)
    delimiter = (
        "\t"
        if tabs
        else _delimiter(sample.decode(encoding, errors="replace"), whole=len(sample) < SAMPLE_BYTES)
    )
    # the module's limit is one for the whole process
    csv.field_size_limit(options.max_line_bytes)
    with io.TextIOWrapper(stream, encoding=encoding, newline="") as text:
        reader = csv.reader(itertools.chain(text, [_END]), delimiter=delimiter)
        try:
            header = header_names(str(path), _whole(path, next(reader), reader))
        except csv.Error as error:
            raise BadInput(str(path), problem=f"no readable CSV: {error}") from error
        shown = "tab" if delimiter == "\t" else repr(delimiter)
        yield Extract(
            description=f"CSV, {encoding}, delimiter {shown}, {len(header)} columns",
            lines=_records(path, header, reader),
        )


def header_names(where: str, header: list[str]) -> list[str]:
    """The names of columns; one without a name is called by its place: ``_column_3``.

    Raises BadInput when there is no name at all or a name stands twice.
    """
    names = [name.strip() for name in header]
    if not any(names):
        raise BadInput(where, problem="empty: there is no header line")
    names = [name or f"_column_{place}" for place, name in enumerate(names, start=1)]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise BadInput(
            where,
            problem=f"columns named twice: {', '.join(twice)}",
            hint="Give each column a name of its own.",
        )
    return names


def _records(path: Path, header: list[str], reader: Any) -> Iterator[bytes]:
    width = len(header)
    try:
        for row in reader:
            if not row:
                continue
            if _END in row[-1]:
                _whole(path, row, reader)
                return
            record: dict[str, Any] = dict(zip(header, row, strict=False))
            if len(row) > width:
                # kept: a shifted line must not look like a whole one
                record["_overflow"] = row[width:]
            yield orjson.dumps(record)
    except csv.Error as error:
        raise BadInput(
            str(path),
            problem=f"no readable CSV near line {reader.line_num:,}: {error}",
            hint="Is a quote not closed?",
        ) from error


def _whole(path: Path, row: list[str], reader: Any) -> list[str]:
    """``row`` as it is, none at the end. Raises BadInput where the end is inside a quote."""
    if row == [_END]:
        return []
    if row and _END in row[-1]:
        begins = reader.line_num - sum(len(field.splitlines()) - 1 for field in row)
        raise BadInput(
            str(path),
            problem=f"a quote that opens near line {begins:,} is never closed",
            hint="All lines behind it would be one value.",
        )
    return row


def _delimiter(sample: str, *, whole: bool) -> str:
    """The delimiter by which most of the first rows are as wide as the header, and that is wide.

    The comma where there is one column only.
    """

    def fits(delimiter: str) -> tuple[float, int]:
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
        try:
            widths = [len(row) for row in itertools.islice(reader, 99) if row]
        except csv.Error:
            return 0.0, 0
        if not whole and len(widths) > 1:
            widths.pop()  # the last one of a sample may be cut
        if not widths or widths[0] < 2:
            return 0.0, 0
        return widths.count(widths[0]) / len(widths), widths[0]

    return max(_DELIMITERS, key=fits)
