"""Contracts at ingestion, against a real lake and a real database, told as stories."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from sqlalchemy import Connection, text

from ingestion import minio_to_raw, rejects
from ingestion.rejects import Choice
from mdm import check
from mdm.config import Config
from mdm.lake import Lake, StreamBroken
from mdm.phases import PhaseReport, RunContext

Contexts = Callable[..., RunContext]
HOUR = "crm/dt=2026-01-01/hr=07/"
LOAD = HOUR + "crm_20260101T070000000000"


def lines(*records: dict[str, Any]) -> bytes:
    return b"".join(orjson.dumps(record) + b"\n" for record in records)


def people(*ids: object, **also: Any) -> bytes:
    return lines(*({"id": one, "email": f"{one}@x.example"} | also for one in ids))


def with_contract(config: Config, **contract: Any) -> Config:
    """The same configuration with a contract for the source `crm`, and a second source `web`."""
    document = config.model_dump(exclude_unset=True)
    document["sources"]["crm"]["contract"] = contract
    document["sources"]["web"] = {
        "table": "web_users", "record_id": "id", "fields": {"email": "email"}
    }  # fmt: skip
    return Config.model_validate(document)


def rows(conn: Connection, select: str) -> list[tuple[Any, ...]]:
    return [
        tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
        for row in conn.execute(text(select))
    ]


def live(conn: Connection, table: str = "crm_customers") -> list[tuple[Any, ...]]:
    """Record id, object and line of each row that counts."""
    found = rows(
        conn,
        "SELECT source_record_id, regexp_replace(object_key, '.*/', ''), line_no"
        f" FROM raw.{table} JOIN raw.lake_objects USING (object_id)"
        " WHERE state = 'LOADED' ORDER BY 1, 2, 3",
    )
    for invariant in check.invariants(["ingestion/invariants.sql"]):
        assert conn.execute(text(invariant.sql)).all() == [], invariant.name
    return found


def states(conn: Connection) -> list[tuple[Any, ...]]:
    return rows(
        conn,
        "SELECT regexp_replace(object_key, '.*/', ''), state FROM raw.lake_objects"
        " WHERE state <> 'SUPERSEDED' ORDER BY 1",
    )


def stopped(report: PhaseReport) -> Any:
    return report.detail.get("crm", {}).get("contract", {}).get("stopped")


def test_lines_that_break_it_wait_under_the_rules_name(
    conn: Connection, lake: Lake, make_context: Contexts, config: Config
) -> None:
    ours = with_contract(
        config, required=["email"], max_bad_share=0.7, fields={"email": {"pattern": "@"}}
    )
    lake.put(
        HOUR + "a.jsonl",
        people(1) + b'{"id": 2, "email": "none" }\r\nnot json\n' + lines({"id": 4}) + people(5),
    )
    report = minio_to_raw.run(conn, make_context(ours))
    assert live(conn) == [("1", "a.jsonl", 1), ("5", "a.jsonl", 5)]
    assert rows(
        conn,
        "SELECT line_no, reason, detail, line FROM raw.quarantine WHERE detail LIKE 'email%'"
        " ORDER BY 1",
    ) == [
        (2, "contract: email.pattern", "email must match @", b'{"id": 2, "email": "none" }'),
        (4, "contract: email.required", "email must be filled", b'{"id":4}'),
    ]
    assert report.detail["crm"]["rejected"] == {
        "not JSON": 1,
        "contract: email.pattern": 1,
        "contract: email.required": 1,
    }
    assert (report.rows_out, report.rows_rejected, stopped(report)) == (2, 3, None)


@pytest.mark.parametrize(
    ("contract", "reason"),
    [
        ({"volume": {"min": 3}}, "2 lines, where volume promises at least 3"),
        ({"volume": {"max": 1}}, "2 lines, where volume promises at most 1"),
        ({"required": ["phone"]}, "phone is required and filled in none of 2 records"),
        ({"freshness_hours": 24}, "its newest record is of 2025-12-30 00:00 UTC, 55 hours"),
        ({"extra_fields": "refuse"}, "email, nick: in neither the contract nor"),
        ({"unique": ["nick"], "max_bad_share": 0.4}, "1 of 2 lines are bad"),
    ],
)
def test_a_file_that_breaks_it_stops_its_source_alone(
    conn: Connection,
    lake: Lake,
    make_context: Contexts,
    config: Config,
    contract: dict[str, Any],
    reason: str,
) -> None:
    ours = with_contract(config, **contract)
    lake.put(HOUR + "b.jsonl", people(1, 2, nick="x", updated_at="2025-12-30T00:00:00Z", name=""))
    # delivered before, but read after: it waits behind the refused one
    good = people(7, 8, 9, updated_at="2026-01-01T00:00:00Z", contact={"phone": "1"}, phone="1")
    lake.put(HOUR + "c.jsonl", good)
    lake.put("web/dt=2026-01-01/hr=07/w.jsonl", people("w"))
    report = minio_to_raw.run(conn, make_context(ours))
    assert states(conn) == [("b.jsonl", "REJECTED"), ("w.jsonl", "LOADED")]
    assert live(conn) == []
    assert stopped(report).startswith(f"{HOUR}b.jsonl: {reason}")
    assert report.detail["crm"]["contract"]["waiting_objects"] == 1
    assert live(conn, "web_users") == [("w", "w.jsonl", 1)]
    # the next night it is not tried again, and what waited is read
    again = minio_to_raw.run(conn, make_context(ours))
    assert [row for row in states(conn) if row[0] == "b.jsonl"] == [("b.jsonl", "REJECTED")]
    assert "b.jsonl" not in str(again.detail)
    # nothing was lost: under another contract it is, at once
    kinder = with_contract(config)
    assert stopped(minio_to_raw.run(conn, make_context(kinder))) is None
    assert [row[:2] for row in live(conn)][:2] == [("1", "b.jsonl"), ("2", "b.jsonl")]
    assert minio_to_raw.run(conn, make_context(kinder)).detail == {}


def test_a_corrected_file_is_taken(
    conn: Connection, lake: Lake, make_context: Contexts, config: Config
) -> None:
    ours = with_contract(config, volume={"min": 2})
    lake.put(HOUR + "b.jsonl.gz", gzip.compress(people(1)))
    assert stopped(minio_to_raw.run(conn, make_context(ours)))
    lake.put(HOUR + "b.jsonl.gz", gzip.compress(people(1, 2)))
    assert stopped(minio_to_raw.run(conn, make_context(ours))) is None
    assert live(conn) == [("1", "b.jsonl.gz", 1), ("2", "b.jsonl.gz", 2)]


def test_a_delivery_comes_in_whole_or_not_at_all(
    conn: Connection,
    lake: Lake,
    make_context: Contexts,
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = with_contract(config)
    keys = [f"{LOAD}_{n:04}_{n:012x}.jsonl" for n in range(2)]
    for n, key in enumerate(keys):
        lake.put(key, people(n))
    real = Lake.open

    def breaks(self: Lake, key: str) -> Any:
        if key == keys[1]:
            raise StreamBroken("The lake (S3)", address="here", hint="")
        return real(self, key)

    monkeypatch.setattr(Lake, "open", breaks)
    with pytest.raises(StreamBroken):
        minio_to_raw.run(conn, make_context(ours))
    monkeypatch.setattr(Lake, "open", real)
    conn.rollback()
    assert states(conn) == []
    minio_to_raw.run(conn, make_context(ours))
    assert [row[0] for row in live(conn)] == ["0", "1"]


def test_a_kept_contract_changes_nothing(
    conn: Connection, lake: Lake, make_context: Contexts, config: Config
) -> None:
    odd = (
        people(*range(300))
        + b'{"id": 1e5, "n": 12345678901234567890123}\r\n\n  {"id": "x", "id": "y"} \nno\n'
        + b'{"id": "z", "_deleted": true}\n{"id": "\\u0000"}\n[]\n{"id": {}}\n'
        + '{"id": "ü", "tags": ["a", {"b": null}], "a.b": {"": 1}}\n'.encode()
    )
    document = with_contract(config, unique=["id"], fields={"email": {"type": "text"}})
    for source in ("crm", "web"):
        lake.put(f"{source}/dt=2026-01-01/hr=07/a.jsonl", odd)
    minio_to_raw.run(conn, make_context(document))
    same = "line_no, source_record_id, event_at, is_deleted, payload::text"
    with_one, without = (
        rows(conn, f"SELECT {same} FROM raw.{table} ORDER BY 1")
        for table in ("crm_customers", "web_users")
    )
    assert with_one == without
    rejected = "SELECT line_no, reason, detail, line FROM raw.quarantine WHERE source = "
    assert rows(conn, rejected + "'crm' ORDER BY 1") == rows(conn, rejected + "'web' ORDER BY 1")
    assert len(with_one) == 304


def test_the_objects_of_one_load_are_judged_together(
    conn: Connection, lake: Lake, make_context: Contexts, config: Config
) -> None:
    ours = with_contract(config, volume={"min": 4}, unique=["email"], max_bad_share=0.3)
    first, second, third = (f"{LOAD}_{n:04}_{n:012x}.jsonl" for n in range(3))
    lake.put(first, people(1, 2))
    minio_to_raw.run(conn, make_context(ours))
    assert [state for _, state in states(conn)] == ["REJECTED"]
    # the rest of the load arrives: all of it is read, and a key is unique over all of it
    lake.put(second, people(3, 1))
    lake.put(third, people(4))
    report = minio_to_raw.run(conn, make_context(ours))
    assert stopped(report) is None
    assert [state for _, state in states(conn)] == ["LOADED"] * 3
    assert [(row[0], row[2]) for row in live(conn)] == [("1", 1), ("2", 2), ("3", 1), ("4", 1)]
    assert rows(conn, "SELECT object_key, line_no, reason FROM raw.quarantine") == [
        (second, 2, "contract: email.unique")
    ]
    # a part that a person took back stays so when another part is read again
    conn.execute(
        text("UPDATE raw.lake_objects SET state = 'RETRACTED' WHERE object_key = :key"),
        {"key": third},
    )
    conn.execute(
        text("UPDATE raw.lake_objects SET judge_again = true WHERE object_key = :key"),
        {"key": second},
    )
    conn.commit()
    kinder = with_contract(config, unique=["id"], max_bad_share=0.4)
    minio_to_raw.run(conn, make_context(kinder))
    assert [state for _, state in states(conn)] == ["LOADED", "LOADED", "RETRACTED"]
    assert rows(conn, "SELECT object_key, line_no, reason FROM raw.quarantine") == [
        (second, 2, "contract: id.unique")
    ]


def test_fields_that_come_and_go_are_told_and_kept(
    conn: Connection, lake: Lake, make_context: Contexts, config: Config
) -> None:
    ours = with_contract(config)

    def deliver(name: str, *records: dict[str, Any]) -> Any:
        lake.put(f"{HOUR}{name}.jsonl", lines(*records))
        report = minio_to_raw.run(conn, make_context(ours))
        return report.detail["crm"].get("contract", {}).get("fields")

    assert deliver("a", {"id": 1, "email": "x", "fax": None}, {"id": 2, "email": ""}) is None
    assert deliver("b", {"id": 3, "email": "x", "social": {"handle": "@x"}}) == {
        "new": ["social", "social.handle"],
        "vanished": ["fax"],
    }
    assert deliver("c", {"id": 4, "email": "x", "fax": "1"}) == {
        "vanished": ["social", "social.handle"]
    }
    found = rows(
        conn,
        "SELECT path, first_run_id, last_run_id, is_vanished, fill_share::float"
        " FROM raw.source_fields ORDER BY path",
    )
    assert found == [
        ("email", 1, 3, False, 1.0),
        ("fax", 1, 3, False, 1.0),
        ("id", 1, 3, False, 1.0),
        ("social", 2, 2, True, 0.0),
        ("social.handle", 2, 2, True, 0.0),
    ]
    assert rows(conn, "SELECT payload->'social'->>'handle' FROM raw.crm_customers"
                      " WHERE source_record_id = '3'") == [("@x",)]  # fmt: skip


def test_a_source_that_delivers_no_more_is_overdue(
    conn: Connection, lake: Lake, make_context: Contexts, config: Config
) -> None:
    ours = with_contract(config, freshness_hours=1)
    lake.put("crm/dt=2026-01-01/hr=00/a.jsonl", people(1, updated_at="2026-01-01T00:00:00Z"))
    first = minio_to_raw.run(conn, make_context(ours))
    assert "contract" not in first.detail["crm"]
    second = minio_to_raw.run(conn, make_context(ours))
    assert second.detail["crm"]["contract"] == {"overdue_hours": 2}


def test_what_waits_is_judged_again_when_asked(
    conn: Connection, lake: Lake, make_context: Contexts, config: Config
) -> None:
    strict = with_contract(config, fields={"email": {"pattern": "^[a-z]+@"}})
    lake.put(HOUR + "a.jsonl", people("a", "b1", *"cdefghijklm") + b"junk\n")
    lake.put(HOUR + "b.jsonl", people("1", "2"))
    lake.put(HOUR + "c.jsonl", people("x"))
    for _ in range(3):  # a night for each that waits behind a refused one
        minio_to_raw.run(conn, make_context(strict))
    assert states(conn) == [("a.jsonl", "REJECTED"), ("b.jsonl", "REJECTED"), ("c.jsonl", "LOADED")]
    kinder = with_contract(
        config, max_bad_share=0.2, fields={"email": {"pattern": "^[a-z]+1?@|^2@"}}
    )
    report = minio_to_raw.run(conn, make_context(kinder))
    assert stopped(report).startswith(f"{HOUR}b.jsonl: 1 of 2 lines are bad")
    assert len(live(conn)) == 14
    assert rows(conn, "SELECT line_no, reason FROM raw.quarantine WHERE object_key LIKE '%/a%'") \
        == [(14, "not JSON")]  # fmt: skip

    # a loaded object is read again only when a person asks for it
    kindest = with_contract(config, max_bad_share=0.2)
    quiet = minio_to_raw.run(conn, make_context(kindest))
    assert quiet.detail["crm"]["objects"] == {"loaded": 1}
    waiting = rejects.waiting(conn, Choice(source="crm", reason="JSON"))
    assert [row.object_key for row in waiting] == [HOUR + "a.jsonl"]
    rejects.ask_again(conn, [row.object_id for row in waiting])
    conn.commit()
    lake.put(HOUR + "a.jsonl", lake_bytes(lake, HOUR + "a.jsonl"))  # the same content
    before = live(conn)
    minio_to_raw.run(conn, make_context(kindest))
    assert live(conn) == before
    assert rows(conn, "SELECT count(*) FROM raw.lake_objects WHERE reason LIKE 'judged again%'") \
        == [(4,)]  # fmt: skip
    assert minio_to_raw.run(conn, make_context(kindest)).detail == {}


def lake_bytes(lake: Lake, key: str) -> bytes:
    with lake.open(key) as stream:
        content: bytes = stream.read()
    return content
