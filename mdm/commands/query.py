"""``mdm sql`` and ``mdm psql``: looking at the warehouse."""

from __future__ import annotations

import os
import sys

import click
import orjson
from sqlalchemy.exc import DBAPIError

from db import bulk
from mdm import services
from mdm.app import App, pass_app
from mdm.errors import MdmError, UsageError


class QueryFailed(MdmError):
    """The database refused a query of the user's."""


@click.command("sql", epilog='Example:  mdm sql "SELECT count(*) FROM gold.dim_customers"')
@click.argument("statement")
@click.option("--csv", "as_csv", is_flag=True, help="CSV with a header instead of a table.")
@pass_app
def sql_command(app: App, statement: str, as_csv: bool) -> None:
    """Run one query on the warehouse and show its rows.

    A statement that gives none, such as INSERT, is carried out and told in psql's words.
    """
    statement = statement.strip().rstrip(";")
    if not statement:
        raise UsageError("the query is empty")
    with app.warehouse() as (warehouse, _), warehouse.engine.connect() as conn:
        cursor = bulk.cursor(conn)
        try:
            if as_csv:
                bulk.copy_out(conn, statement, sys.stdout.buffer)
            else:
                cursor.execute(statement)
                if cursor.description is not None:
                    names = [column.name for column in cursor.description]
                    click.echo(_table(names, cursor.fetchall()))
                else:
                    click.echo(cursor.statusmessage)
            conn.commit()
        except Exception as error:
            told = error.orig if isinstance(error, DBAPIError) else error
            if getattr(told, "pgcode", None) is None:
                raise
            raise QueryFailed(str(told).strip()) from error


def _cell(value: object) -> str:
    """One value as psql shows it."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "{" + ",".join(map(_cell, value)) + "}"
    if isinstance(value, memoryview):
        return f"\\x{value.hex()}"
    return orjson.dumps(value).decode() if isinstance(value, dict) else str(value)


def _table(names: list[str], rows: list[tuple[object, ...]]) -> str:
    """Rows as psql shows them: a header, a rule, values, a count."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max([len(name), *(len(row[i]) for row in cells)]) for i, name in enumerate(names)]
    lines = [" | ".join(name.ljust(width) for name, width in zip(names, widths, strict=True))]
    lines.append("-+-".join("-" * width for width in widths))
    lines += [
        " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    lines.append(f"({len(rows)} row{'' if len(rows) == 1 else 's'})")
    return "\n".join(lines)


@click.command(
    "psql", context_settings={"ignore_unknown_options": True}, epilog="Example:  mdm psql"
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@pass_app
def psql_command(app: App, arguments: tuple[str, ...]) -> None:
    """Open a psql session on the warehouse; further words go to psql."""
    with app.warehouse() as (warehouse, _):
        command, environment = services.psql(warehouse.endpoints)
    os.execve(command[0], [*command, *arguments], environment)
