"""What a user lives through: a first load, a quiet night, corrections, a bad delivery, mistakes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from mdm.runs import RunLedger

ANNA = {
    "id": "1", "name": "Dr. Anna Keller", "email": "anna.keller@example.org",
    "phone": "020 7946 0111", "dob": "03/04/1981", "street": "7 Mill Lane", "city": "Leeds",
    "postcode": "LS1 4AP", "updated_at": "2026-01-01T08:00:00Z",
}  # fmt: skip
ANNA_AGAIN = ANNA | {
    "id": "2", "name": "Anna KELLER", "phone": "+44 20 7946 0111", "street": "7 Mill Ln",
    "updated_at": "2026-01-02T08:00:00Z",
}  # fmt: skip
BEN = {
    "id": "3", "name": "Ben Okafor", "email": "ben@okafor.example", "phone": "0161 496 0222",
    "dob": "11/12/1990", "street": "9 High Street", "city": "York", "postcode": "YO1 7HH",
    "updated_at": "2026-01-01T09:00:00Z",
}  # fmt: skip
Lines = Callable[..., str]


def customers_of(mdm: Any) -> list[list[str]]:
    return mdm.rows(
        "SELECT canonical_full_name, canonical_email, record_count FROM gold.dim_customers"
        " ORDER BY canonical_email"
    )


def traces(mdm: Any) -> list[list[str]]:
    """What a quiet night must not add to."""
    return mdm.rows(
        "SELECT (SELECT count(*) FROM gold.dim_customers_history),"
        " (SELECT count(*) FROM gold.customer_change_events),"
        " (SELECT count(*) FROM identity.identity_events),"
        " (SELECT count(*) FROM identity.customers)"
    )


def deliver(mdm: Any, name: str, content: str) -> None:
    mdm.write(name, content)
    assert mdm("load", name, "--source", "crm") == 0, mdm.err


def test_from_an_extract_to_golden_customers_and_quiet_nights(mdm: Any, customers: Lines) -> None:
    deliver(mdm, "a.jsonl", customers(ANNA, ANNA_AGAIN, BEN))
    assert mdm("run", "--json", "report.json") == 0, mdm.err
    assert "every one kept" in mdm.err
    report = json.loads((mdm.folder / "report.json").read_text())
    names = [phase["name"] for phase in report["phases"]]
    assert names[0] == "infrastructure"
    assert names[-1] == "quality"
    assert {"name", "seconds", "rows_in", "rows_out", "rows_rejected"} <= set(report["phases"][2])
    assert report["run_id"] > 0

    assert customers_of(mdm) == [
        ["Anna KELLER", "anna.keller@example.org", "2"],
        ["Ben Okafor", "ben@okafor.example", "1"],
    ]
    assert mdm("check") == 0, mdm.out
    assert "BROKEN" not in mdm.out

    before = traces(mdm)
    assert mdm("run") == 0, mdm.err
    assert "no change" in mdm.err
    assert mdm("run", "--full") == 0, mdm.err
    assert traces(mdm) == before
    assert mdm("check") == 0, mdm.out


def test_corrections_deletions_and_a_return(mdm: Any, customers: Lines) -> None:
    deliver(mdm, "a.jsonl", customers(ANNA, BEN))
    assert mdm("run") == 0, mdm.err
    ben = mdm.rows("SELECT global_customer_id FROM gold.dim_customers WHERE record_count = 1"
                   " AND canonical_email LIKE 'ben%'")  # fmt: skip
    deliver(mdm, "b.jsonl", customers(BEN | {"email": "b.okafor@work.example",
                                             "updated_at": "2026-02-01T00:00:00Z"}))  # fmt: skip
    assert mdm("run") == 0, mdm.err
    deliver(mdm, "c.jsonl", customers({"id": "3", "_deleted": True, "updated_at": "2026-03-01"}))
    assert mdm("run") == 0, mdm.err
    assert len(customers_of(mdm)) == 1
    deliver(mdm, "d.jsonl", customers(BEN | {"updated_at": "2026-04-01T00:00:00Z"}))
    assert mdm("run") == 0, mdm.err
    events = mdm.rows(
        "SELECT event_type FROM gold.customer_change_events"
        f" WHERE global_customer_id = '{ben[0][0]}' ORDER BY event_seq"
    )
    assert events == [["INSERT"], ["UPDATE"], ["DELETE"], ["INSERT"]]
    assert mdm("check") == 0, mdm.out


def test_a_bad_delivery_is_taken_back_and_restored(mdm: Any, customers: Lines) -> None:
    deliver(mdm, "good.jsonl", customers(ANNA, BEN))
    assert mdm("run") == 0, mdm.err
    before = customers_of(mdm)
    deliver(mdm, "bad.jsonl", customers(
        BEN | {"name": "Wrong Person", "email": "x@example.org", "updated_at": "2026-05-01"},
        {"id": "9", "name": "Nobody Real", "email": "n@example.org", "updated_at": "2026-05-01"},
    ))  # fmt: skip
    assert mdm("run") == 0, mdm.err
    after = customers_of(mdm)
    assert after != before
    key = mdm.rows("SELECT object_key FROM raw.lake_objects ORDER BY object_id DESC LIMIT 1")[0][0]
    assert mdm("retract", "--object", key, "--dry-run") == 0, mdm.err
    assert "2 current records" in mdm.err
    assert mdm("retract", "--object", key) == 2
    assert "--reason" in mdm.err
    assert mdm("retract", "--object", key, "--reason", "wrong file") == 0, mdm.err
    assert customers_of(mdm) == before
    assert mdm("run") == 0, mdm.err
    assert customers_of(mdm) == before
    assert mdm("restore", "--object", key, "--reason", "it was right") == 0, mdm.err
    assert customers_of(mdm) == after
    assert mdm("check") == 0, mdm.out


def test_a_plan_shows_and_applies_what_a_run_would_do(mdm: Any, customers: Lines) -> None:
    deliver(mdm, "a.jsonl", customers(ANNA))
    assert mdm("run") == 0, mdm.err
    deliver(mdm, "b.jsonl", customers(BEN))
    assert mdm("plan") == 0, mdm.err
    number = re.search(r"Plan (\d+)", mdm.out)
    assert number is not None
    assert "1 new" in mdm.out
    assert len(customers_of(mdm)) == 1
    assert mdm("apply", number[1]) == 0, mdm.err
    assert len(customers_of(mdm)) == 2
    assert mdm("apply", number[1]) == 2
    assert "applied" in mdm.err


def test_a_run_past_its_limits_waits_as_a_plan(mdm: Any, customers: Lines) -> None:
    config = (mdm.folder / "mdm.toml").read_text()
    mdm.write("mdm.toml", config + "\n[publish]\nmax_deleted_share = 0.4\n")
    deliver(mdm, "a.jsonl", customers(ANNA, BEN))
    assert mdm("run") == 0, mdm.err
    deliver(mdm, "b.jsonl", customers({"id": "3", "_deleted": True, "updated_at": "2026-03-01"}))
    assert mdm("run") == 3
    assert "max_deleted_share" in mdm.err
    number = re.search(r"mdm apply (\d+)", mdm.err)
    assert number is not None
    assert len(customers_of(mdm)) == 2
    assert mdm("apply", number[1]) == 0, mdm.err
    assert len(customers_of(mdm)) == 1
    assert mdm("check") == 0, mdm.out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["run", "--from", "blokking"], 2, "no phase is called 'blokking'"),
        (["run", "--from", "gold", "--to", "staging"], 2, "nothing to run"),
        (
            ["run", "--json", "no/report.json"],
            2,
            "--json no/report.json: the folder does not exist",
        ),
        (["run", "--json", "."], 2, "'.' is a directory"),
        (["--config", "none.toml", "run"], 2, "none.toml: no such configuration file"),
        (["load", "a.csv", "--source", "erp"], 2, "sources.erp is not there; allowed: crm"),
        (["load", "absent.csv", "--source", "crm"], 1, "absent.csv: no such file"),
        (["sql", "SELECT nothing FROM nowhere"], 1, "nowhere"),
        (["sql", " ; "], 2, "the query is empty"),
        (["runs", "show", "77"], 2, "there is no run 77"),
        (["plan", "show", "77"], 2, "there is no plan 77"),
        (["retract", "--object", "crm/none.jsonl", "--reason", "x"], 2, "loaded nothing"),
        (["frobnicate"], 2, "No such command"),
    ],
)
def test_mistakes_are_told_with_the_right_exit_code(
    mdm: Any, words: list[str], code: int, told: str
) -> None:
    assert mdm(*words) == code
    assert told in mdm.err
    assert "Traceback" not in mdm.err


def test_a_second_run_says_who_holds_the_lock(mdm: Any, engine: Engine) -> None:
    ledger = RunLedger(engine)
    with ledger.lock():
        run = ledger.start("mdm run", config_hash="x")
        assert mdm("run") == 1
        assert f"run {run.run_id}" in mdm.err
        ledger.finish(run)


def test_a_run_that_died_is_on_record_as_failed(mdm: Any, engine: Engine) -> None:
    RunLedger(engine).start("mdm run", config_hash="x")
    assert mdm("run") == 0, mdm.err
    with engine.connect() as conn:
        states = conn.execute(text("SELECT state FROM ops.runs ORDER BY run_id")).scalars().all()
    assert list(states) == ["FAILED", "DONE"]


def test_services_that_are_down_are_named(mdm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://mdm:secret@127.0.0.1:1/mdm")
    assert mdm("run") == 1
    assert "127.0.0.1:1" in mdm.err
    assert "secret" not in mdm.err


def test_an_empty_lake_is_no_fault(mdm: Any) -> None:
    assert mdm("run") == 0, mdm.err
    assert "mdm load FILE --source" in mdm.err
    assert mdm("check") == 0, mdm.out


def test_a_mapping_that_finds_nothing_is_told(mdm: Any, customers: Lines) -> None:
    config = (mdm.folder / "mdm.toml").read_text()
    mdm.write("mdm.toml", config.replace('email = "email"', 'email = "emial"'))
    people = [ANNA | {"id": str(n), "name": f"Anna Keller {n}"} for n in range(20)]
    people[3]["updated_at"] = "soon"
    deliver(mdm, "a.jsonl", customers(*people))
    assert mdm("run") == 0, mdm.err
    assert "empty       crm.email: none of 20 records fills 'emial'" in mdm.err
    assert "crm.full_name" not in mdm.err
    assert "1 of crm: no time in updated_at; the lake's counts" in mdm.err


def test_a_source_that_was_renamed_is_told(mdm: Any, customers: Lines) -> None:
    config = (mdm.folder / "mdm.toml").read_text()
    deliver(mdm, "a.jsonl", customers(ANNA, BEN))
    assert mdm("run") == 0, mdm.err
    assert "no longer names" not in mdm.err
    assert "holds no records" not in mdm.err
    mdm.write("mdm.toml", config.replace("sources.crm", "sources.sales"))
    assert mdm("run") == 0, mdm.err
    assert "holds no records of sales yet" in mdm.err
    assert "2 records of crm, which the configuration no longer names" in mdm.err
    assert len(customers_of(mdm)) == 2


def test_what_changed_is_told_even_where_the_number_stays(mdm: Any, customers: Lines) -> None:
    deliver(mdm, "a.jsonl", customers(ANNA))
    assert mdm("run") == 0, mdm.err
    deliver(mdm, "b.jsonl", customers(ANNA | {"city": "York", "updated_at": "2026-03-01"}))
    assert mdm("run") == 0, mdm.err
    assert "1 for 1 records (1 updated)" in mdm.err


def test_help_shows_an_example_for_every_command(mdm: Any) -> None:
    from mdm.cli import _COMMANDS

    for name in _COMMANDS:
        assert mdm(name, "--help") == 0, name
        assert "Example" in mdm.out or "Commands:" in mdm.out, name


def test_config_can_be_named_by_the_environment(
    mdm: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "other.toml"
    (mdm.folder / "mdm.toml").rename(other)
    monkeypatch.setenv("MDM_CONFIG", str(other))
    assert mdm("run") == 0, mdm.err


def test_a_phase_script_takes_its_configuration_wherever_it_stands(mdm: Any) -> None:
    from mdm.cli import run_phase

    (mdm.folder / "mdm.toml").rename(mdm.folder / "other.toml")
    for words in (["--config", "other.toml"], ["--full", "--config", "other.toml"]):
        with pytest.raises(SystemExit) as left:
            run_phase("ingestion", words)
        assert left.value.code == 0
    with pytest.raises(SystemExit) as left:
        run_phase("ingestion", ["--full"])
    assert left.value.code == 2
