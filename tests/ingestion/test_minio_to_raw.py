"""Ingestion against a real lake and a real database, told as stories."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import psycopg2
import pytest
from sqlalchemy import Connection, text

from ingestion import minio_to_raw
from mdm import check
from mdm.config import Config
from mdm.lake import Lake
from mdm.phases import RunContext

Contexts = Callable[..., RunContext]
HOUR = "crm/dt=2026-01-01/hr=07/"


def lines(*ids: str) -> bytes:
    return b"".join(
        f'{{"id": "{record_id}", "name": "N {record_id}"}}\n'.encode() for record_id in ids
    )


def live_ids(conn: Connection) -> list[str]:
    """The record ids in raw whose object counts, in order."""
    return list(
        conn.execute(
            text(
                "SELECT source_record_id FROM raw.crm_customers JOIN raw.lake_objects"
                " USING (object_id) WHERE state = 'LOADED' ORDER BY source_record_id"
            )
        ).scalars()
    )


def broken(conn: Connection) -> list[str]:
    found = list(check.invariants(["ingestion/invariants.sql"]))
    assert len(found) == 3
    return [i.name for i in found if conn.execute(text(i.sql)).all()]


def test_new_objects_are_loaded_once(
    conn: Connection, lake: Lake, make_context: Contexts, config: Config
) -> None:
    lake.put(HOUR + "crm_1.jsonl", lines("A", "B"))
    lake.put(HOUR + "crm_2.jsonl.gz", gzip.compress(lines("C")))
    first = minio_to_raw.run(conn, make_context(config))
    assert (first.rows_out, first.rows_rejected) == (3, 0)
    again = minio_to_raw.run(conn, make_context(config))
    assert (again.rows_in, again.rows_out, again.detail) == (0, 0, {})
    assert live_ids(conn) == ["A", "B", "C"]


ADDED = "INSERT INTO raw.crm_customers SELECT {}, {}, run_id, 'X', event_at, false, payload"


@pytest.mark.parametrize("since", [None, 0], ids=["of all", "since the last check"])
@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM raw.crm_customers WHERE source_record_id = 'B'",
        ADDED.format("object_id", 99) + " FROM raw.crm_customers WHERE source_record_id = 'A'",
        "DELETE FROM raw.crm_customers",
    ],
    ids=["a row less", "a row more", "no row"],
)
def test_raw_is_held_against_its_ledger(
    conn: Connection,
    lake: Lake,
    make_context: Contexts,
    config: Config,
    damage: str,
    since: int | None,
) -> None:
    lake.put(HOUR + "crm_1.jsonl", lines("A", "B"))
    minio_to_raw.run(conn, make_context(config))
    scope = None if since is None else check.Scope(1, since, 0)

    def found() -> list[str]:
        every = check.run(conn, scope=scope, files=["ingestion/invariants.sql"])
        return [one.name for one in every if not one.holds]

    assert found() == []
    conn.execute(text(damage))
    assert found() == ["raw_rows"]


def test_rows_without_a_ledger_row_are_noticed(
    conn: Connection, lake: Lake, make_context: Contexts, config: Config
) -> None:
    lake.put(HOUR + "crm_1.jsonl", lines("A"))
    minio_to_raw.run(conn, make_context(config))
    conn.execute(text(ADDED.format(99, 1) + " FROM raw.crm_customers"))
    assert broken(conn) == ["raw_rows"]


def test_same_hour_and_late_files_are_not_lost(
    conn: Connection, lake: Lake, make_context: Contexts, config: Config
) -> None:
    lake.put(HOUR + "crm_5.jsonl", lines("A"))
    minio_to_raw.run(conn, make_context(config))
    lake.put(HOUR + "crm_1.jsonl", lines("same-hour"))
    lake.put("crm/dt=2024-02-29/hr=23/crm_9.jsonl", lines("two-years-late"))
    minio_to_raw.run(conn, make_context(config))
    assert live_ids(conn) == ["A", "same-hour", "two-years-late"]
    watermark = conn.execute(
        text("SELECT watermark FROM identity.ingestion_watermarks")
    ).scalar_one()
    assert f"{watermark:%F %H}" == "2026-01-01 07"


def test_an_object_that_changed_supersedes_itself(
    conn: Connection, lake: Lake, make_context: Contexts, config: Config
) -> None:
    lake.put(HOUR + "crm_1.jsonl", lines("A", "B"))
    minio_to_raw.run(conn, make_context(config))
    lake.put(HOUR + "crm_1.jsonl", lines("A", "C"))
    minio_to_raw.run(conn, make_context(config))
    assert live_ids(conn) == ["A", "C"]
    states = conn.execute(text("SELECT state FROM raw.lake_objects ORDER BY object_id")).scalars()
    assert list(states) == ["SUPERSEDED", "LOADED"]
    lake.put(HOUR + "crm_1.jsonl", lines("A", "B"))
    minio_to_raw.run(conn, make_context(config))
    assert live_ids(conn) == ["A", "B"]
    assert broken(conn) == []


def test_bad_lines_wait_in_quarantine_with_their_bytes(
    conn: Connection, lake: Lake, make_context: Contexts, config: Config
) -> None:
    good = [f"{n:03}" for n in range(30)]
    lake.put(HOUR + "crm_1.jsonl", lines(*good) + b'{"id": \n{"name": "no id"}\n')
    report = minio_to_raw.run(conn, make_context(config))
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (32, 30, 2)
    rows = conn.execute(
        text("SELECT line_no, reason, line FROM raw.rejected_lines ORDER BY line_no")
    ).all()
    assert [(r.line_no, r.reason, bytes(r.line)) for r in rows] == [
        (31, "not JSON", b'{"id": '),
        (32, "no record id", b'{"name": "no id"}'),
    ]
    assert broken(conn) == []


def test_an_object_with_too_many_bad_lines_is_refused_as_a_whole(
    conn: Connection, lake: Lake, make_context: Contexts, config: Config
) -> None:
    lake.put(HOUR + "crm_1.jsonl", lines("A", "B", "C") + b"junk\n")
    lake.put(HOUR + "crm_2.jsonl", lines("D"))
    report = minio_to_raw.run(conn, make_context(config))
    assert live_ids(conn) == ["D"]
    detail = report.detail["crm"]
    assert detail["objects"] == {"rejected": 1, "loaded": 1}
    assert "max_bad_share" in detail["refused_objects"][HOUR + "crm_1.jsonl"]
    assert conn.execute(text("SELECT count(*) FROM raw.rejected_lines")).scalar_one() == 1
    assert minio_to_raw.run(conn, make_context(config)).detail == {}
    lake.put(HOUR + "crm_1.jsonl", lines("A", "B", "C"))
    minio_to_raw.run(conn, make_context(config))
    assert live_ids(conn) == ["A", "B", "C", "D"]
    assert broken(conn) == []


def test_a_truncated_gzip_is_refused(
    conn: Connection, lake: Lake, make_context: Contexts, config: Config
) -> None:
    lake.put(HOUR + "crm_1.jsonl.gz", gzip.compress(lines(*map(str, range(5000))))[:-30])
    minio_to_raw.run(conn, make_context(config))
    row = conn.execute(text("SELECT state, reason FROM raw.lake_objects")).one()
    assert row.state == "REJECTED"
    assert "damaged gzip" in row.reason
    assert live_ids(conn) == []


def test_payload_is_kept_to_the_byte(
    conn: Connection, lake: Lake, make_context: Contexts, config: Config
) -> None:
    odd = '{"id":"A",  "b": 1.50, "b": 2, "t": "ü\\t\\u00e9 \\"x\\" \\\\ \'", "n": 1e5}'
    lake.put(HOUR + "crm_1.jsonl", odd.encode() + b"\r\n")
    minio_to_raw.run(conn, make_context(config))
    stored = conn.execute(text("SELECT payload::text FROM raw.crm_customers")).scalar_one()
    assert stored == odd


def test_an_object_that_vanishes_between_listing_and_reading_is_no_fault(
    conn: Connection,
    lake: Lake,
    make_context: Contexts,
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lake.put(HOUR + "crm_1.jsonl", lines("A"))
    lake.put(HOUR + "crm_2.jsonl", lines("B"))
    listed = list(lake.list("crm/"))
    lake.remove(listed[0].key)
    monkeypatch.setattr(Lake, "list", lambda self, prefix, **_: iter(listed))
    report = minio_to_raw.run(conn, make_context(config))
    assert live_ids(conn) == ["B"]
    assert report.detail["crm"]["objects"] == {"gone": 1, "loaded": 1}


def test_event_time_falls_back_to_the_hour_of_the_object(
    conn: Connection, lake: Lake, make_context: Contexts, config: Config
) -> None:
    lake.put(
        HOUR + "crm_1.jsonl",
        b'{"id": "A", "updated_at": "2025-12-31T23:00:00Z"}\n{"id": "B", "updated_at": "?"}\n',
    )
    report = minio_to_raw.run(conn, make_context(config))
    rows = conn.execute(
        text("SELECT source_record_id, event_at FROM raw.crm_customers ORDER BY 1")
    ).all()
    assert [f"{r.source_record_id} {r.event_at:%F %H}" for r in rows] == [
        "A 2025-12-31 23",
        "B 2026-01-01 07",
    ]
    assert report.detail["crm"]["event_time_unreadable"] == 1


def test_a_run_makes_the_key_and_the_index_that_an_interrupted_one_did_not(
    conn: Connection, lake: Lake, make_context: Contexts, config: Config
) -> None:
    indexes = text(
        "SELECT indexrelid::regclass::text FROM pg_index"
        " WHERE indrelid = 'raw.crm_customers'::regclass ORDER BY 1"
    )
    made = ["raw.crm_customers_pkey", "raw.crm_customers_source_record_id"]
    lake.put(HOUR + "crm_1.jsonl", lines("A"))
    minio_to_raw.run(conn, make_context(config))
    assert conn.execute(indexes).scalars().all() == made
    conn.execute(text("DROP INDEX raw.crm_customers_source_record_id"))
    conn.execute(text("ALTER TABLE raw.crm_customers DROP CONSTRAINT crm_customers_pkey"))
    conn.commit()
    minio_to_raw.run(conn, make_context(config))
    assert conn.execute(indexes).scalars().all() == made


def test_objects_before_a_fault_stay_and_the_faulty_one_leaves_nothing(
    conn: Connection, lake: Lake, make_context: Contexts, config: Config
) -> None:
    lake.put(HOUR + "crm_1.jsonl", lines("A"))
    minio_to_raw.run(conn, make_context(config))
    conn.execute(
        text("ALTER TABLE raw.crm_customers ADD CONSTRAINT t CHECK (source_record_id <> 'D')")
    )
    conn.commit()
    lake.put(HOUR + "crm_2.jsonl", lines("B"))
    lake.put(HOUR + "crm_3.jsonl", lines("C", "D"))
    lake.put(HOUR + "crm_4.jsonl", lines("E"))
    with pytest.raises(psycopg2.errors.CheckViolation):
        minio_to_raw.run(conn, make_context(config))
    conn.rollback()
    assert live_ids(conn) == ["A", "B"]
    conn.execute(text("ALTER TABLE raw.crm_customers DROP CONSTRAINT t"))
    conn.commit()
    minio_to_raw.run(conn, make_context(config))
    assert live_ids(conn) == ["A", "B", "C", "D", "E"]
    assert broken(conn) == []
