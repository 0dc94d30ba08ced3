"""``mdm unmerge`` as a steward calls it: propose, apply, from a file, and all merges of a run."""

from __future__ import annotations

import re
from typing import Any

import pytest

RULES = '\n[matching]\nmodel = "rules"\nalways_match = [["email"], ["phone"]]\n'
WHY = ("--apply", "--reason", "two people")


def person(number: int, **values: object) -> dict[str, object]:
    """A customer who has nothing in common with the others, but for what is given."""
    return {
        "id": str(number),
        "name": f"Person {number}",
        "email": f"p{number}@example.org",
        "phone": f"020 7946 {number:04d}",
        "updated_at": f"2026-01-{number:02d}T00:00:00Z",
    } | values


def night(mdm: Any, lines: str) -> None:
    """One more delivery, and a run."""
    name = f"{len(list(mdm.folder.iterdir()))}.jsonl"
    mdm.write(name, lines)
    assert mdm("load", name, "--source", "crm") == 0, mdm.err
    assert mdm("run") == 0, mdm.err


def clusters(mdm: Any) -> list[str]:
    """The records of each customer."""
    return [
        row[0]
        for row in mdm.rows(
            "SELECT string_agg(source_record_id, ' ' ORDER BY source_record_id)"
            " FROM identity.customer_identity_map GROUP BY global_customer_id ORDER BY 1"
        )
    ]


def customer_of(mdm: Any, record: int) -> str:
    rows = mdm.rows(
        "SELECT global_customer_id FROM identity.customer_identity_map"
        f" WHERE source_record_id = '{record}'"
    )
    return str(rows[0][0])


Golden = dict[str, dict[str, str]]


def golden_records(said: str) -> Golden:
    """The golden values of each customer that a cut gives or would give."""
    found: Golden = {}
    for line in said.splitlines():
        if head := re.match("  (?:gives|would give) (.+?):", line):
            found[head[1]] = values = {}
        elif line.startswith("    "):
            values[line[:20].strip()] = line[20:]
    return found


@pytest.fixture
def merged(mdm: Any, customers: Any) -> Any:
    """Run 1: 1 and 2 by phone, 3 and 4 by phone, 5 alone. Run 2: 6 joins 1 2 with 3 4 by mail."""
    mdm.write("mdm.toml", (mdm.folder / "mdm.toml").read_text() + RULES)
    night(mdm, customers(person(1), person(2, phone="020 7946 0001"), person(3),
                         person(4, phone="020 7946 0003"), person(5)))  # fmt: skip
    assert clusters(mdm) == ["1 2", "3 4", "5"]
    night(mdm, customers(person(6, email="p1@example.org", phone="020 7946 0003")))
    assert clusters(mdm) == ["1 2 3 4 6", "5"]
    return mdm


def test_a_cut_is_proposed_and_then_made(merged: Any) -> None:
    customer = customer_of(merged, 1)
    assert merged("unmerge", customer) == 0, merged.err
    assert f"{customer}  the weakest evidence that holds it" in merged.out
    assert "1 cut(s) proposed, nothing done" in merged.err
    proposed = golden_records(merged.out)
    assert clusters(merged) == ["1 2 3 4 6", "5"]
    assert set(proposed) == {customer, "a new customer"}
    # nothing of it is left: no run, no word of a steward, no id
    assert merged.rows("SELECT count(*) FROM ops.runs") == [["2"]]
    assert merged.rows("SELECT count(*) FROM identity.steward_link_decisions") == [["0"]]
    assert merged("unmerge", customer, "--apply") == 2
    assert "--apply needs a --reason" in merged.err
    assert merged("unmerge", customer, *WHY) == 0, merged.err
    # what was proposed is what it became, under an id of its own
    made = golden_records(merged.out)
    assert proposed[customer] == made.pop(customer)
    [[new, values]] = made.items()
    assert values == proposed["a new customer"]
    assert merged.rows(
        "SELECT canonical_full_name, canonical_email FROM gold.dim_customers"
        f" WHERE global_customer_id = '{new}'"
    ) == [[values["full_name"], values["email"]]]
    after = clusters(merged)
    assert len(after) == 3
    assert merged("run", "--full") == 0, merged.err
    assert clusters(merged) == after
    assert merged("check") == 0, merged.out
    # taken back like any word of a steward
    for row in merged.rows("SELECT decision_id FROM identity.live_link_decisions"):
        assert merged("undo", row[0], "--reason", "one after all") == 0, merged.err
    assert clusters(merged) == ["1 2 3 4 6", "5"]


def test_many_from_a_file(merged: Any, customers: Any) -> None:
    night(merged, customers(person(7, phone="020 7946 0005")))
    assert clusters(merged) == ["1 2 3 4 6", "5 7"]
    ids = [customer_of(merged, record) for record in (1, 5)]
    merged.write("wrong.csv", "\n".join(["customer_id", *ids, ""]))
    assert merged("unmerge", "--file", "wrong.csv", *WHY) == 0, merged.err
    assert len(clusters(merged)) == 4
    assert "7" in clusters(merged)
    merged.write("none.csv", "customer_id\nnobody\n")
    assert merged("unmerge", "--file", "none.csv") == 2
    assert "line 2: 'nobody' is no customer id" in merged.err
    assert merged("unmerge", ids[0], "--run", "2") == 2
    assert "name one of" in merged.err


def test_all_merges_of_a_run(merged: Any) -> None:
    ended = merged.rows("SELECT global_customer_id FROM identity.customers WHERE state = 'MERGED'")
    assert merged("unmerge", "--run", "2") == 0, merged.err
    assert f"run 2 merged {ended[0][0]} into" in merged.out
    assert "leaves: crm:3 crm:4" in merged.out
    # the id that was merged away would be used again
    assert golden_records(merged.out)[ended[0][0]]["phone"] == "+442079460003"
    assert merged("unmerge", "--run", "2", *WHY) == 0, merged.err
    # 6 came with the run: it stays on the side that kept the id, as a merge's evidence would
    assert {"3 4", "5"} < set(clusters(merged))
    assert customer_of(merged, 3) == ended[0][0]
    assert merged("check") == 0, merged.out
    assert merged("unmerge", "--run", "1") == 2
    assert "run 1 merged no customers" in merged.err
