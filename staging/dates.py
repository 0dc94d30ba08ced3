"""Dates: one ISO text out of the ways people and systems write a day.

Decisions, each counted in the run report:

- A day needs its year, month and day. "1986", "1986-05", "1986--" and "1986-00-00" are None with
  `incomplete_date`; an invented 1 January would be false evidence.
- In "11/12/1978" the order of the source decides (`date_order`), then the region: MDY where the
  region writes so (US, PH, …), else DMY. Without either it is DMY with the reservation
  `assumed_order`. A part over 12 settles the order whatever is configured: there is one reading.
- A year in front is followed by month and day. "1858-17-05" is a typing error, not another order.
- Two-digit years are taken as the latest year that does not lie in the future.
- A time of day and a zone are dropped: the date is the one that was written.
- Numbers of nine digits and more are Unix seconds, from twelve on milliseconds (UTC).
"""

import re
from datetime import UTC, date, datetime, timedelta

from staging.outcome import EMPTY, Standard

MONTH_FIRST_REGIONS = frozenset({"US", "PH", "FM", "MH", "PW", "PR", "GU", "VI", "AS", "MP"})

_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ]\d\d.*)?")
_COMPACT = re.compile(r"\d{8}")
_EPOCH = re.compile(r"-?\d{9,14}(?:\.\d+)?")
_TIME = re.compile(r"[T ,]+\d{1,2}:\d{2}.*$", re.IGNORECASE)
_Reading = tuple[int, int, int, bool]  # year, month, day, could day and month be swapped
_TOKEN = re.compile(r"\d+|[^\W\d_]+")
_ORDINALS = frozenset({"st", "nd", "rd", "th", "of", "de", "del", "di", "do", "the", "er", "den"})

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar jänner janvier enero gennaio janeiro januari janv gen ene",
            "feb february februar février fevrier febrero febbraio fevereiro februari fév fev fevr",
            "mar march märz maerz mars marzo março marco maart mrz mär mrt",
            "apr april avril abril aprile avr abr",
            "may mai mayo maggio maio mei mag",
            "jun june juni juin junio giugno junho giu",
            "jul july juli juillet julio luglio julho juil lug",
            "aug august août aout agosto augustus ago",
            "sep september septembre septiembre settembre setembro sept set",
            "oct october oktober octobre octubre ottobre outubro okt ott out",
            "nov november novembre noviembre novembro",
            "dec december dezember décembre decembre diciembre dicembre dezembro dez dic déc",
        ),
        start=1,
    )
    for name in names.split()
}


def standardise_date(
    value: str | None,
    order: str | None = None,
    *,
    region: str | None = None,
    today: date,
    may_be_future: bool = False,
) -> Standard:
    """The date in ISO form (YYYY-MM-DD), or None with the reason.

    `order` is DMY, MDY or YMD as configured for the source, `region` its ISO 3166 code. `today` is
    the run's date: a birth date after it is None with `future_date` unless `may_be_future`.
    Reasons: `assumed_order` (kept), `incomplete_date`, `impossible_date`, `future_date`,
    `invalid_date` (no date at all).
    """
    text = value.strip() if value else ""
    if not text:
        return EMPTY
    iso = _ISO.fullmatch(text)
    reservation = None
    if iso is not None:
        year, month, day = map(int, iso.groups())
    else:
        read = _read(text, order or _order_of(region), today)
        if isinstance(read, Standard):
            return read
        year, month, day, was_ambiguous = read
        if was_ambiguous and order is None and region is None:
            reservation = "assumed_order"
    if 0 in (year, month, day):
        return Standard(None, "incomplete_date")
    try:
        found = date(year, month, day)
    except ValueError:
        return Standard(None, "impossible_date")
    if found > today and not may_be_future:
        return Standard(None, "future_date")
    return Standard(found.isoformat(), reservation)


def _order_of(region: str | None) -> str:
    return "MDY" if region is not None and region.upper() in MONTH_FIRST_REGIONS else "DMY"


def _read(text: str, order: str, today: date) -> _Reading | Standard:
    """Year, month, day and whether day and month could be swapped; or the final answer."""
    if _COMPACT.fullmatch(text):
        return _read_compact(text, order)
    if _EPOCH.fullmatch(text):
        return _read_epoch(text)
    tokens = _TOKEN.findall(_TIME.sub("", text).lower())
    months = [_MONTHS[token] for token in tokens if token in _MONTHS]
    numbers = [token for token in tokens if token.isdecimal()]
    words = [token for token in tokens if not token.isdecimal() and token not in _MONTHS]
    is_before_christ = text.startswith("-")
    if is_before_christ or not numbers or len(months) > 1 or not all(map(_is_filler, words)):
        return Standard(None, "invalid_date")
    return _read_parts(numbers, months, order, today)


def _read_parts(
    numbers: list[str], months: list[int], order: str, today: date
) -> _Reading | Standard:
    """Year, month and day of written `numbers` and at most one month name in `months`."""
    if len(numbers) + len(months) < 3:
        return Standard(None, "incomplete_date")
    if len(numbers) + len(months) > 3 or any(len(number) > 4 for number in numbers):
        return Standard(None, "invalid_date")
    return (
        _with_month_name(numbers, months[0], today) if months else _by_order(numbers, order, today)
    )


def _is_filler(word: str) -> bool:
    """True for ordinal endings, small words and the names of weekdays."""
    return word in _ORDINALS or word[:3] in {"mon", "tue", "wed", "thu", "fri", "sat", "sun"}


def _with_month_name(numbers: list[str], month: int, today: date) -> _Reading:
    """Day and year around a written month: the year is the long or the large or the last one."""
    first, second = numbers
    if len(first) > 2 or int(first) > 31:
        return _year(first, today), month, int(second), False
    return _year(second, today), month, int(first), False


def _by_order(numbers: list[str], order: str, today: date) -> _Reading | Standard:
    """Year, month and day of three numbers."""
    if len(numbers[0]) > 2 or (order == "YMD" and len(numbers[2]) <= 2):
        return _year(numbers[0], today), int(numbers[1]), int(numbers[2]), False
    if len(numbers[1]) > 2:
        return Standard(None, "invalid_date")
    first, second = int(numbers[0]), int(numbers[1])
    year = _year(numbers[2], today)
    ambiguous = 1 <= first <= 12 and 1 <= second <= 12 and first != second
    month_first = second > 12 or (first <= 12 and order == "MDY")
    month, day = (first, second) if month_first else (second, first)
    return year, month, day, ambiguous


def _read_compact(text: str, order: str) -> _Reading:
    """Eight digits: YYYYMMDD if that is a day, else day, month and year in the source's order."""
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:])
    if month <= 12 and day <= 31 and 1000 <= year <= 2999:
        return year, month, day, False
    first, second, year_last = int(text[:2]), int(text[2:4]), int(text[4:])
    if not 1000 <= year_last <= 2999:
        return year, month, day, False
    if second > 12 or (first <= 12 and order == "MDY"):
        return year_last, first, second, False
    return year_last, second, first, False


def _read_epoch(text: str) -> _Reading | Standard:
    """The UTC day of a Unix time in seconds or milliseconds."""
    amount = float(text)
    seconds = amount / 1000 if len(text.lstrip("-").split(".")[0]) >= 12 else amount
    try:
        day = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return Standard(None, "invalid_date")
    return day.year, day.month, day.day, False


def _year(text: str, today: date) -> int:
    """The year; of two digits the latest one that is not after `today`."""
    year = int(text)
    if len(text) > 2:
        return year
    century = today.year - today.year % 100
    return century + year if century + year <= today.year else century - 100 + year
