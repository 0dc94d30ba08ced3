"""Identifiers, genders and numbers by table."""

import pytest

from staging.identifiers import standardise_gender, standardise_identifier, standardise_number
from staging.outcome import Standard


@pytest.mark.parametrize(
    ("written", "expected", "reason"),
    [
        ("GB 123-456", "GB123456", None),
        ("294-66-9999", "294669999", None),
        ("DE123456789", "DE123456789", None),
        ("000123", "000123", None),
        ("7", "7", None),
        ("1e5", "1E5", None),
        ("123.0", "123", None),
        ("1.23E+11", None, "invalid_identifier"),
        ("--", None, "invalid_identifier"),
        ("0", None, "no_information"),
        ("000-00-0000", None, "no_information"),
        ("XXXX", None, "no_information"),
        ("", None, None),
        (None, None, None),
    ],
)
def test_identifier(written: str | None, expected: str | None, reason: str | None) -> None:
    assert standardise_identifier(written) == Standard(expected, reason)


def test_a_short_tax_id_is_none() -> None:
    assert standardise_identifier("12", shortest=4) == Standard(None, "too_short")


@pytest.mark.parametrize(
    ("written", "expected", "reason"),
    [
        ("M", "m", None),
        ("male", "m", None),
        ("Männlich", "m", None),
        ("Female", "f", None),
        ("w", "f", None),
        ("Mrs.", "f", None),
        ("non-binary", "x", None),
        ("Unknown", None, "not_told"),
        ("U", None, "not_told"),
        ("female | male", None, "invalid_gender"),
        ("t2227949966", None, "invalid_gender"),
        ("", None, None),
    ],
)
def test_gender(written: str, expected: str | None, reason: str | None) -> None:
    assert standardise_gender(written) == Standard(expected, reason)


@pytest.mark.parametrize(
    ("written", "expected", "reason"),
    [
        ("1250.50", "1250.5", None),
        ("1,250.50", "1250.5", None),
        ("1,5", "1.5", None),
        ("1e5", "100000", None),
        ("007", "7", None),
        ("-0.0", "0", None),
        ("NaN", None, "invalid_number"),
        ("1e99", None, "invalid_number"),
        ("twelve", None, "invalid_number"),
        ("", None, None),
    ],
)
def test_number(written: str, expected: str | None, reason: str | None) -> None:
    assert standardise_number(written) == Standard(expected, reason)
