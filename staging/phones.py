"""Phone numbers: E.164 where the number is valid, national digits where it is not.

The rules are those of Google's libphonenumber, through its port `phonenumbers`. Parsing with it
costs about 70 µs a value, too much for a million numbers, so a plain number (digits, at most a
leading "+") is first read with the same metadata compiled once per region. That reading only
answers where libphonenumber's own steps leave one outcome; a property test holds the two together.
Everything else (extensions, letters, other digits, carrier codes) goes through `phonenumbers`.

A number that is not valid for its country, such as "555-0101", becomes its national digits without
prefix and country code. It still matches itself in every spelling, and cannot be mistaken for an
E.164 number because it has no "+".
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, NumberParseException, PhoneMetadata

from staging.outcome import EMPTY, Standard

MIN_DIGITS = 6
MAX_DIGITS = 17  # ITU-T E.164 allows 15; libphonenumber takes two more for a few plans

_NOT_GEOGRAPHIC = "001"
_IGNORED = str.maketrans("", "", " -.()\t\u00a0")
_SPREADSHEET_FLOAT = re.compile(r"\d{6,}\.0")
_SEVERAL = re.compile(r"[;,|/\n]|\s+(?:or|oder|ou)\s+", re.IGNORECASE)
_EXTENSION_MARK = re.compile(r";\s*ext", re.IGNORECASE)
_LETTER = re.compile(r"[^\W\d_]")

_NUMBER_TYPES = (
    "premium_rate", "toll_free", "shared_cost", "voip", "personal_number", "pager", "uan",
    "voicemail", "fixed_line", "mobile",
)  # fmt: skip


class UnknownRegion(ValueError):
    """libphonenumber has no numbering plan for this region."""


@dataclass(frozen=True, slots=True)
class _Validity:
    """What makes a national number valid in one region: a pattern of all types by length.

    Most regions of a shared code are never asked, so patterns are compiled when they are.
    """

    leading: re.Pattern[str] | None
    general: str
    written: dict[int, str]

    def holds(self, nsn: str) -> bool:
        """True if `nsn` is a number of some type in the region."""
        written = self.written.get(len(nsn))
        return written is not None and _both(self.general, written).fullmatch(nsn) is not None


@dataclass(frozen=True, slots=True)
class _Plan:
    """How one region writes its numbers, compiled."""

    country_code: str
    dialled_abroad: re.Pattern[str] | None
    prefix: re.Pattern[str] | None
    transforms: bool
    general: re.Pattern[str]
    longest: int


class HomeRules(NamedTuple):
    """When a number dialled inside a region is valid there, as patterns for any engine.

    `by_length` is about the whole number, the other patterns but `general` about its beginning.
    """

    country_code: str
    dialled_abroad: str | None
    prefix: str | None
    transforms: bool
    general: str
    by_length: dict[int, str]


def home_rules(region: str) -> HomeRules | None:
    """The rules of a region, or None where it is not the leading one of its country code.

    Raises UnknownRegion for a region that libphonenumber does not know.
    """
    code = region.upper()
    plan = _plan(code)
    if _main_regions()[plan.country_code] != code:
        return None
    first = _validities(plan.country_code)[0]
    if first.leading is not None:
        return None
    return HomeRules(
        plan.country_code,
        plan.dialled_abroad and plan.dialled_abroad.pattern,
        plan.prefix and plan.prefix.pattern,
        plan.transforms,
        plan.general.pattern,
        first.written,
    )


def phone_standardiser(region: str | None) -> Callable[[str | None], Standard]:
    """A function from a written phone number to its standard form, for one default region.

    `region` is an ISO 3166 code ("GB"). Without one, "+…" and "00…" are read internationally and
    all else is kept as digits. Reasons: `local_number` (kept, not valid as E.164), `no_region`
    (kept, cannot be checked), `too_short`, `too_long`, `invalid_phone`.

    Raises UnknownRegion for a region that libphonenumber does not know.
    """
    code = region.upper() if region else None
    plan = _plan(code) if code else None

    def standardise(value: str | None) -> Standard:
        if not value:
            return EMPTY
        digits = value.translate(_IGNORED)
        if digits.isascii():
            if digits.isdigit():
                found = _read_national(digits, plan) if plan is not None else None
                if found is not None and not value.endswith(".0"):
                    return found
            elif digits[:1] == "+" and digits[1:].isdigit():
                found = _read_international(digits[1:])
                if found is not None:
                    return found
        return _read_anything(value, code, plan)

    return standardise


def _read_international(digits: str) -> Standard | None:
    """The E.164 form of country code and number, or None where this is not certain."""
    codes = _main_regions()
    code = digits[:1]
    if code not in codes:
        code = digits[:2]
        if code not in codes:
            code = digits[:3]
            if code not in codes:
                return None
    region = codes[code]
    if region == _NOT_GEOGRAPHIC:
        return None
    nsn = _without_prefix(digits[len(code) :], _plan(region))
    if nsn is None or not _is_valid(code, nsn):
        return None
    return Standard(f"+{code}{nsn}")


def _read_national(digits: str, plan: _Plan) -> Standard | None:
    """The standard form of a number dialled inside `plan`, or None where it is not certain."""
    if plan.dialled_abroad is not None and plan.dialled_abroad.match(digits):
        return None
    if digits.startswith("00") and (plan.prefix is None or not plan.prefix.match(digits)):
        # "00" as in most of the world, where the region dials abroad otherwise
        abroad = digits.lstrip("0")
        return _read_international(abroad) if len(abroad) > plan.longest else None
    if digits.startswith(plan.country_code) and not plan.general.fullmatch(digits):
        rest = digits[len(plan.country_code) :]
        has_prefix = plan.prefix is not None and plan.prefix.match(rest)
        return (
            _read_international(digits) if plan.general.fullmatch(rest) and not has_prefix else None
        )
    nsn = _without_prefix(digits, plan)
    if nsn is not None and _is_valid(plan.country_code, nsn):
        return Standard(f"+{plan.country_code}{nsn}")
    is_local = nsn == digits and MIN_DIGITS <= len(digits) <= plan.longest
    return Standard(digits, "local_number") if is_local else None


def _without_prefix(nsn: str, plan: _Plan) -> str | None:
    """`nsn` without its trunk prefix, or None where libphonenumber has more than one way."""
    found = plan.prefix.match(nsn) if plan.prefix is not None else None
    if found is None:
        return nsn
    if plan.transforms and found.groups() and found.groups()[-1] is not None:
        return None
    rest = nsn[found.end() :]
    return rest if plan.general.fullmatch(rest) else None


def _read_anything(value: str, region: str | None, plan: _Plan | None) -> Standard:
    """The standard form of a number in any spelling; the first good one of several."""
    if _SPREADSHEET_FLOAT.fullmatch(value.strip()):
        value = value.strip()[:-2]
    whole = _read_one(value, region, plan)
    if (whole.value and whole.reason is None) or _EXTENSION_MARK.search(value):
        return whole
    parts = [part for part in _SEVERAL.split(value) if _digit_count(part) >= MIN_DIGITS]
    if len(parts) < 2:
        return whole
    found = [_read_one(part, region, plan) for part in parts]
    found.sort(key=lambda one: (one.value is None, one.reason is not None))
    return found[0]


def _read_one(value: str, region: str | None, plan: _Plan | None) -> Standard:
    """The standard form of one number as `phonenumbers` reads it."""
    digit_count = _digit_count(value)
    has_letters = _LETTER.search(value) is not None
    if digit_count < MIN_DIGITS and not has_letters:
        return Standard(None, "too_short" if digit_count else "invalid_phone")
    try:
        number = phonenumbers.parse(value, region)
    except NumberParseException:
        return _read_unparsed(value)
    if phonenumbers.is_valid_number(number):
        return Standard(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    if has_letters and not number.extension:
        return _read_unparsed(value)  # "call 5550101 after 6" is no vanity number
    nsn: str = phonenumbers.national_significant_number(number)
    if plan is not None and len(nsn) > plan.longest:
        # Too long for its country: perhaps a foreign number that lost its "+".
        abroad = _read_international("".join(re.findall(r"\d", value)).lstrip("0"))
        if abroad is not None:
            return abroad
    return _kept_as_digits(nsn, "local_number")


def _read_unparsed(value: str) -> Standard:
    """The digits of a number that has no known country, or None with the reason."""
    digits = "".join(str(int(char)) for char in value if char.isdecimal())
    if not digits or len(_LETTER.findall(value)) > 2:
        return Standard(None, "invalid_phone")
    if digits.startswith("00"):
        abroad = _read_international(digits.lstrip("0"))
        if abroad is not None:
            return abroad
    return _kept_as_digits(digits, "no_region" if "+" not in value else "local_number")


def _kept_as_digits(digits: str, reason: str) -> Standard:
    """The bare digits with the reason why they are no E.164 number, if their length is sane."""
    if len(digits) < MIN_DIGITS:
        return Standard(None, "too_short")
    if len(digits) > MAX_DIGITS:
        return Standard(None, "too_long")
    return Standard(digits, reason)


def _digit_count(value: str) -> int:
    return sum(char.isdecimal() for char in value)


def _is_valid(country_code: str, nsn: str) -> bool:
    """libphonenumber's `is_valid_number`: the first region that claims the number judges it."""
    for validity in _validities(country_code):
        if validity.leading is None:
            if validity.holds(nsn):
                return True
        elif validity.leading.match(nsn):
            return validity.holds(nsn)
    return False


@cache
def _main_regions() -> dict[str, str]:
    """The leading region of each country calling code."""
    return {str(code): regions[0] for code, regions in COUNTRY_CODE_TO_REGION_CODE.items()}


@cache
def _plan(region: str) -> _Plan:
    """The compiled plan of a region; UnknownRegion if there is none."""
    metadata: Any = PhoneMetadata.metadata_for_region(region, None)
    if metadata is None:
        raise UnknownRegion(region)
    return _Plan(
        country_code=str(metadata.country_code),
        dialled_abroad=_compiled(metadata.international_prefix),
        prefix=_compiled(metadata.national_prefix_for_parsing),
        transforms=bool(metadata.national_prefix_transform_rule),
        general=re.compile(metadata.general_desc.national_number_pattern),
        longest=max(metadata.general_desc.possible_length),
    )


@cache
def _validities(country_code: str) -> tuple[_Validity, ...]:
    """What makes a number valid, region by region in libphonenumber's order."""
    regions = COUNTRY_CODE_TO_REGION_CODE[int(country_code)]
    return tuple(_validity(region, is_shared=len(regions) > 1) for region in regions)


def _validity(region: str, *, is_shared: bool) -> _Validity:
    """The validity rules of `region`; its leading digits count where others share its code."""
    metadata: Any = PhoneMetadata.metadata_for_region(region, None)
    general = metadata.general_desc
    by_length: dict[int, list[str]] = {}
    for name in _NUMBER_TYPES:
        kind = getattr(metadata, name)
        if kind is not None and kind.national_number_pattern:
            for length in kind.possible_length or general.possible_length:
                by_length.setdefault(length, []).append(f"(?:{kind.national_number_pattern})")
    return _Validity(
        leading=_compiled(metadata.leading_digits) if is_shared else None,
        general=general.national_number_pattern,
        written={length: "|".join(patterns) for length, patterns in by_length.items()},
    )


@cache
def _both(general: str, kinds: str) -> re.Pattern[str]:
    return re.compile(f"(?=(?:{general})$)(?:{kinds})")


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    return re.compile(pattern) if pattern else None
