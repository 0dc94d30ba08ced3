"""Raw rows into records, told as stories; the staging invariants are checked after every run."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from mdm.errors import ConfigError
from staging import run_staging

if TYPE_CHECKING:
    from tests.staging.conftest import Warehouse

ANNA = {"id": "A", "name": "Anna Berg", "email": "ANNA@X.COM", "at": 1}


def test_a_record_has_its_own_and_its_standard_values(warehouse: Warehouse) -> None:
    warehouse.deliver(
        "crm/1",
        {
            "id": "A",
            "name": "Dr. Anna  Berg ",
            "contact": {"email": "ANNA@X.COM"},
            "phone": 4155550101,
            "dob": "12/11/1978",
            "number": 12,
            "street": "Main Street",
            "city": "Saint Louis",
            "zip": "63101-0001",
            "job": "Judge ",
            "score": 12.50,
        },
    )
    warehouse.stage()
    assert warehouse.rows(
        "SELECT full_name, email, phone, date_of_birth, street, extra, std_name, std_given_name,"
        " std_family_name, std_email, std_phone, CAST(std_date_of_birth AS text), std_street,"
        " std_city, std_postcode, std_extra FROM staging.records"
    ) == [
        (
            "Dr. Anna Berg", "ANNA@X.COM", "4155550101", "12/11/1978", "12 Main Street",
            {"occupation": "Judge", "score": "12.5"}, "anna berg", "anna", "berg", "anna@x.com",
            "+14155550101", "1978-12-11", "12 main st", "st louis", "63101",
            {"occupation": "judge", "score": "12.5"},
        )
    ]  # fmt: skip


def test_what_happened_to_values_is_counted(warehouse: Warehouse) -> None:
    warehouse.deliver(
        "crm/1",
        {"id": "A", "name": "anna", "email": "n/a", "phone": "000-000-0000", "dob": "1/1/1900"},
        {"id": "B", "name": "anna", "email": "B@x.com", "phone": "555-0101", "dob": "2/30/1990"},
        {"id": "C", "name": "N/A", "email": "bad", "phone": "12", "dob": "1990",
         "street": "1 Elm St, Salem OR 97301"},
    )  # fmt: skip
    report = warehouse.stage()
    assert report.rows_in == report.rows_out == 3
    values = report.detail["crm"]["values"]
    assert values["full_name"] == {"filled": 3, "placeholder": 1}
    assert values["email"] == {"filled": 3, "placeholder": 1, "changed": 1, "invalid_email": 1}
    assert values["phone"] == {
        "filled": 3, "placeholder": 1, "changed": 1, "local_number": 1, "too_short": 1,
    }  # fmt: skip
    assert values["date_of_birth"] == {
        "filled": 3, "placeholder": 1, "impossible_date": 1, "incomplete_date": 1,
    }  # fmt: skip
    assert values["postcode"] == {"from_street": 1}
    assert values["region"] == {"from_street": 1}
    counted = warehouse.rows(
        "SELECT outcome, n FROM ops.standardisation_counts"
        " WHERE source = 'crm' AND attribute = 'email' ORDER BY outcome"
    )
    assert counted == [("changed", 1), ("filled", 3), ("invalid_email", 1), ("placeholder", 1)]
    # The original stays beside the null.
    assert warehouse.rows("SELECT email, std_email FROM staging.records WHERE email = 'n/a'") == [
        ("n/a", None)
    ]


@pytest.mark.parametrize("batch_rows", [1, 3, 5, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_the_first_load_finds_what_is_current_as_any_other_does(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, batch_rows: int, seed: int
) -> None:
    chance = random.Random(seed)
    for _ in range(12):
        rows = [
            {
                "id": f"R{chance.randrange(40)}",
                "name": f"Anna {chance.randrange(9)}",
                "at": chance.randint(1, 3),
                "_deleted": chance.random() < 0.2,
            }
            for _row in range(chance.choice([0, 1, 2, 17]))
        ]
        warehouse.deliver(f"crm/{chance.random()}", *rows)
        if chance.random() < 0.2:
            state = chance.choice(["REJECTED", "SUPERSEDED", "RETRACTED"])
            warehouse.set_state(list(warehouse.objects)[-1], state)
    # lines that were blank or bad leave gaps
    warehouse.conn.execute(text("UPDATE raw.crm_customers SET line_no = line_no * 3 + 60"))
    monkeypatch.setattr(run_staging, "BATCH_ROWS", batch_rows)
    first = warehouse.stage()
    assert first.rows_out > 10
    again = warehouse.stage(full=True)
    assert again.rows_in == first.rows_in
    assert again.rows_out == again.detail["crm"]["moved"] == 0


def test_without_input_nothing_is_touched(warehouse: Warehouse) -> None:
    warehouse.deliver("crm/1", ANNA)
    warehouse.stage()
    before = warehouse.rows("SELECT xmin::text, * FROM staging.records")
    ledger = warehouse.rows("SELECT xmin::text, * FROM staging.staged_objects")
    report = warehouse.stage()
    assert (report.rows_in, report.rows_out, report.detail) == (0, 0, {})
    assert warehouse.rows("SELECT xmin::text, * FROM staging.records") == before
    assert warehouse.rows("SELECT xmin::text, * FROM staging.staged_objects") == ledger


def test_the_size_of_a_batch_changes_nothing(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"id": f"R{n}", "name": f"Anna {n}", "_deleted": n == 3, "at": 2} for n in range(11)]
    for number in range(3):
        warehouse.deliver(f"crm/{number}", *rows[number::3])
    warehouse.stage()
    at_once = warehouse.content()
    assert len(at_once) == 10
    warehouse.conn.execute(text("TRUNCATE staging.records, staging.staged_objects"))
    monkeypatch.setattr(run_staging, "BATCH_ROWS", 2)
    assert warehouse.stage(full=True).detail["crm"]["inserted"] == 10
    assert warehouse.content() == at_once
    # One by one against what is there, too.
    assert warehouse.stage(full=True).rows_out == 0


def test_a_correction_supersedes_and_an_older_version_that_comes_late_does_not(
    warehouse: Warehouse,
) -> None:
    warehouse.deliver("crm/2", {**ANNA, "email": "new@x.com", "at": 5})
    warehouse.stage()
    warehouse.deliver("crm/1", {**ANNA, "email": "old@x.com", "at": 3})
    report = warehouse.stage()
    assert (report.rows_in, report.rows_out) == (0, 0)
    assert warehouse.records() == [("A", "Anna Berg", "new@x.com", "crm/2", 1)]
    warehouse.deliver("crm/0", {**ANNA, "email": "newest@x.com", "at": 7})
    report = warehouse.stage()
    assert report.detail["crm"]["updated"] == 1
    assert warehouse.records() == [("A", "Anna Berg", "newest@x.com", "crm/0", 1)]
    assert warehouse.rows("SELECT count(*) FROM staging.records") == [(1,)]


def test_at_the_same_time_the_later_object_and_line_win(warehouse: Warehouse) -> None:
    warehouse.deliver("crm/2", {**ANNA, "email": "b1@x.com"}, {**ANNA, "email": "b2@x.com"})
    warehouse.deliver("crm/1", {**ANNA, "email": "a1@x.com"})
    warehouse.stage()
    assert warehouse.records() == [("A", "Anna Berg", "b2@x.com", "crm/2", 2)]


def test_the_same_line_again_moves_the_pointer_but_is_no_change(warehouse: Warehouse) -> None:
    warehouse.deliver("crm/1", ANNA)
    warehouse.stage()
    before = warehouse.rows("SELECT change_seq FROM staging.records")
    warehouse.deliver("crm/2", ANNA, ANNA)
    report = warehouse.stage()
    assert report.rows_out == 0
    assert report.detail["crm"]["moved"] == 1
    assert warehouse.records() == [("A", "Anna Berg", "anna@x.com", "crm/2", 2)]
    assert warehouse.rows("SELECT change_seq FROM staging.records") == before


def test_a_delete_marker_leaves_a_tombstone_and_a_return_wakes_it(warehouse: Warehouse) -> None:
    warehouse.deliver("crm/1", ANNA, {"id": "B", "name": "Bob"})
    warehouse.stage()
    [(record_id,)] = warehouse.rows(
        "SELECT record_id FROM staging.records WHERE source_record_id = 'A'"
    )
    warehouse.deliver("crm/2", {"id": "A", "_deleted": True, "at": 2})
    report = warehouse.stage()
    assert report.detail["crm"]["deleted"] == 1
    assert [row[0] for row in warehouse.records()] == ["B"]
    assert warehouse.rows("SELECT full_name, std_email FROM staging.records WHERE is_deleted") == [
        (None, None)
    ]
    warehouse.deliver("crm/3", {**ANNA, "at": 3})
    warehouse.stage()
    assert warehouse.records()[0] == ("A", "Anna Berg", "anna@x.com", "crm/3", 1)
    assert warehouse.rows("SELECT record_id FROM staging.records WHERE source_record_id = 'A'") == [
        (record_id,)
    ]


def test_a_late_delete_marker_does_not_delete_what_came_after_it(warehouse: Warehouse) -> None:
    warehouse.deliver("crm/3", {**ANNA, "at": 3})
    warehouse.stage()
    warehouse.deliver("crm/2", {"id": "A", "_deleted": True, "at": 2})
    warehouse.stage()
    assert warehouse.records() == [("A", "Anna Berg", "anna@x.com", "crm/3", 1)]


@pytest.mark.parametrize("state", ["SUPERSEDED", "RETRACTED"])
def test_an_object_that_no_longer_counts_takes_its_rows_along(
    warehouse: Warehouse, state: str
) -> None:
    warehouse.deliver("crm/1", ANNA)
    warehouse.stage()
    warehouse.deliver("crm/2", {**ANNA, "email": "bad@x.com", "at": 2}, {"id": "B", "name": "Bob"})
    warehouse.stage()
    warehouse.set_state("crm/2", state)
    report = warehouse.stage()
    assert (report.detail["crm"]["updated"], report.detail["crm"]["deleted"]) == (1, 1)
    assert warehouse.records() == [("A", "Anna Berg", "anna@x.com", "crm/1", 1)]
    # And back.
    warehouse.set_state("crm/2", "LOADED")
    warehouse.stage()
    assert [row[:3] for row in warehouse.records()] == [
        ("A", "Anna Berg", "bad@x.com"),
        ("B", "Bob", None),
    ]


def test_what_the_latest_object_hid_comes_back_with_whatever_else_counts(
    warehouse: Warehouse,
) -> None:
    for day in (1, 2, 3):
        warehouse.deliver(f"crm/{day}", {**ANNA, "email": f"{day}@x.com", "at": day + 1})
        warehouse.stage()
    for gone, left in (("crm/3", "2@x.com"), ("crm/1", "2@x.com"), ("crm/2", None)):
        warehouse.set_state(gone, "RETRACTED")
        warehouse.stage()
        assert [row[2] for row in warehouse.records()] == ([left] if left else [])
    for back, now in (("crm/1", "1@x.com"), ("crm/3", "3@x.com"), ("crm/2", "3@x.com")):
        warehouse.set_state(back, "LOADED")
        warehouse.stage()
        assert [row[2] for row in warehouse.records()] == [now]
    # One object goes while another comes that has less to say than a third.
    warehouse.set_state("crm/3", "RETRACTED")
    warehouse.deliver("crm/0", {**ANNA, "email": "0@x.com", "at": 1})
    warehouse.stage()
    assert warehouse.records() == [("A", "Anna Berg", "2@x.com", "crm/2", 1)]


def test_the_only_object_retracted_leaves_nobody(warehouse: Warehouse) -> None:
    warehouse.deliver("crm/1", ANNA)
    warehouse.stage()
    warehouse.set_state("crm/1", "RETRACTED")
    warehouse.stage()
    assert warehouse.records() == []
    assert warehouse.profiles() == []


def test_a_new_mapping_stages_the_source_anew(warehouse: Warehouse) -> None:
    warehouse.deliver("crm/1", {**ANNA, "mail2": "second@x.com"}, {"id": "B", "name": "Bob"})
    warehouse.stage()
    crm = warehouse.config.sources["crm"]
    changed = crm.model_copy(update={"fields": {"full_name": "name", "email": "mail2"}})
    warehouse.config = warehouse.config.model_copy(update={"sources": {"crm": changed}})
    report = warehouse.stage()
    assert report.detail["crm"]["updated"] == 1
    assert [row[2] for row in warehouse.records()] == ["second@x.com", None]
    assert warehouse.stage().rows_in == 0


def test_after_a_crash_emptied_the_markers_the_outcome_is_the_same(warehouse: Warehouse) -> None:
    warehouse.deliver("crm/1", ANNA, {"id": "B", "name": "Bob"})
    warehouse.stage()
    before, profiles = warehouse.rows("SELECT * FROM staging.records"), warehouse.profiles()
    for table in ("volatile_marker", "profiles", "identity_inputs", "retired_profiles"):
        warehouse.conn.execute(text(f"TRUNCATE staging.{table}"))
    report = warehouse.stage()
    assert report.rows_out == 0
    assert warehouse.rows("SELECT * FROM staging.records") == before
    assert warehouse.profiles() == profiles


def test_an_unknown_phone_region_is_a_fault_of_the_configuration(warehouse: Warehouse) -> None:
    warehouse.deliver("crm/1", ANNA)
    changed = warehouse.config.sources["crm"].model_copy(update={"phone_region": "XX"})
    warehouse.config = warehouse.config.model_copy(update={"sources": {"crm": changed}})
    with pytest.raises(ConfigError, match=r"sources\.crm\.phone_region.*'XX'"):
        warehouse.stage()


def test_a_source_that_never_sent_anything_is_no_fault(warehouse: Warehouse) -> None:
    warehouse.conn.execute(text("DROP TABLE raw.crm_customers"))
    assert warehouse.stage().rows_in == 0


def random_row(rng: random.Random) -> dict[str, Any]:
    row: dict[str, Any] = {"id": rng.choice("ABCDEFG"), "at": rng.randint(1, 9)}
    if rng.random() < 0.2:
        return {**row, "_deleted": True}
    row["name"] = rng.choice(["Anna Berg", "anna berg", "Bob O'Hara", "N/A", ""])
    row["email"] = rng.choice(["a@x.com", "A@X.COM", "bad", None])
    row["street"] = rng.choice(["Main Street", "1 Elm St, Salem OR 97301", None])
    row["job"] = rng.choice(["judge", "Judge", None])
    return row


@pytest.mark.parametrize("seed", range(6))
def test_batches_in_any_order_give_the_same_records(warehouse: Warehouse, seed: int) -> None:
    rng = random.Random(seed)
    objects = {
        f"crm/{number}": [random_row(rng) for _ in range(rng.randint(1, 6))] for number in range(8)
    }
    gone = rng.sample(sorted(objects), 2)
    order = rng.sample(sorted(objects), len(objects))
    for position, key in enumerate(order):
        warehouse.deliver(key, *objects[key])
        if rng.random() < 0.5:
            warehouse.stage()
        if position > 3 and (known := [k for k in gone if k in warehouse.objects]):
            warehouse.set_state(rng.choice(known), rng.choice(["RETRACTED", "LOADED"]))
    for key in gone:
        warehouse.set_state(key, "RETRACTED")
    warehouse.stage()
    in_batches, profiles = warehouse.content(), warehouse.profiles()
    # The same data in one go, into empty tables, with object ids in another order.
    warehouse.conn.execute(
        text(
            "TRUNCATE staging.records, staging.staged_objects, staging.volatile_marker,"
            " staging.profiles, staging.identity_inputs, staging.retired_profiles,"
            " raw.crm_customers, raw.rejected_lines, raw.lake_objects CASCADE"
        )
    )
    for key in sorted(set(objects) - set(gone)):
        warehouse.deliver(key, *objects[key])
    warehouse.stage()
    assert warehouse.content() == in_batches
    assert warehouse.profiles() == profiles
    # And a full run finds nothing to change.
    assert warehouse.stage(full=True).rows_out == 0
    assert (warehouse.content(), warehouse.profiles()) == (in_batches, profiles)
