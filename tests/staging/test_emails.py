"""E-mail addresses by table."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staging.emails import standardise_email
from staging.outcome import EMPTY, Standard

VALID = [
    ("JANE.DOE@EMAIL.COM", "jane.doe@email.com"),
    ("  bsmith@work.com ", "bsmith@work.com"),
    ("mailto:a.b@c.org", "a.b@c.org"),
    ("<a.b@c.org>", "a.b@c.org"),
    ("Maria Sentosa<msentosa@fmail.com>", "msentosa@fmail.com"),
    ('"Jay Jones" <jjones@fmail.com>', "jjones@fmail.com"),
    ("a@b.com.", "a@b.com"),
    ("a@b.com;", "a@b.com"),
    ("a@b.com; c@d.com", "a@b.com"),
    ("not one, c@d.com", "c@d.com"),
    ("a @ b . com", "a@b.com"),
    ("c.lopes+crm@example.net", "c.lopes+crm@example.net"),
    ("kusha123@hmail.com", "kusha123@hmail.com"),
    ("o'brien@x.ie", "o'brien@x.ie"),
    ("müller@exämple.de", "müller@xn--exmple-cua.de"),
    ("first_last@sub-domain.co.uk", "first_last@sub-domain.co.uk"),
]
INVALID = [
    "jane", "jane@", "@x.com", "a@b", "a@b@c.com", "a b@", "j.t@pierceeib.z", "x@-y.com",
    "x@y..com", ".a@b.com", "n/a", "http://example.com", "a@b.c0m", "a" * 65 + "@x.com",
    "x@" + "y" * 250 + ".com",
]  # fmt: skip


@pytest.mark.parametrize(("written", "expected"), VALID)
def test_valid(written: str, expected: str) -> None:
    assert standardise_email(written) == Standard(expected)


@pytest.mark.parametrize("written", INVALID)
def test_invalid(written: str) -> None:
    assert standardise_email(written) == Standard(None, "invalid_email")


@pytest.mark.parametrize("written", [None, "", "  "])
def test_empty(written: str | None) -> None:
    assert standardise_email(written) == EMPTY


@settings(derandomize=True)
@given(st.one_of(st.emails(), st.text()))
def test_a_standard_address_is_its_own_standard(written: str) -> None:
    found = standardise_email(written)
    if found.value is not None:
        assert standardise_email(found.value) == found
        assert found.value.count("@") == 1
