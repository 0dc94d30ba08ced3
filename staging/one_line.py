"""Taking a one-line address apart from its end, where postcode, region and country stand.

Only clear patterns are taken; what is not recognised stays in the street, so nothing is lost. Every
step removes one part at most once:

- a comma-separated segment that is a country, a region, a postcode or a city with a postcode;
- "… Springfield IL 62704": a ZIP behind a US state, a four-digit code behind an AU state,
  a UK or Canadian postcode;
- what then follows the last comma without a digit is the city, or, without commas, the words behind
  the street's type ("3212 W. 32nd St Palm Harbor") if a region or postcode was found.
"""

import re
from dataclasses import dataclass

from staging import countries, vocabulary
from staging.text import fold

_UK = r"[A-Za-z]{1,2}\d[A-Za-z\d]?\s?\d[A-Za-z]{2}"
_CANADA = r"[A-Za-z]\d[A-Za-z][\s-]?\d[A-Za-z]\d"
_END_POSTCODE = re.compile(rf"(?:^|(?<=[\s,]))({_UK}|{_CANADA})$")
_ONLY_POSTCODE = re.compile(rf"(?:[A-Za-z]{{1,3}}-)?\d{{4,6}}(?:-\d{{4}})?|{_UK}|{_CANADA}")
_CODE_CITY = re.compile(r"((?:[A-Za-z]{1,3}-)?\d{4,6}(?:\s[A-Z]{2})?)\s+([^\W\d][^\d]*)")
_CITY_CODE = re.compile(r"([^\W\d][^\d]*?)\s+(\d{5,6}(?:-\d{4})?)")
_ZIP = re.compile(r"(.*?[\s,])(\d{5}(?:-\d{4})?|\d{4})$")
_TAIL = re.compile(r"[\s,;]+$")
_SEGMENT = re.compile(r"\s*[,;\n]\s*")
_HAS_DIGIT = re.compile(r"\d")

_TABLES = vocabulary.words("addresses")
_UNITS = frozenset(_TABLES["units"]) | {
    "rear",
    "fl",
    "bldg",
    "house",
    "tower",
    "block",
    "po",
    "box",
}
_STREET_TYPES = frozenset(_TABLES["street_types"]) | frozenset(_TABLES["street_types"].values())
_DIRECTIONS = frozenset(_TABLES["directions"]) | frozenset(_TABLES["directions"].values())
#: What a street line without its city can end in.
STREET_ENDS = _STREET_TYPES | _DIRECTIONS


@dataclass(slots=True)
class Line:
    """A one-line address in its parts, as they were written."""

    street: str
    city: str | None = None
    region: str | None = None
    postcode: str | None = None
    country: str | None = None


def may_hold_more(street: str) -> bool:
    """True if `street` could hold more than a street: cheap, and never false when it does."""
    return "," in street or ";" in street or "\n" in street or _ends_like_postcode(street.rstrip())


def _ends_like_postcode(street: str) -> bool:
    """True if the last word could end a postcode: it has a digit and more than two characters."""
    word = street[street.rfind(" ") + 1 :]
    return 3 <= len(word) <= 10 and not word.isalpha() and _HAS_DIGIT.search(word) is not None


def take_apart(street: str, *, city: str | None = None) -> Line:
    """The parts of the one-line address `street`; `city` is the folded city if it is known."""
    line = Line(_TAIL.sub("", street.strip()))
    has_more = True
    while has_more:
        before = line.street
        _take_last_segment(line)
        _take_trailing_code(line)
        has_more = line.street != before
    _take_city(line, city)
    return line


def _take_last_segment(line: Line) -> None:
    """Moves the last comma-separated segment to the part it clearly is."""
    segments = [segment for segment in _SEGMENT.split(line.street) if segment]
    if len(segments) < 2:
        return
    last = segments[-1]
    folded = fold(last)
    if line.postcode is None and _ONLY_POSTCODE.fullmatch(last):
        line.postcode = last
    elif line.postcode is None and line.city is None and (found := _CODE_CITY.fullmatch(last)):
        if _is_country(fold(found.group(2))):
            line.postcode, line.country = found.groups()
        elif _is_unit(found.group(2)) or _has_street_type(found.group(2)):
            return
        else:
            line.postcode, line.city = found.groups()
    elif line.region is None and folded in vocabulary.regions():
        line.region = last
    elif line.country is None and _is_country(folded):
        line.country = last
    elif line.postcode is None and (found := _CITY_CODE.fullmatch(last)):
        _take_place_with_code(line, found.group(1), found.group(2))
    else:
        return
    line.street = ", ".join(segments[:-1])


def _take_place_with_code(line: Line, place: str, code: str) -> None:
    """Reads a segment such as "IL 62704", "Springfield IL 62704" or "Singapore 059413"."""
    line.postcode = code
    words = place.split()
    for count in range(min(3, len(words)), 0, -1):
        if line.region is None and fold(" ".join(words[-count:])) in vocabulary.regions():
            line.region = " ".join(words[-count:])
            words = words[:-count]
            break
    if words and line.city is None:
        line.city = " ".join(words)


def _take_trailing_code(line: Line) -> None:
    """Moves a postcode, and the state before it, from the end of the line."""
    if line.postcode is not None:
        return
    if found := _END_POSTCODE.search(line.street):
        if found.start() > 0:
            line.postcode = found.group(1)
            line.street = _TAIL.sub("", line.street[: found.start()])
        return
    if not (found := _ZIP.match(line.street)):
        return
    rest, code = _TAIL.sub("", found.group(1)), found.group(2)
    country = "AU" if len(code) == 4 else "US"
    words = rest.replace(",", " ").split()
    for count in range(min(3, len(words) - 1), 0, -1):
        state = vocabulary.regions().get(fold(" ".join(words[-count:])) or "")
        if state in vocabulary.region_codes(country):
            line.region, line.postcode = " ".join(words[-count:]), code
            line.street = _TAIL.sub("", " ".join(rest.split()[:-count]))
            return


def _take_city(line: Line, city: str | None) -> None:
    """Moves the city, or takes away the `city` that is known, from the end of what is left."""
    segments = [segment for segment in _SEGMENT.split(line.street) if segment]
    if not segments:
        return
    last = segments[-1]
    if city is not None or line.city is not None:
        if len(segments) > 1 and fold(last) == (city or fold(line.city)):
            line.street = ", ".join(segments[:-1])
        return
    if len(segments) > 1 and not _HAS_DIGIT.search(last):
        if not _is_unit(last) and _HAS_DIGIT.search(line.street):
            line.city = last
            line.street = ", ".join(segments[:-1])
    elif line.region is not None or line.postcode is not None:
        _take_city_behind_street_type(line, last)


def _take_city_behind_street_type(line: Line, last: str) -> None:
    """Moves the words behind the street's type and direction, if they are all letters."""
    words = last.split()
    folded = [fold(word) or "" for word in words]
    types = [at for at, word in enumerate(folded) if at > 0 and word in _STREET_TYPES]
    if not types:
        return
    start = types[-1] + 1
    while start < len(words) and folded[start] in _DIRECTIONS:
        start += 1
    behind = words[start:]
    if behind and not _HAS_DIGIT.search(" ".join(behind)) and not _is_unit(" ".join(behind)):
        line.city = " ".join(behind)
        line.street = _TAIL.sub("", line.street[: line.street.rfind(" ".join(behind))])


def _is_country(folded: str | None) -> bool:
    """True for a country's name; of the two-letter codes only "UK" is clear inside a line."""
    return folded in countries.names() and (len(folded or "") > 2 or folded == "uk")


def _is_unit(text: str) -> bool:
    return any((fold(word) or "") in _UNITS for word in text.split())


def _has_street_type(text: str) -> bool:
    return any((fold(word) or "") in _STREET_TYPES for word in text.split())
