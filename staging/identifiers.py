"""Identifiers, genders and numbers: short codes that are equal or not."""

import re
from decimal import Decimal, InvalidOperation

from staging.outcome import EMPTY, Standard
from staging.text import to_ascii

_NOT_CODE = re.compile(r"[^A-Z0-9]+")
_SPREADSHEET_FLOAT = re.compile(r"(\d+)\.0+")
_SCIENTIFIC = re.compile(r"\d(?:\.\d+)?[eE]\+?\d{1,2}")
_GENDERS = {
    **dict.fromkeys(
        ("m", "male", "man", "boy", "mann", "mannlich", "maennlich", "herr", "homme", "masculin",
         "hombre", "masculino", "maschio", "uomo", "mr"), "m",
    ),
    **dict.fromkeys(
        ("f", "female", "woman", "girl", "w", "frau", "weiblich", "femme", "feminin", "mujer",
         "femenino", "feminino", "femmina", "donna", "mrs", "ms"), "f",
    ),
    **dict.fromkeys(
        ("x", "nonbinary", "non-binary", "non binary", "nb", "enby", "divers", "diverse", "d",
         "other", "third", "intersex"), "x",
    ),
}  # fmt: skip
_NOT_TOLD = frozenset(
    {"u", "unknown", "unspecified", "undisclosed", "not specified", "unk", "0", "9"}
)


def standardise_identifier(value: str | None, *, shortest: int = 1) -> Standard:
    """The letters and digits of a code in upper case: "GB 123-456" is "GB123456".

    Leading zeros count. Reasons for None: `no_information` for zeros only or one character repeated
    three times or more, `too_short` below `shortest`, `invalid_identifier` for no letter or digit
    and for a number that a spreadsheet rounded ("1.23E+11": its last digits are lost).
    """
    if not value:
        return EMPTY
    text = to_ascii(value).strip()
    if not text:
        return EMPTY
    if not text.isdigit():
        if "E+" in text.upper() and _SCIENTIFIC.fullmatch(text):
            return Standard(None, "invalid_identifier")
        text = _NOT_CODE.sub("", _SPREADSHEET_FLOAT.sub(_whole, text).upper())
    if not text:
        return Standard(None, "invalid_identifier")
    if len(set(text)) == 1 and (text[0] == "0" or len(text) > 2):
        return Standard(None, "no_information")
    return Standard(text) if len(text) >= shortest else Standard(None, "too_short")


def _whole(found: re.Match[str]) -> str:
    """The digits of "123.0" when that is the whole text."""
    is_whole = found.span() == (0, len(found.string))
    return found.group(1) if is_whole else found.group()


def standardise_gender(value: str | None) -> Standard:
    """`m`, `f`, `x` (neither), or None with `not_told` or `invalid_gender`."""
    if not value:
        return EMPTY
    text = to_ascii(value).strip().lower().rstrip(".")
    if not text:
        return EMPTY
    gender = _GENDERS.get(text)
    if gender is not None:
        return Standard(gender)
    return Standard(None, "not_told" if text in _NOT_TOLD else "invalid_gender")


def standardise_number(value: str | None) -> Standard:
    """A plain decimal without leading or trailing zeros: "1,250.50" is "1250.5", "1e5" is "100000".

    Commas are taken as thousands separators where they stand every three digits, else a single one
    as the decimal mark. None with `invalid_number` for anything that is no finite number.
    """
    if not value:
        return EMPTY
    text = to_ascii(value).strip().replace(" ", "").replace("_", "")
    if not text:
        return EMPTY
    if re.fullmatch(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?", text):
        text = text.replace(",", "")
    elif "." not in text and text.count(",") == 1:
        text = text.replace(",", ".")
    try:
        number = Decimal(text)
    except InvalidOperation:
        return Standard(None, "invalid_number")
    if not number.is_finite() or abs(number.adjusted()) > 40:
        return Standard(None, "invalid_number")
    plain = format(number, "f")
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return Standard("0" if plain in {"-0", "", "0"} else plain)
