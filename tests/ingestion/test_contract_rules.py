"""What a contract finds in lines and in deliveries, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingestion.contracts import Judge
from mdm.config import Source

NOON = datetime(2026, 1, 10, 12, tzinfo=UTC)
SOURCE: dict[str, Any] = {
    "table": "crm_customers",
    "record_id": "id",
    "event_time": "updated_at",
    "date_order": "DMY",
    "fields": {"email": ["mail", "contact.email"], "street": "{house} {road}"},
}


def judge(**contract: Any) -> Judge:
    source = Source.model_validate(SOURCE | {"contract": contract})
    assert source.contract is not None
    return Judge(source, source.contract)


def reasons(contract: dict[str, Any], *documents: dict[str, Any]) -> list[str | None]:
    """Per document the reason of its rejection, without what all reasons begin with."""
    broken = judge(**contract).judge(documents)
    return [
        broken[n].reason.removeprefix("contract: ") if n in broken else None
        for n in range(len(documents))
    ]


def one(rules: dict[str, Any], *values: Any) -> list[str | None]:
    """Per value of one field the rule that it breaks."""
    documents: list[dict[str, Any]] = [{"f": value} for value in values]
    found = reasons({"fields": {"f": rules}}, *documents)
    return [reason and reason.removeprefix("f.") for reason in found]


@pytest.mark.parametrize(
    ("rules", "kept", "broken", "rule"),
    [
        ({"required": True}, ["x", 0, False, [1]], ["", "  ", None], "required"),
        ({"pattern": "^[A-Z]{2}$"}, ["GB", None, ""], ["gb", "GBR", 7, ["GB"]], "pattern"),
        ({"pattern": "^ü.$"}, ["üx"], ["uex"], "pattern"),
        ({"length": {"min": 2, "max": 3}}, ["ab", "äöü", 123], ["a", "abcd", 1], "length"),
        ({"length": {"min": 2}}, ["ab", "abcd"], ["a"], "length"),
        ({"allowed": ["a", 1, True]}, ["a", 1, "1", True, "true", None], ["A", 2, False],
         "allowed"),
        ({"type": "text"}, ["x", 1, True, "[1]"], [[1], {"a": 1}], "type"),
        ({"type": "integer"}, [1, "1", "+1", " -7 ", "9" * 30], ["1.0", 1.5, "x", "1,000"], "type"),
        ({"type": "number"}, [1, "1.5", ".5", "1e-9", "+5."], ["x", "1,5", "0x1", "inf", "٣"],
         "type"),
        ({"type": "boolean"}, [True, "no", "T", 0], ["maybe", 2], "type"),
        ({"type": "date"}, ["1980-02-03", "03/02/1980", "3.2.1980", "19800203"],
         ["1980-02-30", "17", 17, "x", ["1980-02-03"]], "type"),
        ({"type": "timestamp"}, ["1980-02-03T04:05:06+02:00", 17, "1767225600000"],
         ["x", "1980-02-03T25:00:00"], "type"),
        ({"min": 0.5}, [0.5, "+7", "1e9"], [0.4, "-1"], "min"),
        ({"max": 10}, ["+10", 9, -1], [10.5, "+11"], "max"),
        ({"min": datetime(1900, 1, 1).date()}, ["1900-01-01"], ["31/12/1899"], "min"),
        ({"type": "date", "max": datetime(2020, 1, 31).date()},
         ["2020-01-31", "2020-01-31T23:59:59Z"], ["2020-02-01"], "max"),
        ({"max": datetime(2020, 1, 31, 12)}, ["2020-01-31T12:00:00Z"], ["2020-01-31T12:00:01Z"],
         "max"),
    ],
)  # fmt: skip
def test_a_rule_keeps_and_refuses(
    rules: dict[str, Any], kept: list[object], broken: list[object], rule: str
) -> None:
    assert one(rules, *kept) == [None] * len(kept)
    assert one(rules, *broken) == [rule] * len(broken)
    both = [value for pair in zip(kept, broken, strict=False) for value in pair]
    assert one(rules, *both) == [None, rule] * (len(both) // 2)


def test_bounds_say_that_there_is_something_to_compare() -> None:
    assert one({"min": 1}, "x") == ["type"]
    assert one({"min": datetime(1900, 1, 1).date()}, "x") == ["type"]


def test_a_line_waits_for_its_first_broken_rule_and_names_the_others() -> None:
    found = judge(
        required=["email"], fields={"age": {"min": 0, "allowed": ["7"]}, "email": {"pattern": "@"}}
    ).judge([{"age": -1}, {"age": 7, "email": "@"}, {"email": "x"}])
    assert [tuple(found[n]) for n in (0, 2)] == [
        (
            "contract: age.allowed",
            "age must be one of: 7; also broken: age.min, email.required",
        ),
        ("contract: email.pattern", "email must match @"),
    ]
    assert set(found) == {0, 2}


def test_delete_markers_promise_nothing() -> None:
    contract = {"required": ["email"], "unique": ["id"]}
    documents: list[dict[str, Any]] = [
        {"id": "1", "_deleted": True},
        {"id": "1", "email": "x"},
        {"id": "1"},
    ]
    assert reasons(contract, *documents) == [None, None, "email.required"]


def test_keys_are_unique_over_all_batches_and_objects() -> None:
    found = judge(unique=["id", ["a", "b"]], fields={"a": {"pattern": "^[^!]*$"}})
    first = found.judge([{"id": 1, "a": "!", "b": 1}, {"id": 1, "a": "x", "b": 1}])
    assert {n: why.reason for n, why in first.items()} == {0: "contract: a.pattern"}
    second = found.judge(
        [
            {"id": "1", "a": "y", "b": 1},
            {"id": 2, "a": "x", "b": 1},
            {"id": 3, "a": "x", "b": 2},
            {"id": 4, "a": "x"},
            {"id": 5, "a": "x"},
            {"a": "z"},
            {"a": "z"},
        ]
    )
    assert {n: why.reason for n, why in second.items()} == {
        0: "contract: id.unique",
        1: "contract: a+b.unique",
    }
    assert found.judge([{"id": 3}])[0].reason == "contract: id.unique"


def faults(contract: dict[str, Any], *documents: dict[str, Any], **given: Any) -> list[str]:
    found = judge(**contract)
    found.judge(documents)
    found.end_object()
    told = {"lines": len(documents), "newest": None, "at": NOON} | given
    return list(found.faults(**told))


def test_what_is_wrong_with_a_delivery_as_a_whole() -> None:
    assert faults({"required": ["email"]}, {"id": 1}, {"id": 2, "email": " "}) == [
        "email is required and filled in none of 2 records"
    ]
    assert faults({"required": ["email"]}, {"id": 1}, {"email": "x"}) == []
    assert faults({"required": ["email"]}) == []
    volume = {"volume": {"min": 2, "max": 3}}
    assert faults(volume, lines=1) == ["1 lines, where volume promises 2 to 3"]
    assert faults(volume, lines=4) == ["4 lines, where volume promises 2 to 3"]
    assert faults(volume, lines=2) == faults(volume, lines=3) == []
    fresh, record = {"freshness_hours": 48}, {"id": 1}
    assert faults(fresh, record, newest=NOON - timedelta(hours=48)) == []
    assert faults(fresh, record, newest=NOON + timedelta(days=9)) == []
    assert faults(fresh, {"id": 1, "_deleted": True}) == []
    assert faults(fresh, record) == [
        "none of its records tells a time in updated_at, where freshness_hours promises 48"
    ]
    assert faults(fresh, record, newest=NOON - timedelta(hours=50)) == [
        "its newest record is of 2026-01-08 10:00 UTC, 50 hours before its delivery, "
        "where freshness_hours promises 48"
    ]
    both = faults(volume | fresh, record, newest=NOON - timedelta(days=9))
    assert [fault.split(",")[0] for fault in both] == [
        "1 lines",
        "its newest record is of 2026-01-01 12:00 UTC",
    ]


def test_unknown_fields_are_kept_or_refused() -> None:
    known = {"id": 1, "mail": "", "contact": {"email": ""}, "house": 1, "road": "",
             "updated_at": "", "age": 1, "_deleted": False}  # fmt: skip
    strict = {"extra_fields": "refuse", "fields": {"age": {"min": 0}}}
    assert faults(strict, known) == []
    assert faults({"fields": {}}, known | {"nick": "x"}) == []
    assert faults(strict, known | {"nick": "x", "contact": {"fax": 1}}) == [
        "contact.fax, nick: in neither the contract nor the fields of the source"
    ]
