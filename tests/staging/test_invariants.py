"""What must hold of records and inputs is asked so that each way of breaking it is found."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from mdm import check
from tests.staging.conftest import Warehouse

HAVE_PROFILES, HAVE_RECORDS = "records_have_profiles", "inputs_have_records"
INPUT_OF_NOBODY = (
    "INSERT INTO staging.identity_inputs"
    " SELECT 999, 'crm', 'X', profile_id, event_at, change_seq FROM staging.identity_inputs LIMIT 1"
)
FIRST = "WHERE source_record_id = 'A'"


@pytest.mark.parametrize(
    ("damage", "broken"),
    [
        ("SELECT 1", set()),
        (f"DELETE FROM staging.identity_inputs {FIRST}", {HAVE_PROFILES}),
        (f"UPDATE staging.identity_inputs SET change_seq = 0 {FIRST}", {HAVE_PROFILES}),
        (f"UPDATE staging.identity_inputs SET profile_id = 999 {FIRST}", {HAVE_PROFILES}),
        ("DELETE FROM staging.profiles WHERE name LIKE 'b%'", {HAVE_PROFILES}),
        ("DELETE FROM staging.profiles", {HAVE_PROFILES}),
        (INPUT_OF_NOBODY, {HAVE_RECORDS}),
        (f"UPDATE staging.records SET is_deleted = true {FIRST}", {HAVE_RECORDS}),
        (f"DELETE FROM staging.identity_inputs {FIRST}; {INPUT_OF_NOBODY}", {HAVE_PROFILES}),
    ],
)
def test_damage_is_found(warehouse: Warehouse, damage: str, broken: set[str]) -> None:
    names = ("Anna Berg", "Bert Carlson", "Carl Dorn")
    warehouse.deliver(
        "crm/1", *({"id": id_, "name": name} for id_, name in zip("ABC", names, strict=True))
    )
    warehouse.stage()
    for statement in damage.split("; "):
        warehouse.conn.execute(text(statement))
    found = {
        invariant.name
        for invariant in check.invariants(["staging/invariants.sql"])
        if warehouse.conn.execute(text(invariant.sql)).all()
    }
    assert found == broken
