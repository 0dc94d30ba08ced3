"""Dates by table, on a fixed day."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staging.dates import standardise_date
from staging.outcome import EMPTY, Standard

TODAY = date(2026, 11, 20)

READ = [
    # written, order, region, ISO
    ("1978-12-11", None, None, "1978-12-11"),
    ("1970-1-1", None, None, "1970-01-01"),
    ("1978-12-11T23:59:00+02:00", None, None, "1978-12-11"),
    ("1978-12-11 00:00:00", None, None, "1978-12-11"),
    ("1978/12/11", "DMY", None, "1978-12-11"),
    ("19781211", None, None, "1978-12-11"),
    ("31121980", "DMY", None, "1980-12-31"),
    ("12311980", None, None, "1980-12-31"),
    ("12/11/1978", "MDY", None, "1978-12-11"),
    ("12/11/1978", "DMY", None, "1978-11-12"),
    ("12/11/1978", None, "US", "1978-12-11"),
    ("12/11/1978", None, "GB", "1978-11-12"),
    ("78/12/11", "YMD", None, "1978-12-11"),
    ("20/8/1991", "MDY", None, "1991-08-20"),
    ("10/27/76", "DMY", None, "1976-10-27"),
    ("15.03.1992", None, "DE", "1992-03-15"),
    ("3/1/70", "MDY", None, "1970-03-01"),
    ("2/8/06", "MDY", None, "2006-02-08"),
    ("11/19/26", "MDY", None, "2026-11-19"),
    ("2/4/27", "MDY", None, "1927-02-04"),
    ("Mar 1 1970", None, None, "1970-03-01"),
    ("March 1st, 1970", None, None, "1970-03-01"),
    ("Monday, 1 June 1970", None, None, "1970-06-01"),
    ("1st of May 1990", None, None, "1990-05-01"),
    ("24-May-11", None, None, "2011-05-24"),
    ("17-May-90", None, None, "1990-05-17"),
    ("1990 May 17", None, None, "1990-05-17"),
    ("15. März 1992", None, None, "1992-03-15"),
    ("3 août 1985", None, None, "1985-08-03"),
    ("12/11/1978 10:30 PM", "MDY", None, "1978-12-11"),
    ("315532800", None, None, "1980-01-01"),
    ("315532800000", None, None, "1980-01-01"),
    ("-315619200", None, None, "1960-01-01"),
    ("2024-02-29", None, None, "2024-02-29"),
    ("1308-01-01", None, None, "1308-01-01"),
    ("5/5/1990", None, None, "1990-05-05"),
]
NOT_READ = [
    ("1986", "incomplete_date"),
    ("1986--", "incomplete_date"),
    ("1986-05", "incomplete_date"),
    ("May 1986", "incomplete_date"),
    ("1986-00-00", "incomplete_date"),
    ("1986-05-00", "incomplete_date"),
    ("2023-02-29", "impossible_date"),
    ("1850-85-07", "impossible_date"),
    ("1858-17-05", "impossible_date"),
    ("32/13/1990", "impossible_date"),
    ("0000-01-01", "incomplete_date"),
    ("2026-11-21", "future_date"),
    ("2199-01-01", "future_date"),
    ("yesterday", "invalid_date"),
    ("-0050-01-0", "invalid_date"),
    ("1/2/3/4", "invalid_date"),
    ("12345", "incomplete_date"),
    ("call me in 1990, on May 4", "invalid_date"),
]


@pytest.mark.parametrize(("written", "order", "region", "expected"), READ)
def test_read(written: str, order: str | None, region: str | None, expected: str) -> None:
    assert standardise_date(written, order, region=region, today=TODAY) == Standard(expected)


@pytest.mark.parametrize(("written", "reason"), NOT_READ)
def test_not_read(written: str, reason: str) -> None:
    assert standardise_date(written, today=TODAY) == Standard(None, reason)


def test_without_order_and_region_the_day_comes_first_and_is_marked() -> None:
    assert standardise_date("3/4/1990", today=TODAY) == Standard("1990-04-03", "assumed_order")


def test_a_date_that_is_no_birth_date_may_lie_ahead() -> None:
    found = standardise_date("2031-01-01", today=TODAY, may_be_future=True)
    assert found == Standard("2031-01-01")


@pytest.mark.parametrize("written", [None, "", "  "])
def test_empty(written: str | None) -> None:
    assert standardise_date(written, today=TODAY) == EMPTY


@settings(derandomize=True)
@given(st.dates(date(1000, 1, 1), TODAY), st.sampled_from(["DMY", "MDY", "YMD"]))
def test_every_day_is_read_back_in_every_order(day: date, order: str) -> None:
    spelled = {"DMY": "%d/%m/%Y", "MDY": "%m/%d/%Y", "YMD": "%Y/%m/%d"}
    for written in (day.isoformat(), day.strftime(spelled[order]), day.strftime("%d %b %Y")):
        assert standardise_date(written, order, today=TODAY) == Standard(day.isoformat())


@settings(derandomize=True)
@given(
    st.one_of(st.text(max_size=30), st.from_regex(r"[0-9]{1,5}[-/. ][0-9]{1,4}[-/. ][0-9]{1,5}"))
)
def test_any_text_gives_a_day_in_the_past_or_a_reason(written: str) -> None:
    found = standardise_date(written, today=TODAY)
    if found.value is not None:
        assert date.fromisoformat(found.value) < TODAY + timedelta(days=1)
    else:
        assert found == EMPTY or found.reason is not None
