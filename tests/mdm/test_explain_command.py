"""``mdm explain`` after a real run: it agrees with what was stored, and explains what never met."""

from __future__ import annotations

import json
from typing import Any

import pytest

from matching.explain_customer import components, spanning_tree

PEOPLE = """id,name,email,phone,dob,city
1,Ada Lovelace,ada@engine.example,020 7946 0001,10/12/1985,London
2,Ada Lovelace,ada@engine.example,020 7946 0001,10/12/1985,London
3,Ada Lovelace,ada@engine.example,,10/12/1985,Leeds
4,Ada M. Lovelace,,020 7946 0001,,London
5,Kurt Goedel,kurt@incomplete.example,0161 496 0000,28/04/1990,Wien
6,Byron Lovelace,byron@poem.example,020 7946 0001,22/01/1958,London
"""


@pytest.fixture
def loaded(mdm: Any) -> Any:
    """Five records of three people, run to gold."""
    mdm.write("people.csv", PEOPLE)
    assert mdm("load", "people.csv", "--source", "crm") == 0, mdm.err
    assert mdm("run") == 0, mdm.err
    return mdm


def explained(mdm: Any, *words: str) -> dict[str, Any]:
    assert mdm("explain", *words, "--json") == 0, mdm.err
    document: dict[str, Any] = json.loads(mdm.out)
    return document


def test_a_scored_pair_is_explained_as_it_was_decided(loaded: Any) -> None:
    pair = explained(loaded, "crm:1", "crm:3")
    assert pair["stored"] is not None
    assert pair["probability"] == pytest.approx(pair["stored"]["probability"], abs=1e-4)
    assert pair["decision"] == pair["stored"]["decision"]
    total = pair["prior_bits"] + sum(one["bits"] for one in pair["evidence"])
    assert total + pair["correction_bits"] == pytest.approx(pair["bits"], abs=1e-3)
    by_name = {one["attribute"]: one for one in pair["evidence"]}
    assert by_name["date_of_birth"]["level"] == "exact"
    assert by_name["date_of_birth"]["bits"] > 0
    assert by_name["phone"]["level"] == "absent"
    assert (by_name["phone"]["right"], by_name["phone"]["bits"]) == (None, 0.0)
    assert {trace["rule"]: trace["outcome"] for trace in pair["blocking"]}["email"] == "shared (1)"


def test_a_pair_that_never_met_is_scored_all_the_same(loaded: Any) -> None:
    pair = explained(loaded, "crm:1", "crm:5")
    assert pair["stored"] is None
    assert pair["decision"] == "REJECT"
    assert not pair["same_customer"]
    outcomes = {trace["rule"]: trace["outcome"] for trace in pair["blocking"]}
    assert outcomes["email"] == "different"
    assert all("shared" not in outcome for outcome in outcomes.values())
    assert loaded("explain", "crm:1", "crm:5") == 0
    assert "blocking did not bring them together" in loaded.out


def test_both_orders_say_the_same(loaded: Any) -> None:
    one, other = explained(loaded, "crm:1", "crm:6"), explained(loaded, "crm:6", "crm:1")
    assert one["probability"] == other["probability"]
    assert [e["bits"] for e in one["evidence"]] == [e["bits"] for e in other["evidence"]]


def test_records_that_look_the_same_need_no_score(loaded: Any) -> None:
    assert loaded("explain", "crm:1", "crm:2") == 0, loaded.err
    assert "they show the same data" in loaded.out
    assert "one customer today" in loaded.out


def test_a_steward_is_quoted(loaded: Any) -> None:
    assert loaded("unlink", "crm:1", "crm:6", "--reason", "father", "--steward", "eve") == 0
    assert loaded("explain", "crm:6", "crm:1") == 0
    assert "DIFFERENT by eve" in loaded.out


def test_a_customer_is_explained_by_its_links(loaded: Any) -> None:
    ((customer_id,),) = loaded.rows(
        "SELECT global_customer_id FROM identity.customer_identity_map WHERE source_record_id = '1'"
    )
    customer = explained(loaded, customer_id)
    members = sorted(name for profile in customer["profiles"] for name in profile)
    assert members[:3] == ["crm:1", "crm:2", "crm:3"]
    assert ["crm:1", "crm:2"] in customer["profiles"]
    assert len(customer["steps"]) == len(customer["profiles"]) - 1
    assert len(customer["parts"]) == 2
    assert sorted(name for part in customer["parts"] for name in part) == members
    probabilities = [step["probability"] for step in customer["steps"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert loaded("explain", customer_id) == 0
    assert "Cutting the weakest link would give" in loaded.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("crm:1", "crm:99"), "there is no live record crm:99"),
        (("crm:1", "99"), "write source:record_id"),
        (("crm:1",), "is no customer id"),
        (("crm:1", "crm:2", "crm:3"), "two records"),
        (("00000000-0000-7000-8000-000000000000",), "no live customer"),
        (("00000000-0000-7000-8000-000000000000", "--chart", "a.svg"), "name two"),
    ],
)
def test_mistakes_are_told(loaded: Any, words: tuple[str, ...], told: str) -> None:
    assert loaded("explain", *words) == 2
    assert told in loaded.err


def test_the_score_of_a_pair_is_drawn(loaded: Any) -> None:
    pytest.importorskip("matplotlib", reason="charts are an optional extra")
    assert loaded("explain", "crm:1", "crm:3", "--chart", "why.svg") == 0, loaded.err
    assert b"date_of_birth" in (loaded.folder / "why.svg").read_bytes()


def test_a_spanning_tree_takes_the_first_pairs_that_join() -> None:
    pairs = [(1, 2), (3, 4), (1, 2), (2, 3), (1, 4), (5, 6)]
    assert spanning_tree(range(1, 8), pairs) == [0, 1, 3, 5]
    assert components(range(1, 8), [(1, 2), (2, 3), (5, 6)]) == [[1, 2, 3], [5, 6], [4], [7]]
