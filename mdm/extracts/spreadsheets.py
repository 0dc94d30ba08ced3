"""Excel and OpenDocument sheets, by fastexcel.

Every cell as text: a number that is an id gets no ``.0``, a text cell keeps its leading zeros, a
date is ISO however the sheet shows it. What only a number format shows (1067 as 01067) is not in
the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastexcel
import orjson
import polars as pl

from mdm.errors import BadInput
from mdm.extracts.csv_files import header_names
from mdm.extracts.model import Extract, Options

# A date without time is midnight to a spreadsheet, a time without date is on one of its days zero.
_MOMENT = r"^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)$"
_MIDNIGHT = " 00:00:00"
_DAYS_ZERO = ("1899-12-30", "1899-12-31")
_BATCH = 20_000


def sheet_extract(path: Path, options: Options) -> Extract:
    """The records of ``options.sheet``, or of the first sheet; its first filled row is the header.

    Empty rows are none. Raises BadInput for a damaged workbook, an unknown sheet and an empty one.
    """
    try:
        book = fastexcel.read_excel(path)
        name = _sheet(path, book.sheet_names, options.sheet)
        cells = book.load_sheet(name, header_row=None, dtypes="string").to_polars()
    except fastexcel.FastExcelError as error:
        reason = str(error).strip().splitlines()[0]
        raise BadInput(str(path), problem=f"no readable workbook: {reason}") from error
    header = header_names(f"{path}, sheet {name}", _header(cells))
    # columns beyond the last name are kept as a row's overflow, as those of a CSV line are
    width = max(
        (place for place, text in enumerate(_header(cells), start=1) if text.strip()), default=0
    )
    others = [other for other in book.sheet_names if other != name]
    more = f" (others: {', '.join(others)})" if others and options.sheet is None else ""
    return Extract(
        description=f"Excel, sheet {name!r}{more}, {width} columns",
        lines=_records(cells.slice(1), header[:width]),
        total=max(0, len(cells) - 1),
    )


def _sheet(path: Path, names: list[str], wanted: str | None) -> str:
    if not names:
        raise BadInput(str(path), problem="the workbook has no sheet")
    if wanted is None:
        return names[0]
    if wanted not in names:
        raise BadInput(
            str(path),
            problem=f"there is no sheet {wanted!r}",
            hint=f"Sheets: {', '.join(names)}.",
        )
    return wanted


def _header(cells: pl.DataFrame) -> list[str]:
    return [text or "" for text in cells.row(0)] if len(cells) else []


def _records(cells: pl.DataFrame, header: list[str]) -> Iterator[bytes]:
    width = len(header)
    readable = cells.with_columns(_iso(cells[column]) for column in cells.columns)
    for part in readable.iter_slices(_BATCH):
        for row in part.rows():
            if not any(row):
                continue
            record: dict[str, Any] = dict(zip(header, row[:width], strict=True))
            beyond = [text for text in row[width:] if text]
            if beyond:
                record["_overflow"] = beyond
            yield orjson.dumps(record)


def _iso(column: pl.Series) -> pl.Series:
    """``column`` with its moments in ISO 8601; dates without time where none has a time."""
    moments = column.str.extract_groups(_MOMENT).struct.unnest()
    day, time = moments.to_series(0), moments.to_series(1)
    is_moment = day.is_not_null()
    if not is_moment.any():
        return column
    only_days = bool((time.drop_nulls() == "00:00:00").all())
    shown = pl.select(
        pl.when(is_moment & day.is_in(_DAYS_ZERO) & (time != "00:00:00"))
        .then(time)
        .when(is_moment & only_days)
        .then(day)
        .when(is_moment)
        .then(day + "T" + time)
        .otherwise(column)
    )
    return shown.to_series().alias(column.name)
