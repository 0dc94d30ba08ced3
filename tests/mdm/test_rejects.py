"""`mdm rejects`: what waits is shown, and after a fix it reaches the golden customers."""

from __future__ import annotations

from typing import Any

CONTRACT = """
[sources.crm.contract]
required = ["email"]
max_bad_share = 0.5
[sources.crm.contract.fields.email]
pattern = '^[^@\\s]+@keller\\.example$'
"""
WEB = """
[sources.web]
table = "web_users"
record_id = "id"
[sources.web.fields]
full_name = "name"
email = "email"
"""
ANNA = {"id": "1", "name": "Anna Keller", "email": "anna@keller.example", "dob": "03/04/1981",
        "updated_at": "2026-01-01T08:00:00Z"}  # fmt: skip
BEN = {"id": "2", "name": "Ben Okafor", "email": "ben@okafor.example", "dob": "11/12/1990",
       "updated_at": "2026-01-01T08:00:00Z"}  # fmt: skip
NOBODY = {"id": "3", "name": "Nobody", "updated_at": "2026-01-01T08:00:00Z"}


def configure(mdm: Any, contract: str) -> None:
    base = (mdm.folder / "mdm.toml").read_text().partition("[sources.crm.contract]")[0]
    mdm.write("mdm.toml", base.rstrip() + "\n" + contract + WEB)


def deliver(mdm: Any, name: str, content: str, source: str = "crm") -> None:
    mdm.write(name, content)
    assert mdm("load", name, "--source", source) == 0, mdm.err


def names(mdm: Any) -> list[str]:
    found = mdm.rows("SELECT canonical_full_name FROM gold.dim_customers ORDER BY 1")
    return [name for (name,) in found]


def test_lines_wait_are_shown_and_come_in_after_a_fix(mdm: Any, customers: Any) -> None:
    configure(mdm, CONTRACT)
    assert mdm("rejects", "list") == 0, mdm.err
    assert "Nothing waits" in mdm.err
    assert mdm("rejects", "retry") == 2
    assert "nothing that is meant waits" in mdm.err
    deliver(mdm, "a.jsonl", customers(ANNA, BEN, NOBODY, ANNA | {"id": "4"}))
    assert mdm("run") == 0, mdm.err
    assert "1 of crm: contract: email.pattern" in mdm.err
    assert "1 of crm: contract: email.required" in mdm.err
    assert names(mdm) == ["Anna Keller"]

    assert mdm("rejects", "list") == 0, mdm.err
    assert "1 lines of 1 object(s)  crm  contract: email.pattern  e.g. 1:2" in mdm.out
    assert mdm("rejects", "list", "--lines", "--reason", "required") == 0, mdm.err
    assert mdm.out == "1:3  crm  run 1  contract: email.required  (email must be filled)\n"
    assert mdm("rejects", "list", "--lines", "--limit", "1") == 0, mdm.err
    assert "1 more; --limit" in mdm.err
    assert mdm("rejects", "list", "--source", "web") == 0, mdm.err
    assert mdm.out == ""
    assert mdm("rejects", "show", "1:2") == 0, mdm.err
    assert "reason    contract: email.pattern: email must match" in mdm.out
    assert "rule      email must match" in mdm.out
    assert "sources.crm.contract in mdm.toml" in mdm.out
    assert '"name": "Ben Okafor"' in mdm.out
    for place in ("1:1", "9:9", "x", "1:", "1:x"):
        assert mdm("rejects", "show", place) == 2
        assert "quarantine" in mdm.err or "is no OBJECT:LINE" in mdm.err

    configure(mdm, CONTRACT.replace("@keller", "@[a-z]+"))
    assert mdm("rejects", "retry", "--dry-run") == 0, mdm.err
    assert "LOADED" in mdm.out
    assert names(mdm) == ["Anna Keller"]
    assert mdm("rejects", "retry", "--reason", "email.pattern") == 0, mdm.err
    assert "LOADED → LOADED, rows 2 → 3, 1 line(s) still wait" in mdm.out
    assert names(mdm) == ["Anna Keller", "Ben Okafor"]
    assert mdm.rows(
        "SELECT source_record_id, line_no FROM raw.crm_customers"
        " JOIN raw.lake_objects USING (object_id) WHERE state = 'LOADED' ORDER BY 1"
    ) == [["1", "1"], ["2", "2"], ["4", "4"]]
    assert mdm.rows("SELECT line_no, reason FROM raw.quarantine") == [
        ["3", "contract: email.required"]
    ]
    assert mdm("check") == 0, mdm.out

    # again: nothing moves, no version and no event is written
    history = "SELECT count(*), (SELECT count(*) FROM gold.customer_change_events) FROM gold." \
              "dim_customers_history"  # fmt: skip
    before = mdm.rows(history)
    assert mdm("rejects", "retry") == 0, mdm.err
    assert "rows 3 → 3, 1 line(s) still wait" in mdm.out
    assert mdm.rows(history) == before
    configure(mdm, "")
    assert mdm("rejects", "show", "3:3") == 0, mdm.err
    assert "has no such rule any more" in mdm.out
    assert mdm("rejects", "retry", "3") == 0, mdm.err
    assert len(names(mdm)) == 3
    assert mdm.rows("SELECT count(*) FROM raw.quarantine") == [["0"]]


def deliver_too_little(mdm: Any, customers: Any) -> None:
    """Two files of crm, the first smaller than its contract promises, and one of web."""
    configure(mdm, "[sources.crm.contract]\nvolume = { min = 3 }\n")
    deliver(mdm, "a.jsonl", customers(ANNA))
    deliver(mdm, "b.jsonl", customers(BEN, BEN | {"id": "5"}, BEN | {"id": "6"}))
    deliver(mdm, "w.jsonl", customers({"id": "9", "name": "Cleo Lang", "email": "c@l.example"}),
            "web")  # fmt: skip


def test_a_plan_with_a_stopped_source_is_of_the_others(mdm: Any, customers: Any) -> None:
    deliver_too_little(mdm, customers)
    assert mdm("plan") == 3, mdm.err
    assert "Plan 1 (waiting): 1 new" in mdm.out
    assert "Stopped by their contracts: crm: crm/dt=" in mdm.err
    assert mdm("apply", "1") == 0, mdm.err
    assert names(mdm) == ["Cleo Lang"]


def test_a_run_with_a_stopped_source_publishes_the_others(mdm: Any, customers: Any) -> None:
    deliver_too_little(mdm, customers)
    assert mdm("run") == 3
    assert "Stopped by their contracts: crm: crm/dt=" in mdm.err
    assert "1 lines, where volume promises at least 3" in mdm.err
    assert "stopped     crm, at the object refused below; 1 object(s) wait behind it" in mdm.err
    assert names(mdm) == ["Cleo Lang"]
    assert mdm("rejects", "list") == 0, mdm.err
    assert "refused object 1  run 1  1 lines  crm/dt=" in mdm.out
    assert mdm("run") == 0, mdm.err
    assert names(mdm) == ["Ben Okafor", "Cleo Lang"]
    # asked again under the same contract it is refused again, and says so
    assert mdm("rejects", "retry", "--source", "crm") == 3
    assert "REJECTED → REJECTED, rows 0 → 0" in mdm.out
    configure(mdm, "[sources.crm.contract]\nvolume = { min = 1 }\n")
    assert mdm("run") == 0, mdm.err
    assert names(mdm) == ["Anna Keller", "Ben Okafor", "Cleo Lang"]


def test_what_the_lake_has_no_more_stays_as_it_is(mdm: Any, customers: Any) -> None:
    configure(mdm, CONTRACT)
    deliver(mdm, "a.jsonl", customers(ANNA, NOBODY))
    assert mdm("run") == 0, mdm.err
    from mdm.lake import Lake
    from mdm.services import up
    from mdm.settings import load

    key = mdm.rows("SELECT object_key FROM raw.lake_objects")[0][0]
    Lake(up(load())).remove(key)
    configure(mdm, "")
    assert mdm("rejects", "retry") == 0, mdm.err
    assert "not read again, the lake has it no more" in mdm.out
    assert names(mdm) == ["Anna Keller"]
    assert mdm.rows("SELECT count(*) FROM raw.quarantine") == [["1"]]
    assert mdm.rows("SELECT bool_or(judge_again) FROM raw.lake_objects") == [["f"]]
