"""``mdm why --at``: the record, the line, the rule, the word and the run behind a value of then."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import Engine, text

from mdm.lake import Lake

ANNA = {"id": "1", "name": "Anna Keller", "email": "anna@keller.example", "dob": "03/04/1981",
        "updated_at": "2026-01-01T08:00:00Z"}  # fmt: skip
KEY = "crm/dt=2026-01-0{}/hr=00/crm_{}.jsonl"


class Story:
    """Deliveries and runs, and what is told of the e-mail of one customer after each of them."""

    def __init__(self, mdm: Any, lake: Lake, engine: Engine) -> None:
        self.mdm, self.lake, self.engine = mdm, lake, engine
        self.keys: dict[str, str] = {}

    def deliver(self, name: str, *records: dict[str, object], key: str | None = None) -> None:
        self.keys[name] = key or KEY.format(1 + len(self.keys), name)
        data = "".join(json.dumps(record) + "\n" for record in records)
        self.lake.put(self.keys[name], data.encode())
        assert self.mdm("run") == 0, self.mdm.err

    def instant(self, run: int) -> str:
        """The boundary instant of a run: what it published is valid from then on."""
        with self.engine.connect() as conn:
            found = conn.execute(text("SELECT as_of FROM ops.runs WHERE run_id = :r"), {"r": run})
            return str(found.scalar_one().isoformat())

    def customer(self) -> str:
        """The id of the first record's customer."""
        found = self.mdm.rows(
            "SELECT global_customer_id FROM identity.customer_identity_map"
            " WHERE source_record_id = '1'"
        )
        return str(found[0][0])

    def then(self, run: int, attribute: str = "email") -> dict[str, Any]:
        """What is told of the time right after a run was published."""
        words = ("why", self.customer(), attribute, "--at", self.instant(run), "--json")
        assert self.mdm(*words) == 0, self.mdm.err
        past = json.loads(self.mdm.out)["past"]
        assert isinstance(past, dict)
        return past

    def place(self, run: int, attribute: str = "email") -> tuple[Any, ...]:
        """Value, record, object, line, run and rule behind it."""
        past = self.then(run, attribute)
        won = past["winner"]
        names = {key: name for name, key in self.keys.items()}
        return (past["value"], won["record"], names.get(won["object_key"]), won["line_no"],
                won["run_id"], past["rule"])  # fmt: skip


@pytest.fixture
def story(mdm: Any, lake: Lake, engine: Engine) -> Story:
    return Story(mdm, lake, engine)


def test_a_record_that_was_corrected_is_named_on_the_line_of_then(story: Story) -> None:
    story.deliver("first", {"id": "7", "name": "Ben"}, ANNA)
    story.deliver("second", ANNA | {"email": "a@new.example", "updated_at": "2026-02-01"})
    story.deliver("third", ANNA | {"id": "2", "email": "a@third.example", "phone": "020 7946 0111",
                                   "updated_at": "2026-03-01"})  # fmt: skip
    assert story.mdm("run", "--full") == 0, story.mdm.err
    assert story.place(1) == ("anna@keller.example", "crm:1", "first", 2, 1, "most_recent")
    assert story.place(2) == ("a@new.example", "crm:1", "second", 1, 2, "most_recent")
    assert story.place(3)[:4] == story.place(4)[:4]
    assert story.place(2, "date_of_birth")[:3] == ("1981-04-03", "crm:1", "second")


def test_a_winner_that_changes_without_its_value_is_known_too(story: Story) -> None:
    story.deliver("first", ANNA)
    story.deliver("second", ANNA | {"id": "2", "updated_at": "2026-02-01T00:00:00Z"})
    story.deliver("third", {"id": "2", "_deleted": True, "updated_at": "2026-03-01T00:00:00Z"})
    told = [story.place(run)[:4] for run in (1, 2, 3)]
    assert [place[1:] for place in told] == [
        ("crm:1", "first", 1), ("crm:2", "second", 1), ("crm:1", "first", 1)
    ]  # fmt: skip
    assert story.then(3)["version"] == 1


def test_deliveries_taken_back_or_replaced_were_right_until_then(story: Story) -> None:
    story.deliver("first", ANNA)
    story.deliver("bad", ANNA | {"email": "x@bad.example", "updated_at": "2026-02-01"})
    assert story.mdm("retract", "--object", story.keys["bad"], "--reason", "wrong") == 0
    story.deliver("again", ANNA | {"email": "y@again.example", "updated_at": "2026-02-02"},
                  key=story.keys["first"])  # fmt: skip
    places = [story.place(run) for run in (1, 2, 3, 4)]
    assert [place[0] for place in places] == [
        "anna@keller.example", "x@bad.example", "anna@keller.example", "y@again.example"
    ]  # fmt: skip
    assert [place[4] for place in places] == [1, 2, 1, 4]


def test_a_word_of_then_is_named_with_what_it_outranked(story: Story) -> None:
    story.deliver("first", ANNA)
    customer = story.customer()
    said = ("overrides", "add", customer, "email", "a@said.example", "--reason", "by phone")
    assert story.mdm(*said) == 0, story.mdm.err
    assert story.mdm("overrides", "revoke", "1", "--reason", "moved") == 0, story.mdm.err
    then = story.then(2)
    assert (then["value"], then["override"]["reason"]) == ("a@said.example", "by phone")
    assert (then["winner"]["record"], then["winner"]["line_no"]) == ("crm:1", 1)
    assert then["winner"]["verdict"] == "outranked by the steward"
    assert story.then(1)["override"] is None
    assert story.then(3)["override"] is None
    assert story.mdm("why", customer, "email", "--at", story.instant(2)) == 0, story.mdm.err
    told = story.mdm.out.partition("At 20")[2]
    assert "override  1: SET by" in told
    assert "line 1, staged by run 1" in told


def test_a_line_that_was_vacuumed_is_said_to_be_gone(story: Story) -> None:
    story.deliver("first", ANNA)
    story.deliver("again", ANNA | {"email": "y@again.example", "updated_at": "2026-02-02"},
                  key=story.keys["first"])  # fmt: skip
    with story.engine.begin() as conn:
        conn.execute(text("DELETE FROM raw.crm_customers WHERE run_id = 1"))
    assert story.place(1) == ("anna@keller.example", "crm:1", None, None, None, "most_recent")
    customer = story.customer()
    assert story.mdm("why", customer, "email", "--at", story.instant(1)) == 0, story.mdm.err
    assert "crm:1, on a line that is no longer kept" in story.mdm.out
