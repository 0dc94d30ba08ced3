"""Phones: the table, and the fast reading held against libphonenumber."""

import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

from staging.outcome import EMPTY, Standard
from staging.phones import MIN_DIGITS, UnknownRegion, phone_standardiser

REGIONS = ("US", "CA", "GB", "DE", "FR", "IT", "ES", "AU", "IN", "NL", "SG", "BR", "MX", "RU", "KZ",
           "AR", "JM", "AS", "GG", "VA", "SM", "CI", "JP", "CN", "ZA")  # fmt: skip

CASES = [
    # region, written, standard, reason
    ("US", "+1 415 555 0101", "+14155550101", None),
    ("US", "(415) 555-0101", "+14155550101", None),
    ("US", "1-415-555-0101", "+14155550101", None),
    ("US", "18188922818", "+18188922818", None),
    ("US", "415.5550101", "+14155550101", None),
    ("US", "4155550101.0", "+14155550101", None),
    ("US", "415-555-0101 x12", "+14155550101", None),
    ("US", "+1 (415) 555-0101;ext=5", "+14155550101", None),
    ("US", "1-800-FLOWERS", "+18003569377", None),
    ("US", "011 44 20 7946 0999", "+442079460999", None),
    ("US", "٤١٥٥٥٥٠١٠١", "+14155550101", None),
    ("US", "555-0101 / 415 555 0101", "+14155550101", None),
    ("US", "415 555 0101; 415 555 0102", "+14155550101", None),
    ("US", "442079460999", "+442079460999", None),
    ("GB", "020 7946 0999", "+442079460999", None),
    ("GB", "+44 (0)20 7946 0999", "+442079460999", None),
    ("DE", "030/12349876", "+493012349876", None),
    ("IT", "0352 6553537", "+3903526553537", None),
    (None, "+33 1 22 33 44 55", "+33122334455", None),
    (None, "0033122334455", "+33122334455", None),
    # Not valid as E.164: the national digits, so that every spelling still agrees.
    ("US", "+1 555 0101", "5550101", "local_number"),
    ("US", "+1-555-0101", "5550101", "local_number"),
    ("US", "555.0101", "5550101", "local_number"),
    ("US", "5550101", "5550101", "local_number"),
    ("US", "3865286", "3865286", "local_number"),
    ("US", "000-000-0000", "0000000000", "local_number"),
    (None, "+1 555 0101", "5550101", "local_number"),
    (None, "555-0101", "5550101", "no_region"),
    # Nothing to keep.
    ("US", "123", None, "too_short"),
    ("US", "555-01", None, "too_short"),
    ("US", "12345678901234567890", None, "too_long"),
    ("US", "call 5550101 after 6", None, "invalid_phone"),
    ("US", "unknown", None, "invalid_phone"),
    (None, "n/a", None, "invalid_phone"),
    ("US", "()", None, "invalid_phone"),
]


@pytest.mark.parametrize(("region", "written", "expected", "reason"), CASES)
def test_table(region: str | None, written: str, expected: str | None, reason: str | None) -> None:
    assert phone_standardiser(region)(written) == Standard(expected, reason)


@pytest.mark.parametrize("written", [None, ""])
def test_empty(written: str | None) -> None:
    assert phone_standardiser("US")(written) == EMPTY


def test_an_unknown_region_is_refused() -> None:
    with pytest.raises(UnknownRegion, match="XX"):
        phone_standardiser("XX")


@st.composite
def written_numbers(draw: st.DrawFn) -> tuple[str, str]:
    """A region, and a number as written there: an example with a digit or two changed, or noise."""
    region = draw(st.sampled_from(REGIONS))
    kind = draw(st.sampled_from([PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE,
                                 PhoneNumberType.TOLL_FREE]))  # fmt: skip
    number = phonenumbers.example_number_for_type(region, kind)
    if number is None or draw(st.integers(0, 4)) == 0:
        return region, draw(st.from_regex(r"\+?[0-9]{5,16}", fullmatch=True))
    style = draw(
        st.sampled_from(
            [PhoneNumberFormat.E164, PhoneNumberFormat.NATIONAL, PhoneNumberFormat.INTERNATIONAL]
        )
    )
    chars = list(phonenumbers.format_number(number, style))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(chars) - 1))
        if chars[at].isdigit():
            chars[at] = draw(st.sampled_from("0123456789"))
    return region, "".join(chars)


@settings(derandomize=True, max_examples=400)
@given(written_numbers())
@example(("US", "1 415 555 0101"))
@example(("CA", "+1 604 555 0101"))
@example(("BR", "0 15 11 98765 4321"))
def test_agrees_with_libphonenumber(case: tuple[str, str]) -> None:
    region, written = case
    found = phone_standardiser(region)(written)
    try:
        number = phonenumbers.parse(written, region)
    except NumberParseException:
        assert not (found.value or "").startswith("+")
        return
    if phonenumbers.is_valid_number(number):
        assert found == Standard(phonenumbers.format_number(number, PhoneNumberFormat.E164))
        return
    digits = phonenumbers.national_significant_number(number)
    if found.value is None:
        assert len(digits) < MIN_DIGITS or len(digits) > 17
    elif found.value.startswith("+"):
        # Too long for its region and valid with the "+" that it seems to have lost.
        assert phonenumbers.is_valid_number(phonenumbers.parse(found.value, None))
    else:
        assert found == Standard(digits, "local_number")
