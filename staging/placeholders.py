"""Values that stand for "nothing known": `n/a`, `test@test.com`, `0000000000`, `1900-01-01`."""

import string
from collections.abc import Iterable, Mapping

import polars as pl

from staging.text import fold

_COMPACT = str.maketrans(
    string.ascii_uppercase,
    string.ascii_lowercase,
    "".join(map(chr, {*range(128)} - {*map(ord, string.ascii_letters + string.digits)})),
)
_NAME_PARTS = frozenset({"given_name", "middle_name", "family_name"})


class Placeholders:
    """The configured placeholders, ready to be asked about one value at a time.

    Values are compared without case, accents, punctuation and spaces, phones by their digits. A
    value in the list may end or begin with "*" for any further characters ("noreply@*"). A value
    made of punctuation alone ("--", "?") is always a placeholder: it has nothing else to say.
    """

    def __init__(
        self,
        everywhere: Iterable[str],
        by_attribute: Mapping[str, Iterable[str]],
        also_names: Iterable[str] = (),
    ) -> None:
        """`also_names` are kept in a part of a name when written as a name is: "Null"."""
        common = tuple(everywhere)
        self._common = _Listed(common)
        self._also_names = frozenset(map(_compact, also_names))
        self._listed = {
            attribute: _Listed((*common, *values)) for attribute, values in by_attribute.items()
        }
        self._phones = frozenset(
            digits for value in by_attribute.get("phone", ()) if (digits := _digits(value))
        )

    def holds(self, attribute: str, value: str) -> bool:
        """True if `value`, as the source wrote it or as it was standardised, says nothing."""
        compact = _compact(value)
        if not compact:
            return True
        if attribute in _NAME_PARTS and compact in self._also_names and _is_capitalised(value):
            return False
        if attribute == "phone" and _digits(value) in self._phones:
            return True
        return self._listed.get(attribute, self._common).holds(compact)

    def among(self, attribute: str, values: pl.Series) -> list[str]:
        """Those of the distinct `values` that `holds` is true for."""
        compact = values.str.to_lowercase().str.replace_all("[^a-z0-9]+", "")
        is_likely = (
            self._listed.get(attribute, self._common).likely(compact)
            | (compact == "")
            | values.str.contains(r"[^\x00-\x7f]")
        )
        if attribute == "phone":
            digits = compact.str.replace_all("[^0-9]+", "")
            is_likely |= digits.is_in(list(self._phones))
        return [value for value in values.filter(is_likely) if self.holds(attribute, value)]


class _Listed:
    """Compact values, and the starts and ends that were given with "*"."""

    def __init__(self, values: Iterable[str]) -> None:
        self._exact: set[str] = set()
        self._starts: tuple[str, ...] = ()
        self._ends: tuple[str, ...] = ()
        for value in values:
            compact = _compact(value)
            if compact and value.endswith("*"):
                self._starts += (compact,)
            elif compact and value.startswith("*"):
                self._ends += (compact,)
            elif compact:
                self._exact.add(compact)

    def holds(self, compact: str) -> bool:
        """True if the compact value is in the list."""
        return (
            compact in self._exact
            or compact.startswith(self._starts)
            or compact.endswith(self._ends)
        )

    def likely(self, compact: pl.Series) -> pl.Series:
        """`holds` for many compact values at once."""
        found = compact.is_in(list(self._exact))
        for start in self._starts:
            found |= compact.str.starts_with(start)
        for end in self._ends:
            found |= compact.str.ends_with(end)
        return found


def _compact(value: str) -> str:
    """The folded value without spaces."""
    if value.isascii():
        return value.translate(_COMPACT)
    return (fold(value) or "").replace(" ", "")


def _is_capitalised(value: str) -> bool:
    return value.isalpha() and value.istitle()


def _digits(value: str) -> str:
    return "".join(filter(str.isdecimal, value))
