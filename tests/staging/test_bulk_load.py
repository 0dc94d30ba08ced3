"""The first load of a table: bare meanwhile, whole afterwards, and whole after a fault too."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, text

from staging.bulk_load import first_load_of_records, without_indexes
from tests.staging.conftest import Warehouse

TABLES = ("staging.records", "staging.profiles", "staging.identity_inputs")


def shape(conn: Connection) -> list[tuple[Any, ...]]:
    """The indexes and constraints of the tables, by name and definition."""
    select = text(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = ANY (CAST(:tables AS regclass[]))"
        " UNION ALL SELECT indrelid::regclass::text, indexrelid::regclass::text,"
        " pg_get_indexdef(indexrelid) FROM pg_index"
        " WHERE indrelid = ANY (CAST(:tables AS regclass[])) ORDER BY 1, 2, 3"
    )
    return [tuple(row) for row in conn.execute(select, {"tables": list(TABLES)})]


def test_a_table_is_bare_while_it_is_loaded_and_as_before_afterwards(conn: Connection) -> None:
    before = shape(conn)
    with without_indexes(conn, *TABLES):
        assert not any(" INDEX " in definition for _, _, definition in shape(conn))
    assert shape(conn) == before


def test_a_fault_leaves_the_table_as_it_was(conn: Connection) -> None:
    before = shape(conn)
    conn.commit()
    with pytest.raises(ZeroDivisionError), without_indexes(conn, *TABLES):
        raise ZeroDivisionError
    conn.rollback()
    assert shape(conn) == before


def test_only_the_first_load_of_records_is_one(warehouse: Warehouse) -> None:
    before = shape(warehouse.conn)
    warehouse.deliver("a", {"id": "1", "name": "Ann Lee"})
    warehouse.stage()
    assert shape(warehouse.conn) == before
    with first_load_of_records(warehouse.conn) as is_first:
        assert not is_first
        assert shape(warehouse.conn) == before
