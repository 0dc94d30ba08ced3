"""Each limit of a run turns it into a plan that waits, with exit code 3; applying publishes it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

RULES = '\n[matching]\nmodel = "rules"\nalways_match = [["email"], ["phone"]]\n'
Lines = Callable[..., str]
Record = dict[str, object]


def person(number: int, **values: object) -> Record:
    """A customer who has nothing in common with the others, but for what is given."""
    own: Record = {
        "id": str(number),
        "name": f"Person {number}",
        "email": f"p{number}@example.org",
        "phone": f"020 7946 {number:04d}",
        "updated_at": "2026-01-01T00:00:00Z",
    }
    return own | values


LATER = {"updated_at": "2026-02-01T00:00:00Z"}
TEN = [person(n) for n in range(10)]
BRIDGED = [*TEN, person(50, email="p0@example.org", phone="020 7946 0001")]
MANY = [person(n) for n in range(40)]


@pytest.mark.parametrize(
    ("setting", "before", "delivered", "told", "customers_n"),
    [
        ("[publish]\nmax_merged_share = 0.05", TEN,
         [person(50, email="p0@example.org", phone="020 7946 0001")],
         "1 of 10 customers merged (10.0%), more than publish.max_merged_share = 0.05", (10, 9)),
        ("[publish]\nmax_split_share = 0.05", BRIDGED,
         [person(50, email="p0@example.org", phone="020 7946 0777", **LATER)],
         "1 of 9 customers split (11.1%), more than publish.max_split_share = 0.05", (9, 10)),
        ("[publish]\nmax_deleted_share = 0.05", TEN, [{"id": "3", "_deleted": True, **LATER}],
         "1 of 10 customers deleted (10.0%), more than publish.max_deleted_share", (10, 9)),
        ("[publish]\nmax_cluster_size = 2", TEN,
         [person(n, email="p0@example.org") for n in (60, 61)],
         "the largest customer has 3 records, more than publish.max_cluster_size = 2", (10, 10)),
        ("[quality]\nmax_source_drop = 0.5", MANY,
         [{"id": str(n), "_deleted": True, **LATER} for n in range(30)],
         "source crm lost 30 of its 40 records", (40, 10)),
    ],
    ids=["merged", "split", "deleted", "cluster size", "source volume"],
)  # fmt: skip
def test_past_a_limit_a_run_waits_as_a_plan(
    mdm: Any,
    customers: Lines,
    setting: str,
    before: list[Record],
    delivered: list[Record],
    told: str,
    customers_n: tuple[int, int],
) -> None:
    mdm.write("mdm.toml", (mdm.folder / "mdm.toml").read_text() + RULES)
    deliver(mdm, "a.jsonl", customers(*before))
    assert mdm("run") == 0, mdm.err
    mdm.write("mdm.toml", (mdm.folder / "mdm.toml").read_text() + f"\n{setting}\n")
    deliver(mdm, "b.jsonl", customers(*delivered))
    assert mdm("run") == 3, mdm.err
    assert told in mdm.err
    plan = re.search(r"mdm apply (\d+)", mdm.err)
    assert plan is not None
    assert count(mdm) == customers_n[0]
    assert mdm("plan", "show", plan[1]) == 0, mdm.err
    assert told in mdm.out
    assert mdm("apply", plan[1]) == 0, mdm.err
    assert count(mdm) == customers_n[1]
    assert mdm("check") == 0, mdm.out
    # what a person let pass once does not stop the nights behind
    deliver(mdm, "c.jsonl", customers(person(99)))
    assert mdm("run") == 0, mdm.err


def deliver(mdm: Any, name: str, content: str) -> None:
    mdm.write(name, content)
    assert mdm("load", name, "--source", "crm") == 0, mdm.err


def count(mdm: Any) -> int:
    return int(mdm.rows("SELECT count(*) FROM gold.dim_customers")[0][0])
