"""One lake line: record or reason."""

from __future__ import annotations

import gzip
import io
import re
from datetime import UTC, datetime

import pytest

from ingestion.lines import CorruptObject, Record, Rejection, instant, parser, read_lines
from mdm.config import Source

SOURCE = Source.model_validate(
    {"table": "t", "record_id": "meta.id", "event_time": "at", "fields": {"email": "email"}}
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"meta": {"id": "A1"}}', Record("A1", None, False)),
        (b'{"meta": {"id": " A1 "}}', Record("A1", None, False)),
        (b'{"meta.id": "A1", "meta": 3}', Record("A1", None, False)),
        (b'{"meta.id": 1e5}', Record("100000", None, False)),
        (b'{"meta": {"id": 7}}', Record("7", None, False)),
        (b'{"meta": {"id": "A"}, "_deleted": true}', Record("A", None, True)),
        (b'{"meta": {"id": "A"}, "_deleted": "true"}', Record("A", None, False)),
        (
            b'{"meta": {"id": "A"}, "at": "2026-01-02T03:04:05+02:00"}',
            Record("A", datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC), False),
        ),
    ],
)
def test_a_record(line: bytes, expected: Record) -> None:
    assert parser(SOURCE)(line) == expected


@pytest.mark.parametrize(
    ("numbers", "record_id"),
    [
        ("1 1.0 1.00 10e-1 0.1E+1 1e0", "1"),
        ("0 -0 -0.0 0e5 0.000", "0"),
        ("1e3 1000 1000.0 0.001e6", "1000"),
        ("-7 -7.0 -70e-1", "-7"),
        ("2.5 2.50 25e-1", "2.5"),
        ("1e-7 0.0000001 10.0e-8", "1E-7"),
        (
            "12345678901234567890 12345678901234567890.0 1234567890123456789e1",
            "12345678901234567890",
        ),
        ("12345678901234567890123 12345678901234567890123.0", "12345678901234567890123"),
        ("9007199254740993.0", "9007199254740993"),  # which no float holds
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        ("1e308", "1" + 308 * "0"),
        ("1e-999", "1E-999"),
        ("1e-99999999999999999999", "1e-99999999999999999999"),
        ('"1" " 1 "', "1"),
        ('"1.0"', "1.0"),
        ('"1e3"', "1e3"),
        ('"007"', "007"),
    ],
)
def test_equal_numbers_are_one_id_and_texts_stay(numbers: str, record_id: str) -> None:
    for number in numbers.split() if '"' not in numbers else re.findall('".*?"', numbers):
        line = f'{{"meta": {{"id": {number}}}}}'.encode()
        assert parser(SOURCE)(line) == Record(record_id, None, False), number


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not JSON"),
        (b'{"meta": {"id": NaN}}', "not JSON"),
        (b"[1]", "not an object"),
        (b'"text"', "not an object"),
        (b"{}", "no record id"),
        (b'{"meta": 3}', "no record id"),
        (b'{"meta": {"id": null}}', "no record id"),
        (b'{"meta": {"id": "  "}}', "no record id"),
        (b'{"meta": {"id": true}}', "no record id"),
        (b'{"meta": {"id": ["x"]}}', "no record id"),
        (b'{"meta": {"id": "a\xff"}}', "invalid UTF-8"),
        (b'{"meta": {"id": "a\\u0001b"}}', "record id with control characters"),
        (b'{"meta": {"id": "A"}, "x": ["a\\u0000"]}', "NUL character"),
        (b'{"meta": {"id": "A"}, "x": "\\ud800"}', "not JSON"),
    ],
)
def test_a_reason(line: bytes, reason: str) -> None:
    found = parser(SOURCE)(line)
    assert isinstance(found, Rejection)
    assert found.reason == reason


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert isinstance(parser(SOURCE)(rb'{"meta": {"id": "A"}, "x": "\\u0000"}'), Record)


@pytest.mark.parametrize(
    ("value", "order", "expected"),
    [
        ("2026-01-02", "DMY", "2026-01-02T00:00:00+00:00"),
        ("2026-01-02T03:04:05Z", "DMY", "2026-01-02T03:04:05+00:00"),
        ("02/01/2026 10:00", "DMY", "2026-01-02T10:00:00+00:00"),
        ("01/02/2026", "MDY", "2026-01-02T00:00:00+00:00"),
        (1_767_312_000, "DMY", "2026-01-02T00:00:00+00:00"),
        (1_767_312_000_000, "DMY", "2026-01-02T00:00:00+00:00"),
        ("1767312000", "DMY", "2026-01-02T00:00:00+00:00"),
        ("soon", "DMY", None),
        (None, "DMY", None),
        (["2026-01-02"], "DMY", None),
        (1e300, "DMY", None),
    ],
)
def test_instants(value: object, order: str, expected: str | None) -> None:
    found = instant(value, order)
    assert (found and found.isoformat()) == expected


def lines_of(
    data: bytes, *, gzipped: bool = False, limit: int = 1 << 20
) -> list[tuple[int, bytes, bool]]:
    return [
        (number, content, lines.too_long)
        for lines in read_lines(io.BytesIO(data), gzipped=gzipped, max_bytes=limit)
        for number, content in zip(lines.numbers, lines.contents, strict=True)
    ]


def test_lines_keep_their_physical_numbers() -> None:
    data = b"\xef\xbb\xbfone\r\n\n  \ntwo\nthree"
    assert lines_of(data) == [(1, b"one\r", False), (4, b"two", False), (5, b"three", False)]


def test_an_overlong_line_is_cut_and_the_next_one_is_read() -> None:
    data = b"short\n" + b"x" * (9 << 20) + b"\nafter\n"
    found = lines_of(data, limit=1 << 20)
    assert [(number, long) for number, _, long in found] == [(1, False), (2, True), (3, False)]
    assert found[2][1] == b"after"
    assert len(found[1][1]) == 1 << 16


def test_gzip_is_read_and_a_truncated_one_is_refused() -> None:
    packed = gzip.compress(b"one\ntwo\n" * 1000)
    assert len(lines_of(packed, gzipped=True)) == 2000
    with pytest.raises(CorruptObject, match="damaged gzip"):
        lines_of(packed[:-20], gzipped=True)
    with pytest.raises(CorruptObject, match="damaged gzip"):
        lines_of(b"no gzip at all", gzipped=True)
