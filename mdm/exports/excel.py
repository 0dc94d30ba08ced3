"""An Excel workbook, a sheet per dataset, written row by row.

Excel knows no time zones (instants are UTC), no dates before 1900 (they become text), 1,048,576
rows a sheet and 32,767 signs a cell. What does not fit is refused: a workbook that silently lost
rows or ends of texts would be worse than none. Texts are written as texts, never as formulas,
links or numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson
import xlsxwriter

from mdm.errors import UsageError

MAX_ROWS: Final = 1_048_576 - 1  # without the header
MAX_CELL: Final = 32_767
_FIRST_DATE = date(1900, 3, 1)  # before, Excel counts a 29 February that never was


class Workbook:
    """A workbook being written; ``close`` makes it a file."""

    def __init__(self, path: Path) -> None:
        self._book = xlsxwriter.Workbook(
            str(path),
            {
                "constant_memory": True,
                "strings_to_formulas": False,
                "strings_to_numbers": False,
                "strings_to_urls": False,
            },
        )
        self._bold = self._book.add_format({"bold": True})
        self._date = self._book.add_format({"num_format": "yyyy-mm-dd"})
        self._instant = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})

    def add(self, name: str, columns: Sequence[str], batches: Iterable[list[Any]]) -> int:
        """Rows written to a new sheet, instants without a zone.

        Raises UsageError for a text that no cell can hold.
        """
        sheet = self._book.add_worksheet(name)
        sheet.freeze_panes(1, 0)
        for position, column in enumerate(columns):
            sheet.write_string(0, position, column, self._bold)
        line = 0
        for batch in batches:
            for values in batch:
                line += 1
                if line > MAX_ROWS:
                    raise UsageError(too_many(name, line))
                for position, value in enumerate(values):
                    if value is not None:
                        self._write(sheet, name, line, position, value)
        return line

    def close(self) -> None:
        """Write the file. Raises OSError."""
        try:
            self._book.close()
        except xlsxwriter.exceptions.FileCreateError as error:
            raise OSError(str(error)) from error

    def _write(self, sheet: Any, name: str, line: int, position: int, value: Any) -> None:
        if isinstance(value, datetime):
            sheet.write_datetime(line, position, value, self._instant)
        elif isinstance(value, date) and value >= _FIRST_DATE:
            sheet.write_datetime(line, position, value, self._date)
        elif isinstance(value, bool):
            sheet.write_boolean(line, position, value)
        elif isinstance(value, int | float | Decimal) and -(2**53) < value < 2**53:
            sheet.write_number(line, position, value)
        else:
            written = _text(value)
            if len(written) > MAX_CELL:
                raise UsageError(
                    f"{name}, row {line}: a text of {len(written):,} signs; a cell of Excel holds "
                    f"{MAX_CELL:,}. Export to csv, parquet or duckdb."
                )
            sheet.write_string(line, position, written)


def too_many(name: str, rows: int) -> str:
    """The sentence about a dataset that is too long for a sheet."""
    return (
        f"{name} has {rows:,} rows or more; a sheet of Excel holds {MAX_ROWS:,}. "
        "Export to csv, parquet or duckdb."
    )


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    if isinstance(value, list):
        return orjson.dumps(value).decode()
    return str(value) if isinstance(value, UUID) else f"{value}"
