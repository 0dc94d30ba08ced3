"""From rows to files: CSV, Parquet, a DuckDB database, an Excel workbook."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

import duckdb
from duckdb import (
    CaseExpression,
    ColumnExpression,
    ConstantExpression,
    DuckDBPyConnection,
    DuckDBPyRelation,
    Expression,
    FunctionExpression,
)

from mdm.errors import MdmError
from mdm.exports.excel import Workbook

Format = Literal["csv", "parquet", "duckdb", "excel"]
#: How a file of each format ends; the first ending is the one exports give.
ENDINGS: Final[dict[Format, tuple[str, ...]]] = {
    "csv": (".csv",),
    "parquet": (".parquet",),
    "duckdb": (".duckdb", ".ddb", ".db"),
    "excel": (".xlsx",),
}
#: Formats of which one file holds several datasets.
HOLDS_SEVERAL: Final = ("duckdb", "excel")
_MEMORY: Final = "512MB"
_VIEW: Final = "exported_rows"
_BATCH: Final = 5_000
# What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection").
_FORMULA: Final = "^[=+@\\t\\r-]"

Rows = Callable[[DuckDBPyConnection], contextlib.AbstractContextManager[DuckDBPyRelation]]


class ExportFailed(MdmError):
    """Rows could not be written; the target is as it was."""


@contextlib.contextmanager
def database(spill: Path, file: Path | None = None) -> Iterator[DuckDBPyConnection]:
    """A DuckDB database in ``file``, or in memory, that keeps what memory cannot in ``spill``.

    Its errors quote rows, so they end here: ExportFailed says what kind of error it was.
    """
    try:
        with duckdb.connect(
            str(file or ":memory:"),
            config={"memory_limit": _MEMORY, "threads": "2", "temp_directory": str(spill)},
        ) as duck:
            duck.execute("SET TimeZone = 'UTC'")
            yield duck
    except duckdb.IOException as error:  # speaks of files, not of rows
        raise ExportFailed(
            f"the rows could not be written: {error}. Nothing was exported."
        ) from error
    except duckdb.Error as error:
        raise ExportFailed(
            f"the rows could not be written ({type(error).__name__}). Nothing was exported."
        ) from error


def write_csv(
    duck: DuckDBPyConnection,
    rows: Rows,
    target: Path,
    *,
    partition_by: Sequence[str] = (),
    excel_safe: bool = False,
) -> int:
    """Rows written as CSV: UTF-8, a header, ``""`` for an empty text, nothing for no value."""
    with rows(duck) as relation:
        shown = relation.select(
            *(
                _for_csv(name, str(kind), excel_safe=excel_safe)
                for name, kind in zip(relation.columns, relation.types, strict=True)
            )
        )
        return _copy(duck, shown, target, "FORMAT csv, HEADER", partition_by)


def write_parquet(
    duck: DuckDBPyConnection, rows: Rows, target: Path, *, partition_by: Sequence[str] = ()
) -> int:
    """Rows written as Parquet; ids and JSON are text there, which every reader understands."""
    with rows(duck) as relation:
        shown = relation.select(
            *(
                ColumnExpression(name).cast("VARCHAR").alias(name)
                if str(kind) in ("UUID", "JSON")
                else ColumnExpression(name)
                for name, kind in zip(relation.columns, relation.types, strict=True)
            )
        )
        return _copy(duck, shown, target, "FORMAT parquet, COMPRESSION zstd", partition_by)


def write_table(duck: DuckDBPyConnection, rows: Rows, name: str) -> int:
    """Rows written to a new table of a DuckDB database."""
    with rows(duck) as relation:
        relation.create(name)
    return len(duck.table(name))


def create_golden_view(duck: DuckDBPyConnection, further: Sequence[str]) -> None:
    """The view ``golden_customers``: attributes under plain names, further ones as columns."""
    customers = duck.table("customers")
    columns = [
        ColumnExpression(name).alias(name.removeprefix("canonical_"))
        for name in customers.columns
        if name != "extra"
    ]
    extras = [
        FunctionExpression(
            "json_extract_string", ColumnExpression("extra"), ConstantExpression(f'$."{name}"')
        ).alias(name)
        for name in further
    ]
    customers.select(*columns, *extras).create_view("golden_customers")


def write_sheet(duck: DuckDBPyConnection, rows: Rows, book: Workbook, name: str) -> int:
    """Rows written to a new sheet of a workbook."""
    with rows(duck) as relation:
        columns = list(relation.columns)
        shown = relation.select(
            *(
                ColumnExpression(column).cast("TIMESTAMP").alias(column)
                if str(kind) == "TIMESTAMP WITH TIME ZONE"
                else ColumnExpression(column)
                for column, kind in zip(columns, relation.types, strict=True)
            )
        )
        shown.create_view(_VIEW, replace=True)
        found = duck.execute(f"FROM {_VIEW}")
        written = book.add(name, columns, iter(lambda: found.fetchmany(_BATCH), []))
        duck.execute(f"DROP VIEW {_VIEW}")
        return written


def _copy(
    duck: DuckDBPyConnection,
    relation: DuckDBPyRelation,
    target: Path,
    options: str,
    partition_by: Sequence[str],
) -> int:
    """Rows that DuckDB's COPY wrote."""
    relation.create_view(_VIEW, replace=True)
    if partition_by:
        names = ", ".join('"' + name.replace('"', '""') + '"' for name in partition_by)
        # the column stays in the files: read back from folder names, "01" would be the number 1
        options += f", PARTITION_BY ({names}), WRITE_PARTITION_COLUMNS true"
    copied = duck.execute(f"COPY (FROM {_VIEW}) TO $1 ({options})", [str(target)]).fetchone()
    duck.execute(f"DROP VIEW {_VIEW}")
    return int(copied[0]) if copied else 0


def _for_csv(name: str, kind: str, *, excel_safe: bool) -> Expression:
    column = ColumnExpression(name)
    if kind.endswith("[]"):
        return FunctionExpression("to_json", column).cast("VARCHAR").alias(name)
    if excel_safe and kind in ("VARCHAR", "JSON"):
        risky = FunctionExpression("regexp_matches", column, ConstantExpression(_FORMULA))
        quoted = FunctionExpression("concat", ConstantExpression("'"), column)
        return CaseExpression(risky, quoted).otherwise(column).alias(name)
    return column
