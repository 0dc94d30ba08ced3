"""What is told of a run that stopped, and that the next one goes on where it stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from sqlalchemy import Engine, text

from mdm import resume
from mdm.phases import find

ANNA = {"id": "1", "name": "Anna Keller", "email": "anna@keller.example", "dob": "03/04/1981"}
BEN = {"id": "2", "name": "Ben Okafor", "email": "ben@okafor.example", "dob": "11/12/1990"}


@pytest.mark.parametrize(
    ("phase", "told"),
    [
        ("ingestion", "rolled back; kept: everything up to production. `mdm run` goes on with "
                      "ingestion."),
        ("matching", "rolled back; kept: everything up to blocking. `mdm run` goes on with"),
        ("identity", "Nothing of this run was published; kept: everything up to matching. `mdm run`"
                     " goes on with identity."),
        ("events", "published; kept: everything up to matching. `mdm run` goes on with identity."),
        ("infrastructure", "What this phase had not finished was rolled back. `mdm run` goes on"),
    ],
)  # fmt: skip
def test_what_a_failed_phase_leaves(phase: str, told: str) -> None:
    assert told in resume.left(find(phase))


def test_a_killed_run_is_told_and_the_next_goes_on_where_it_stopped(
    mdm: Any, customers: Any, engine: Engine
) -> None:
    """The process is held in matching by a lock on its table, and killed there."""
    mdm.write("a.jsonl", customers(ANNA, BEN))
    assert mdm("load", "a.jsonl", "--source", "crm") == 0, mdm.err
    with engine.connect() as conn:
        conn.execute(text("LOCK TABLE staging.identity_match_candidates"))
        process = subprocess.Popen(
            [sys.executable, "-m", "mdm.cli", "run"], cwd=mdm.folder, stderr=subprocess.DEVNULL
        )
        wait_for(engine, "SELECT max(phase) = 'blocking' FROM ops.phase_runs WHERE position >= 4.5")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        wait_for(engine, "SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory' AND"
                         " database = (SELECT oid FROM pg_database"
                         " WHERE datname = current_database())")  # fmt: skip
        assert mdm("runs") == 0, mdm.err
        conn.rollback()
    assert "     1  DIED" in mdm.out
    assert "stopped in phase matching; kept: everything up to blocking" in mdm.out
    assert mdm("runs", "show", "1") == 0, mdm.err
    report = json.loads(mdm.out)
    assert report["state"] == "DIED"
    assert report["resume"].endswith("the next run goes on with matching")
    done = {phase["name"]: phase for phase in report["phases"]}
    assert list(done)[-1] == "blocking"
    assert (done["staging"]["rows_in"], done["staging"]["retries"]) == (2, 0)

    assert mdm("run", "--json", "-") == 0, mdm.err
    again = {phase["name"]: phase for phase in json.loads(mdm.out)["phases"]}
    assert [again[name]["rows_in"] for name in ("ingestion", "staging", "identity_inputs")] == [
        0, 0, 0
    ]  # fmt: skip
    assert again["gold"]["rows_out"] == 2
    assert mdm("runs") == 0, mdm.err
    assert "     1  FAILED" in mdm.out
    assert "     2  DONE" in mdm.out
    assert mdm("runs", "show", "2") == 0, mdm.err
    assert json.loads(mdm.out)["totals"]["retries"] == 0


def wait_for(engine: Engine, question: str) -> None:
    """Until the database answers yes."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with engine.connect() as conn:
            if conn.execute(text(question)).scalar():
                return
        time.sleep(0.05)
    raise AssertionError(f"never came true: {question}")
