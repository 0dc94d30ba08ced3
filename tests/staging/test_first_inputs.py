"""The first identity inputs: as any later ones, whole after a fault, and on two connections."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, text

from db.beside import sees_alone
from staging import run_identity_inputs, run_staging
from tests.staging.conftest import Warehouse

TABLES = ("staging.records", "staging.profiles", "staging.identity_inputs")
ANNA = {"name": "Anna Berg", "email": "anna@x.com"}
SWITCHBOARD = "info@acme.com"


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


def deliver(warehouse: Warehouse) -> None:
    """Records that share profiles, one that is deleted, and strangers with one e-mail address."""
    names = [f"{given} {family}" for given in ("Anna", "Bert", "Carl", "Dora")
             for family in ("Ernst", "Falk", "Graf")]  # fmt: skip
    warehouse.deliver("crm/1", {"id": "A", **ANNA}, {"id": "B", **ANNA}, {"id": "C", "name": "C"})
    warehouse.deliver("crm/2", {"id": "C", "_deleted": True, "at": 2})
    warehouse.deliver(
        "crm/3",
        *({"id": f"S{i}", "name": name, "email": SWITCHBOARD} for i, name in enumerate(names)),
        {"id": "T", "name": names[3]},
    )


def inputs(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    """The inputs with the content of their profiles instead of its id."""
    return warehouse.rows(
        "SELECT i.source_record_id, i.event_at, p.fingerprint, p.record_n, p.name, p.email"
        " FROM staging.identity_inputs AS i JOIN staging.profiles AS p USING (profile_id)"
        " ORDER BY i.source_record_id"
    )


@pytest.mark.parametrize("is_committed", [False, True])
def test_the_first_inputs_are_as_any_others(warehouse: Warehouse, is_committed: bool) -> None:
    """Committed records are worked on by two connections, others by their own."""
    before = shape(warehouse.conn)
    deliver(warehouse)
    if is_committed:
        warehouse.conn.commit()
    context = warehouse.make_context(warehouse.config)
    run_staging.run(warehouse.conn, context)
    if is_committed:
        warehouse.conn.commit()
    assert sees_alone(warehouse.conn) is not is_committed
    report = run_identity_inputs.run(warehouse.conn, context)
    warehouse.conn.commit()
    assert report.detail["profiles_added"] == len(warehouse.profiles()) == 13
    assert shape(warehouse.conn) == before
    found = inputs(warehouse)
    assert {email for *_, email in found} == {None, "anna@x.com"}
    assert [row[3] for row in found[-2:]] == [1, 2]  # T is as S3 without the shared address
    warehouse.stage(full=True)
    assert inputs(warehouse) == found
    ids = warehouse.rows("SELECT profile_id FROM staging.profiles ORDER BY 1")
    warehouse.deliver("crm/4", {"id": "N", "name": "Nora New", "at": 3})
    warehouse.stage()
    new = warehouse.rows("SELECT max(profile_id) FROM staging.profiles")
    assert new[0] > ids[-1]


def test_a_fault_between_the_two_commits_leaves_nothing_wrong(warehouse: Warehouse) -> None:
    deliver(warehouse)
    warehouse.stage()
    found = inputs(warehouse)
    warehouse.conn.execute(text("TRUNCATE staging.profiles"))
    warehouse.conn.execute(
        text("DELETE FROM staging.volatile_marker WHERE layer = 'identity_inputs'")
    )
    warehouse.conn.commit()
    warehouse.stage()
    assert inputs(warehouse) == found


def test_records_without_values_and_no_records_at_all(warehouse: Warehouse) -> None:
    warehouse.stage()
    assert inputs(warehouse) == []
    warehouse.deliver("crm/1", {"id": "A"}, {"id": "B", "_deleted": True})
    warehouse.stage()
    assert [row[0] for row in inputs(warehouse)] == ["A"]
