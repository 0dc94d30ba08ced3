"""A first load leaves a table as it was but for the rows: every key and index is back."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from db.first_load import first_load

TABLES = ("gold.dim_customers_history", "gold.layer_state")


def keys(conn: Connection) -> list[str]:
    """Indexes and constraints of the tables, as the server writes them."""
    found = text(
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index "
        "WHERE indrelid = ANY (CAST(:tables AS regclass[])) "
        "UNION ALL SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = ANY (CAST(:tables AS regclass[])) ORDER BY 1"
    )
    return list(conn.execute(found, {"tables": list(TABLES)}).scalars())


def test_keys_are_back_behind_the_rows(conn: Connection) -> None:
    before = keys(conn)
    with first_load(conn, *TABLES) as is_first:
        assert is_first
        assert len(keys(conn)) < len(before)
        conn.execute(text("INSERT INTO gold.layer_state VALUES ('golden', 1, '{}')"))
    assert keys(conn) == before
    assert conn.execute(text("SELECT count(*) FROM gold.layer_state")).scalar_one() == 1


def test_what_breaks_a_key_is_refused_behind_the_rows(conn: Connection) -> None:
    twice = "SELECT 'golden', n, '{}' FROM generate_series(1, 2) AS n"
    with (
        pytest.raises(IntegrityError),
        conn.begin_nested(),
        first_load(conn, "gold.layer_state"),
    ):
        conn.execute(text(f"INSERT INTO gold.layer_state {twice}"))
    assert conn.execute(text("SELECT count(*) FROM gold.layer_state")).scalar_one() == 0


@pytest.mark.parametrize("due", [True, False])
def test_a_table_with_rows_or_not_due_is_left_alone(conn: Connection, due: bool) -> None:
    before = keys(conn)
    if due:
        conn.execute(text("INSERT INTO gold.layer_state VALUES ('golden', 1, '{}')"))
    with first_load(conn, *TABLES, due=due) as is_first:
        assert not is_first
        assert keys(conn) == before
