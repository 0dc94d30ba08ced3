"""Records into profiles: equal content is one profile, with an id that lasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.staging.conftest import Warehouse


ANNA = {"name": "Anna Berg", "email": "anna@x.com"}


def ids(warehouse: Warehouse) -> dict[str, int]:
    """Profile id by source record id."""
    return dict(
        warehouse.rows(
            "SELECT source_record_id, profile_id FROM staging.identity_inputs ORDER BY 1"
        )
    )


def test_equal_records_share_a_profile(warehouse: Warehouse) -> None:
    warehouse.deliver(
        "crm/1",
        {"id": "A", **ANNA},
        {"id": "B", "name": "ANNA  BERG", "email": "Anna@X.com"},
        {"id": "C", **ANNA, "job": "judge"},
    )
    warehouse.stage()
    found = ids(warehouse)
    assert found["A"] == found["B"] != found["C"]
    assert sorted(row[1:] for row in warehouse.profiles()) == [
        (1, "anna berg", "anna@x.com"),
        (2, "anna berg", "anna@x.com"),
    ]


def test_null_and_neighbouring_values_are_told_apart(warehouse: Warehouse) -> None:
    """No separator games: ("a", null) is not (null, "a"), and a comma is no boundary."""
    warehouse.deliver(
        "crm/1",
        {"id": "A", "city": "x y"},
        {"id": "B", "zip": "x1"},
        {"id": "C", "city": "x1"},
        {"id": "D", "city": "x", "job": "y"},
        {"id": "E", "city": "x,y"},
    )
    warehouse.stage()
    found = ids(warehouse)
    assert len({found[key] for key in "ABCD"}) == 4
    assert found["E"] == found["A"]  # both fold to "x y"


def test_a_profile_stays_while_any_record_has_it(warehouse: Warehouse) -> None:
    warehouse.deliver("crm/1", {"id": "A", **ANNA}, {"id": "B", **ANNA})
    warehouse.stage()
    first = ids(warehouse)["A"]
    warehouse.deliver("crm/2", {"id": "A", "name": "Anna Lind", "at": 2})
    warehouse.stage()
    assert ids(warehouse)["B"] == first
    assert ids(warehouse)["A"] != first
    warehouse.deliver("crm/3", {"id": "C", **ANNA}, {"id": "B", "_deleted": True, "at": 3})
    warehouse.stage()
    assert ids(warehouse)["C"] == first
    assert warehouse.rows("SELECT * FROM staging.retired_profiles") == []
    warehouse.deliver("crm/4", {"id": "C", "name": "Carl", "at": 4})
    warehouse.stage()
    assert [
        row[0] for row in warehouse.rows("SELECT profile_id FROM staging.retired_profiles")
    ] == [first]
    assert first not in ids(warehouse).values()
    assert all(row[1] == 1 for row in warehouse.profiles())


def test_a_change_that_standardises_away_keeps_the_profile_but_is_in_the_feed(
    warehouse: Warehouse,
) -> None:
    warehouse.deliver("crm/1", {"id": "A", **ANNA})
    warehouse.stage()
    before = warehouse.rows("SELECT profile_id, change_seq FROM staging.identity_inputs")
    warehouse.deliver("crm/2", {"id": "A", "name": "ANNA BERG", "email": "anna@x.com", "at": 2})
    warehouse.stage()
    [(profile_id, change_seq)] = warehouse.rows(
        "SELECT profile_id, change_seq FROM staging.identity_inputs"
    )
    assert profile_id == before[0][0]
    assert change_seq > before[0][1]


def test_a_second_run_touches_nothing(warehouse: Warehouse) -> None:
    warehouse.deliver("crm/1", {"id": "A", **ANNA})
    warehouse.stage()
    select = (
        "SELECT p.xmin::text, i.xmin::text, m.xmin::text FROM staging.profiles AS p,"
        " staging.identity_inputs AS i, staging.volatile_marker AS m"
    )
    before = warehouse.rows(select)
    warehouse.stage()
    assert warehouse.rows(select) == before


def test_a_full_run_keeps_ids_and_repairs_what_was_tampered_with(warehouse: Warehouse) -> None:
    warehouse.deliver("crm/1", {"id": "A", **ANNA}, {"id": "B", **ANNA}, {"id": "C", "name": "C"})
    warehouse.stage()
    found, profiles = ids(warehouse), warehouse.profiles()
    warehouse.stage(full=True)
    assert (ids(warehouse), warehouse.profiles()) == (found, profiles)
    warehouse.conn.exec_driver_sql("UPDATE staging.profiles SET record_n = 9")
    warehouse.conn.exec_driver_sql("DELETE FROM staging.identity_inputs WHERE source_record_id='C'")
    warehouse.stage(full=True)
    assert (ids(warehouse), warehouse.profiles()) == (found, profiles)
