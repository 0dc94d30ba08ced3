"""What an operator asks: how it stands, what failed, why a value is what it is, what can go."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, text

from mdm import resume

ANNA = {"id": "1", "name": "Anna Keller", "email": "anna@keller.example", "dob": "03/04/1981",
        "updated_at": "2026-01-01T08:00:00Z"}  # fmt: skip
BEN = {"id": "2", "name": "Ben Okafor", "email": "ben@okafor.example", "dob": "11/12/1990",
       "updated_at": "2026-01-01T08:00:00Z"}  # fmt: skip


def deliver(mdm: Any, name: str, content: str) -> None:
    mdm.write(name, content)
    assert mdm("load", name, "--source", "crm") == 0, mdm.err


def execute(engine: Engine, *statements: str) -> None:
    with engine.begin() as conn:
        for statement in statements:
            conn.execute(text(statement))


def test_status_tells_how_it_stands(mdm: Any, customers: Any, engine: Engine) -> None:
    assert mdm("status") == 0, mdm.err
    assert "last run     none yet" in mdm.out
    deliver(mdm, "a.jsonl", customers(ANNA, BEN) + "not json\n" * 3 + customers(ANNA | {"id": "3"}))
    assert mdm("run") == 0, mdm.err
    assert mdm("status") == 0, mdm.err
    for told in ("last run     1 DONE", "running", "quarantine   3 lines", "largest      "):
        assert told in mdm.out
    assert mdm("status", "--json") == 0, mdm.err
    found = json.loads(mdm.out)
    assert found["counts"]["refused_objects"] == 1
    assert found["counts"]["quarantined_lines"] == 3
    deliver(mdm, "b.jsonl", customers(ANNA, BEN))
    assert mdm("plan") == 0, mdm.err
    assert mdm("status") == 0, mdm.err
    assert "plan 1 waits: mdm plan show 1" in mdm.out
    assert mdm("apply", "1") == 0, mdm.err
    assert mdm("status", "--json") == 0, mdm.err
    found = json.loads(mdm.out)
    assert (found["counts"]["customers"], found["counts"]["records"]) == (2, 2)
    assert found["waiting_plan"] is None
    assert set(found["schema_bytes"]) == {"ops", "raw", "staging", "identity", "gold"}


def test_status_of_what_is_down_starts_nothing(mdm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://mdm:secret@127.0.0.1:1/mdm")
    assert mdm("status") == 1
    assert "127.0.0.1:1" in mdm.err
    assert "correct DATABASE_URL" in mdm.err


def test_why_on_the_command_line(mdm: Any, customers: Any) -> None:
    deliver(mdm, "a.jsonl", customers(ANNA, ANNA | {"id": "9", "email": "ANNA@keller.example"}))
    assert mdm("run") == 0, mdm.err
    (anna,) = mdm.rows("SELECT global_customer_id FROM gold.dim_customers")[0]
    assert mdm("why", anna, "email") == 0, mdm.err
    assert "email = 'anna@keller.example'" in mdm.out
    assert "rule      most_recent" in mdm.out
    assert " line 1, staged by run 1" in mdm.out
    assert "agreeing  1 more record(s)" in mdm.out
    assert "since     INSERT" in mdm.out
    reason = ("--reason", "by phone")
    assert mdm("overrides", "add", anna, "email", "a@private.example", *reason) == 0, mdm.err
    assert mdm("why", anna, "email", "--at", "2026-01-01", "--json") == 0, mdm.err
    found = json.loads(mdm.out)
    assert found["override"]["reason"] == "by phone"
    assert found["winner"]["verdict"] == "outranked by the steward"
    assert found["past"]["version"] is None
    began = mdm.rows("SELECT min(valid_from) FROM gold.dim_customers_history")[0][0]
    assert mdm("why", anna, "email", "--at", began) == 0, mdm.err
    assert "version   1, valid from" in mdm.out
    assert "ended by  UPDATE" in mdm.out
    for words, told in (
        ((anna, "shoe"), "no attribute 'shoe'"),
        (("00000000-0000-0000-0000-000000000000", "email"), "never the id"),
        ((anna, "email", "--at", "yesterday"), "is no time"),
    ):
        assert mdm("why", *words) == 2
        assert told in mdm.err


@pytest.mark.parametrize(
    ("finished", "stopped", "again"),
    [
        (None, "before its first phase ended", "from there"),
        ("2", "in phase staging; kept: everything up to ingestion", "goes on with staging"),
        ("4.5", "in phase matching", "goes on with matching"),
        ("5", "in phase identity; kept: everything up to matching", "goes on with identity"),
        ("8", "in phase events; kept: everything up to matching", "goes on with identity"),
        ("10", "when it was to be published; kept: everything up to matching", "with identity"),
    ],
)
def test_where_a_failed_run_stopped(finished: str | None, stopped: str, again: str) -> None:
    told = resume.told(None if finished is None else Decimal(finished))
    assert stopped in told
    assert again in told


def test_a_run_that_failed_says_where_and_the_next_goes_on(
    mdm: Any, customers: Any, engine: Engine
) -> None:
    deliver(mdm, "a.jsonl", customers(ANNA, BEN))
    execute(engine, "ALTER TABLE gold.dim_customers ADD CONSTRAINT nobody CHECK (false)")
    assert mdm("run") == 1
    assert "Phase gold of run 1 failed" in mdm.err
    assert mdm("runs", "list") == 0, mdm.err
    assert "FAILED" in mdm.out
    assert "stopped in phase gold; kept: everything up to matching" in mdm.out
    assert mdm("runs", "show", "1") == 0, mdm.err
    assert "goes on with identity" in json.loads(mdm.out)["resume"]
    execute(engine, "ALTER TABLE gold.dim_customers DROP CONSTRAINT nobody")
    assert mdm("run", "--json", "-") == 0, mdm.err
    phases = {phase["name"]: phase for phase in json.loads(mdm.out)["phases"]}
    assert phases["ingestion"]["rows_in"] == phases["staging"]["rows_in"] == 0
    assert phases["gold"]["rows_out"] == 2


AGE = (
    "UPDATE raw.lake_objects SET loaded_at = loaded_at - interval '400 days'",
    "UPDATE ops.plans SET decided_at = decided_at - interval '400 days' WHERE state <> 'WAITING'",
    "UPDATE ops.runs SET finished_at = finished_at - interval '800 days',"
    " started_at = started_at - interval '800 days' WHERE run_id = 1",
)


def test_vacuum_deletes_what_nothing_needs(mdm: Any, customers: Any, engine: Engine) -> None:
    deliver(mdm, "a.jsonl", customers(ANNA))
    assert mdm("run") == 0, mdm.err
    key = mdm.rows("SELECT object_key FROM raw.lake_objects")[0][0]
    assert mdm("vacuum") == 0, mdm.err
    # the key comes back with other content, and that is planned twice before it is published
    from mdm.lake import Lake
    from mdm.services import up
    from mdm.settings import load

    Lake(up(load())).put(key, customers(ANNA | {"name": "Anna Keller-Holm"}, BEN).encode())
    assert mdm("plan") == 0, mdm.err
    assert mdm("plan") == 0, mdm.err
    assert mdm("run") == 0, mdm.err
    kept = "SELECT * FROM (SELECT count(*) FROM gold.dim_customers_history) AS h," \
           " (SELECT count(*) FROM gold.customer_change_events) AS e," \
           " (SELECT count(*) FROM identity.customer_identity_map) AS m," \
           " (SELECT count(*) FROM staging.identity_match_candidates) AS p," \
           " (SELECT count(*) FROM raw.lake_objects) AS o"  # fmt: skip
    before = mdm.rows(kept)
    assert mdm("vacuum") == 0, mdm.err
    assert "raw.crm_customers" not in mdm.out
    assert mdm.rows("SELECT count(*) FROM raw.crm_customers") == [["3"]]
    execute(engine, *AGE)
    assert mdm("vacuum", "--dry-run") == 0, mdm.err
    assert "raw.crm_customers: 1 row(s) would be deleted" in mdm.out
    assert mdm.rows("SELECT count(*) FROM raw.crm_customers") == [["3"]]
    assert mdm("vacuum") == 0, mdm.err
    assert "raw.crm_customers: 1 row(s) deleted" in mdm.out
    assert "ops.plans: 1 row(s) deleted" in mdm.out
    assert "ops.phase_runs" in mdm.out
    assert mdm.rows("SELECT count(*) FROM raw.crm_customers") == [["2"]]
    assert mdm.rows("SELECT state FROM ops.plans") == [["WAITING"]]
    assert mdm.rows(kept) == before
    assert mdm("check") == 0, mdm.out
    assert mdm("vacuum") == 0, mdm.err
    assert "Nothing is older" in mdm.err
    assert mdm("run", "--full") == 0, mdm.err
    assert mdm.rows(kept) == before


def test_vacuum_leaves_everything_where_nothing_is_set(
    mdm: Any, customers: Any, engine: Engine
) -> None:
    config = (mdm.folder / "mdm.toml").read_text()
    mdm.write("mdm.toml", config + "\n[retention]\nplans_days = 0\n")
    assert mdm("vacuum") == 2
    assert "retention.plans_days" in mdm.err
