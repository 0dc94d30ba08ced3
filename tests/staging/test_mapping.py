"""Fields of the configuration: paths, templates and lists, out of real JSON in PostgreSQL."""

from __future__ import annotations

import polars as pl
import pytest
from psycopg2 import sql
from sqlalchemy import Connection

from db import bulk
from staging.extraction import Extraction
from staging.mapping import FieldMapping

PATHS = [
    # payload, path, text
    ('{"a": "x"}', "a", "x"),
    ('{"a": {"b": {"c": "x"}}}', "a.b.c", "x"),
    ('{"a.b": "flat"}', "a.b", "flat"),
    ('{"a": {"b": "nested"}, "a.b": "flat"}', "a.b", "nested"),
    ('{"a": [{"b": "x"}, {"b": "y"}]}', "a.1.b", "y"),
    ('{"a": ["x", "y"]}', "a.0", "x"),
    ('{"a": 1e5}', "a", "1e5"),
    ('{"a": 12.50}', "a", "12.50"),
    ('{"a": 12345678901234567890123}', "a", "12345678901234567890123"),
    ('{"a": true}', "a", "true"),
    ('{"a": null}', "a", None),
    ('{"a": "x\\ty\\u00e4\\"q\\""}', "a", 'x\tyä"q"'),
    ('{"a": ["x", "y"]}', "a", '["x", "y"]'),
    # something else where an object is expected
    ('{"a": "text"}', "a.b", None),
    ('{"a": [1]}', "a.b", None),
    ('{"a": null}', "a.b.c", None),
    ("{}", "a.b", None),
    # names that SQL would stumble over
    ('{"a\\"; DROP TABLE x; --": "x"}', 'a"; DROP TABLE x; --', "x"),
    ('{"Größe %s :x {0}": "x"}', "Größe %s :x {0}", "x"),
    ('{"' + "k" * 70 + '": "x"}', "k" * 70, "x"),
    ('{"": "x"}', "", "x"),
]


def read(conn: Connection, payload: str, paths: dict[str, str]) -> tuple[str | None, ...]:
    extraction = Extraction(sql.SQL("payload"), paths)
    with bulk.cursor(conn) as cur:
        statement = sql.SQL("SELECT {} FROM (SELECT CAST({} AS json)) AS rows (payload) {}")
        cur.execute(statement.format(extraction.items, sql.Literal(payload), extraction.joins))
        row: tuple[str | None, ...] = cur.fetchone()
        return row


@pytest.mark.parametrize(("payload", "path", "expected"), PATHS)
def test_paths(conn: Connection, payload: str, path: str, expected: str | None) -> None:
    assert read(conn, payload, {path: "field_0"}) == (expected,)


def test_a_key_can_be_read_whole_and_below(conn: Connection) -> None:
    paths = {"a": "field_0", "a.b": "field_1", "c": "field_2"}
    assert read(conn, '{"a": {"b": 1}, "c": 2}', paths) == ('{"b": 1}', "1", "2")
    assert read(conn, '{"a": "plain"}', paths) == ("plain", None, None)


@pytest.mark.parametrize(
    ("spec", "row", "expected"),
    [
        ("a", {"a": "x"}, "x"),
        ("a", {"a": " "}, None),
        ("a", {"a": None}, None),
        ("{a} {b}", {"a": "12", "b": "Main St"}, "12 Main St"),
        ("{a} {b}", {"a": None, "b": "Main St"}, " Main St"),
        ("{a} {b}", {"a": "", "b": None}, None),
        ("{a}-{b}-{c}", {"a": "1986", "b": None, "c": None}, "1986--"),
        ("no. {a}", {"a": "7"}, "no. 7"),
        ("no. {a}", {"a": None}, None),
        (("a", "b"), {"a": None, "b": "y"}, "y"),
        (("a", "b"), {"a": " ", "b": "y"}, "y"),
        (("a", "{b} {c}"), {"a": None, "b": "y", "c": "z"}, "y z"),
        (("a", "b"), {"a": None, "b": None}, None),
    ],
)
def test_specs(
    spec: str | tuple[str, ...], row: dict[str, str | None], expected: str | None
) -> None:
    mapping = FieldMapping({"email": spec})
    fields = pl.DataFrame(
        {column: [row[path]] for path, column in mapping.columns.items()},
        schema=dict.fromkeys(mapping.columns.values(), pl.String),
    )
    assert fields.select(mapping.expressions()).to_dicts() == [{"email": expected}]
