"""``docs/data_model.md``, written from the comments in the database, so that the two agree."""

from __future__ import annotations

import itertools
from typing import Any

from sqlalchemy import Connection, Row

from db.queries import query

_FILE = "db/data_model.sql"
_HEAD = """\
# Data model

Written from the comments in the database by `mdm data-model`; a test keeps the two equal. Each
table has one writer. Columns in **bold** are the key; *italic* ones are never empty.
"""
_RAW = """
### raw.&lt;table of a source&gt; (table)

One row per valid line of each lake object of the source, payload as it came; made by ingestion when
the source appears in `mdm.toml`. Whether a row counts is its object's state in `raw.lake_objects`.
Columns: **object_id**, **line_no**, *run_id*, *source_record_id*, *event_at*, *is_deleted*,
*payload* (json).
"""


def markdown(conn: Connection) -> str:
    """The page: every table, view and function of the five layers, with grain and columns."""
    columns = {
        key: list(rows)
        for key, rows in itertools.groupby(
            conn.execute(query(_FILE, "columns")), key=lambda row: (row.schema, row.relation)
        )
    }
    source_tables = {key for key, rows in columns.items() if _is_source_table(key, rows)}
    functions = conn.execute(query(_FILE, "functions")).all()
    parts = [_HEAD]
    relations = conn.execute(query(_FILE, "relations")).all()
    for schema, rows in itertools.groupby(relations, key=lambda row: row.schema):
        parts.append(f"\n## {schema}\n")
        for relation in rows:
            key = (relation.schema, relation.name)
            if key in source_tables:
                continue
            parts.append(f"\n### {relation.schema}.{relation.name} ({relation.kind})\n")
            parts.append(f"\n{relation.comment}\n")
            parts.append(f"\nColumns: {', '.join(map(_column, columns[key]))}.\n")
            notes = [c for c in columns[key] if c.comment]
            parts.extend(["\n", *(f"- `{c.name}`: {c.comment}\n" for c in notes)] if notes else [])
        if schema == "raw":
            parts.append(_RAW)
        for function in functions:
            if function.schema == schema and function.comment:
                parts.append(f"\n### {schema}.{function.name}({function.arguments})\n")
                parts.append(f"\n{function.comment}\n\nReturns: `{function.result}`.\n")
    return "".join(parts)


def _is_source_table(key: tuple[str, str], columns: list[Row[Any]]) -> bool:
    names = {column.name for column in columns}
    return key[0] == "raw" and {"payload", "source_record_id"} <= names


def _column(column: Row[Any]) -> str:
    name = str(column.name)
    if column.is_key:
        name = f"**{name}**"
    elif column.is_required:
        name = f"*{name}*"
    return f"{name} {column.type}"
