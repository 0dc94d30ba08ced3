"""A value that many different people hold is no evidence, until a steward says otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from mdm.errors import UsageError
from staging import shared_values, value_keys

if TYPE_CHECKING:
    from tests.staging.conftest import Warehouse

NAMES = [f"{given} {family}" for given in ("Anna", "Bert", "Carl") for family in
         ("Dorn", "Ernst", "Falk", "Graf")]  # fmt: skip
SWITCHBOARD = "info@acme.com"


def strangers(n: int, **shared: str) -> list[dict[str, Any]]:
    """``n`` records of different people who have something in common."""
    return [{"id": f"S{i}", "name": NAMES[i], **shared} for i in range(n)]


def register(warehouse: Warehouse) -> dict[str, tuple[str, int, bool]]:
    """State, number of names and whether it is ignored, by value."""
    return {
        value: (state, name_n, is_ignored)
        for value, state, name_n, is_ignored in warehouse.rows(
            "SELECT value, state, name_n, is_ignored FROM identity.shared_value_register"
        )
    }


def mails(warehouse: Warehouse) -> set[str | None]:
    """The e-mail addresses in profiles."""
    return {email for (email,) in warehouse.rows("SELECT email FROM staging.profiles")}


def decide(warehouse: Warehouse, verdict: shared_values.Verdict, value: str) -> None:
    shared_values.decide(
        warehouse.conn, verdict, "email", value, steward="maria", reason="I know them"
    )
    warehouse.stage()


def test_a_switchboard_is_found_and_left_out_of_profiles(warehouse: Warehouse) -> None:
    own = {"id": "A", "name": "Zoe Zimmer", "email": "zoe@x.com"}
    warehouse.deliver("crm/1", *strangers(10, email=SWITCHBOARD), own)
    warehouse.stage()
    assert register(warehouse) == {SWITCHBOARD: ("FOUND", 10, True)}
    assert mails(warehouse) == {None, "zoe@x.com"}
    kept = warehouse.rows("SELECT count(*) FROM staging.records WHERE std_email = 'info@acme.com'")
    assert kept[0][0] == 10  # golden records have it still


def test_one_person_of_many_records_shares_nothing(warehouse: Warehouse) -> None:
    spellings = ["Anna Dorn", "Ana Dorn", "Anna Dron", "Dorn Anna", "A. Dorn"]
    warehouse.deliver(
        "crm/1",
        *({"id": f"P{i}", "name": spellings[i % 5], "email": "anna@x.com"} for i in range(40)),
    )
    warehouse.stage()
    assert register(warehouse) == {}
    assert mails(warehouse) == {"anna@x.com"}


def test_a_night_finds_it_when_the_tenth_stranger_comes_and_forgets_it_when_one_goes(
    warehouse: Warehouse,
) -> None:
    people = strangers(10, email=SWITCHBOARD)
    warehouse.deliver("crm/1", *people[:9])
    warehouse.stage()
    assert register(warehouse) == {}
    warehouse.deliver("crm/2", people[9])
    warehouse.stage()
    assert register(warehouse) == {SWITCHBOARD: ("FOUND", 10, True)}
    assert mails(warehouse) == {None}
    warehouse.deliver("crm/3", {"id": "S3", "_deleted": True, "at": 2})
    warehouse.stage()
    assert register(warehouse) == {SWITCHBOARD: ("GONE", 9, False)}
    assert mails(warehouse) == {SWITCHBOARD}


@pytest.mark.parametrize("most_rows", [2, 100])
def test_a_night_and_a_full_run_agree(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, most_rows: int
) -> None:
    monkeypatch.setattr(value_keys, "_MOST_ROWS", most_rows)
    for person in strangers(12, email=SWITCHBOARD, phone="+49 30 1234567"):
        warehouse.deliver(f"crm/{person['id']}", person)
        warehouse.stage()
    by_night = register(warehouse), warehouse.profiles()
    warehouse.stage(full=True)
    assert (register(warehouse), warehouse.profiles()) == by_night
    assert {entry[0] for entry in by_night[0].values()} == {"FOUND"}


def test_a_holder_that_moves_on_is_noticed(warehouse: Warehouse) -> None:
    """Also where nothing that is delivered has the value."""
    warehouse.deliver("crm/1", *strangers(10, email=SWITCHBOARD))
    warehouse.stage()
    warehouse.deliver("crm/2", {"id": "S3", "name": NAMES[3], "email": "own@x.com", "at": 2})
    warehouse.stage()
    assert register(warehouse) == {SWITCHBOARD: ("GONE", 9, False)}
    warehouse.deliver("crm/3", {"id": "S4", "name": NAMES[3], "email": SWITCHBOARD, "at": 2})
    warehouse.stage()
    assert register(warehouse) == {SWITCHBOARD: ("GONE", 8 + 1, False)}
    warehouse.deliver("crm/4", {"id": "S5", "name": NAMES[3], "email": SWITCHBOARD, "at": 2})
    warehouse.stage()
    by_night = register(warehouse)
    warehouse.stage(full=True)
    assert register(warehouse) == by_night == {SWITCHBOARD: ("GONE", 8, False)}


def test_what_a_steward_says_counts_more(warehouse: Warehouse) -> None:
    warehouse.deliver("crm/1", *strangers(10, email=SWITCHBOARD))
    warehouse.deliver("crm/2", {"id": "A", "name": "Zoe Zimmer", "email": "desk@x.com"})
    warehouse.stage()
    decide(warehouse, "LIFT", SWITCHBOARD)
    assert register(warehouse)[SWITCHBOARD] == ("LIFTED", 10, False)
    assert SWITCHBOARD in mails(warehouse)
    decide(warehouse, "CONFIRM", "desk@x.com")
    assert register(warehouse)["desk@x.com"] == ("CONFIRMED", 1, True)
    assert mails(warehouse) == {None, SWITCHBOARD}
    decide(warehouse, "UNDO", SWITCHBOARD)
    decide(warehouse, "UNDO", "desk@x.com")
    assert register(warehouse) == {
        SWITCHBOARD: ("FOUND", 10, True),
        "desk@x.com": ("GONE", 1, False),
    }
    assert mails(warehouse) == {None, "desk@x.com"}


def test_a_word_on_a_value_that_nobody_has_is_refused(warehouse: Warehouse) -> None:
    with pytest.raises(UsageError, match="No record has the email"):
        decide(warehouse, "LIFT", "Nobody@x.com")


def test_words_are_added_and_never_edited(warehouse: Warehouse) -> None:
    warehouse.deliver("crm/1", *strangers(10, email=SWITCHBOARD))
    warehouse.stage()
    decide(warehouse, "LIFT", SWITCHBOARD)
    with pytest.raises(DBAPIError, match="append-only"):
        warehouse.conn.execute(text("DELETE FROM identity.shared_value_decisions"))


def test_addresses_count_with_their_town(warehouse: Warehouse) -> None:
    """1 Main St of ten towns is ten addresses; a block of flats is one."""
    towns = [dict(person, street="1 Main St", city=f"Town {i}")
             for i, person in enumerate(strangers(10))]  # fmt: skip
    warehouse.deliver("crm/1", *towns)
    warehouse.stage()
    assert register(warehouse) == {}
    flats = [dict(person, id=f"F{i}", street="2 High St", zip="12345")
             for i, person in enumerate(strangers(10))]  # fmt: skip
    warehouse.deliver("crm/2", *flats)
    warehouse.stage()
    ((value, (state, names, _)),) = register(warehouse).items()
    assert (value.endswith(", 12345"), state, names) == (True, "FOUND", 10)
