"""Lines in bulk: the same records and reasons as line by line, and rows that COPY reads."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import BytesIO

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from db import bulk
from ingestion.lines import Lines, Record, parser
from ingestion.records import Batch, as_copy, reader
from mdm.config import Source

SOURCES = [
    Source.model_validate({"table": "t", "record_id": "id", "fields": {"email": "email"}}),
    Source.model_validate(
        {"table": "t", "record_id": "meta.id", "event_time": "at", "fields": {"email": "email"}}
    ),
]

ids: st.SearchStrategy[object] = st.one_of(
    st.text(st.sampled_from(["A", "7", " ", "\u00a0", "\x01", "\x00", "é"]), max_size=3),
    st.integers(-(2**70), 2**70),
    st.sampled_from([None, True, 1e5, -0.0, [], {}]),
)
documents: st.SearchStrategy[object] = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "id": ids,
            "meta": st.one_of(st.fixed_dictionaries({"id": ids}), st.just([1])),
            "at": st.sampled_from(["2026-01-02T03:04:05+02:00", "1/2/26", 1_767_312_000, None, ""]),
            "_deleted": st.sampled_from([True, False, "true"]),
            "note": st.sampled_from(["\x00", "\\u0000", "plain"]),
        },
    ),
    st.sampled_from([[], 1, "id", None]),
)


def written(document: object) -> bytes:
    try:
        return orjson.dumps(document)
    except TypeError:  # an integer beyond 64 bits, which JSON may hold
        return json.dumps(document).encode()


lines = st.lists(
    st.one_of(
        documents.map(written),
        st.sampled_from(
            [b"{", b"]", b'{"id":"A"}, {"id":"B"}', b'{"id": "\xff"}', b' {"id": 1}\r']
        ),
    ),
    max_size=12,
)


@pytest.mark.parametrize("source", SOURCES, ids=["flat id", "nested id and time"])
@given(contents=lines, plain=st.integers(0, 600))
def test_bulk_reads_what_line_by_line_reads(
    source: Source, contents: list[bytes], plain: int
) -> None:
    filling = b'{"id": "F", "meta": {"id": 8}}'
    contents = [filling] * (plain // 2) + contents + [filling] * (plain - plain // 2)
    batch = reader(source)(Lines(range(5, 5 + len(contents)), contents))
    good = zip(
        batch.numbers,
        map(Record, batch.ids, batch.event_at, batch.is_deleted),
        batch.payloads,
        strict=True,
    )
    found: dict[int, object] = {number: (record, payload) for number, record, payload in good}
    found |= {number: (why, content) for number, content, why in batch.rejected}
    parse = parser(source)
    assert found == {
        number: (what, content.strip() if isinstance(what, Record) else content)
        for number, content in enumerate(contents, 5)
        for what in [parse(content)]
    }


def test_overlong_lines_are_rejected_unread() -> None:
    batch = reader(SOURCES[0])(Lines([3], [b'{"id": "A"}'], too_long=True))
    assert [(number, why.reason) for number, _, why in batch.rejected] == [(3, "line too long")]
    assert batch.numbers == []


def test_rows_for_copy_hold_every_value(conn: Connection) -> None:
    conn.exec_driver_sql(
        "CREATE TEMPORARY TABLE target (object_id bigint, line_no integer, run_id bigint,"
        " source_record_id text, event_at timestamptz, is_deleted boolean, payload json)"
        " ON COMMIT DROP"
    )
    moments: list[datetime | None] = [
        datetime(1, 1, 1, tzinfo=UTC),
        None,
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ]
    batch = Batch(
        numbers=[1, 2, 2**31 - 1],
        ids=["A", "é 2", "x" * 1000],
        event_at=moments,
        is_deleted=[True, False, False],
        payloads=[b"{}", b'{"a": 1.50}', '{"n": "€"}'.encode()],
    )
    fallback = datetime(2026, 1, 2, 3, tzinfo=UTC)
    data = as_copy(batch, object_id=2**40, run_id=7, fallback=fallback)
    columns = [
        "object_id", "line_no", "run_id", "source_record_id", "event_at", "is_deleted", "payload",
    ]  # fmt: skip
    bulk.copy_in(conn, ("pg_temp", "target"), columns, BytesIO(data), options="FORMAT binary")
    found = conn.exec_driver_sql(
        "SELECT object_id, line_no, run_id, source_record_id,"
        " CAST(extract(epoch FROM event_at) * 1000000 AS bigint), is_deleted,"
        " CAST(payload AS text) FROM pg_temp.target ORDER BY line_no"
    ).all()
    micros = [-62135596800000000, 1767322800000000, 253402300799999999]
    assert [tuple(row) for row in found] == [
        (2**40, number, 7, record_id, moment, deleted, payload.decode())
        for number, record_id, moment, deleted, payload in zip(
            batch.numbers, batch.ids, micros, batch.is_deleted, batch.payloads, strict=True
        )
    ]
