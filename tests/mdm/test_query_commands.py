"""``mdm sql``: looking at the warehouse, and saying something to it."""

from __future__ import annotations

from typing import Any

import pytest


def test_what_a_statement_writes_is_kept_and_told(mdm: Any) -> None:
    assert mdm("sql", "CREATE TABLE ops.scratch (n int)") == 0, mdm.err
    assert mdm("sql", "INSERT INTO ops.scratch VALUES (1), (2)") == 0, mdm.err
    assert mdm.out == "INSERT 0 2\n"
    assert mdm("sql", "DELETE FROM ops.scratch WHERE n = 1 RETURNING n", "--csv") == 0, mdm.err
    assert mdm.rows("SELECT n FROM ops.scratch") == [["2"]]
    assert mdm("sql", "INSERT INTO ops.scratch SELECT 3; SELECT 1 / 0") == 1
    assert mdm.rows("SELECT n FROM ops.scratch") == [["2"]]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("'\\xc3bc'::bytea", "\\xc3bc"),
        ("ARRAY['a', NULL]", "{a,}"),
        ("'{\"a\": 1}'::jsonb", '{"a":1}'),
        ("NULL", ""),
    ],
)
def test_a_value_looks_as_in_psql(mdm: Any, value: str, shown: str) -> None:
    assert mdm("sql", f"SELECT {value} AS value") == 0, mdm.err
    assert mdm.out.splitlines()[2].strip() == shown
