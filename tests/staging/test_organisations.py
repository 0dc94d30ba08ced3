"""Organisation names by table."""

import pytest

from staging.organisations import standardise_organisation

CASES = [
    ("Siemens Aktiengesellschaft", "siemens ag"),
    ("Siemens AG", "siemens ag"),
    ("Acme, Incorporated", "acme inc"),
    ("ACME Inc.", "acme inc"),
    ("Acme, L.L.C.", "acme llc"),
    ("ACME Limited Liability Company", "acme llc"),
    ("The Smith & Sons Company", "smith and sons co"),
    ("Smith and Sons Co.", "smith and sons co"),
    ("Müllenkranz Gesellschaft mit beschränkter Haftung", "mullenkranz gmbh"),
    ("Foo S.A.", "foo sa"),
    ("Foo Société Anonyme", "foo sa"),
    ("U.S. Steel Corp.", "us steel corp"),
    ("Abraham Lincoln Centre - Donoghue", "abraham lincoln ctr donoghue"),
    ("Abraham Lincoln Center Donoghue", "abraham lincoln ctr donoghue"),
    ("Children?s House", "childrens house"),
    ("The", "the"),
    ("®", None),
    (None, None),
]


@pytest.mark.parametrize(("written", "expected"), CASES)
def test_organisation(written: str | None, expected: str | None) -> None:
    assert standardise_organisation(written) == expected


@pytest.mark.parametrize("written", [written for written, _ in CASES])
def test_a_standard_name_is_its_own_standard(written: str | None) -> None:
    standard = standardise_organisation(written)
    assert standardise_organisation(standard) == standard
