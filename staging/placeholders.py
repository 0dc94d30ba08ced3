"""Values that stand for "nothing known": `n/a`, `test@test.com`, `0000000000`, `1900-01-01`."""

import functools
import operator
import string
from collections.abc import Iterable, Mapping

import polars as pl

from staging.text import fold

_COMPACT = str.maketrans(
    string.ascii_uppercase,
    string.ascii_lowercase,
    "".join(map(chr, {*range(128)} - {*map(ord, string.ascii_letters + string.digits)})),
)
_PADDING = r"[\x00-/:-@\[-`{-\x7f]*"  # of ASCII, what is neither letter nor digit
_NOT_DIGITS = r"[\x00-/:-\x7f]*"
# A value of punctuation alone, or one beyond ASCII, which only Python can fold.
_SAYS_NOTHING = rf"^{_PADDING}$|[^\x00-\x7f]"
_PATTERNS_IN_ONE = 200
# Up to so many values asking each one is cheaper than looking for patterns in all of them.
_FEW_VALUES = 256
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
        self._phone_patterns = _alternatives(
            *(
                f"^{_NOT_DIGITS}{_spelled(digits, _NOT_DIGITS)}{_NOT_DIGITS}$"
                for digits in sorted(self._phones)
            )
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
        """Those of the `values` that `holds` is true for, each once, in order."""
        if len(values) <= _FEW_VALUES:
            return sorted(
                {value for value in values if value is not None and self.holds(attribute, value)}
            )
        patterns = self._listed.get(attribute, self._common).patterns
        if attribute == "phone":
            patterns += self._phone_patterns
        likely = values.filter(_any_of(values, (_SAYS_NOTHING, *patterns)))
        found = likely.unique().drop_nulls().sort()
        return [value for value in found if self.holds(attribute, value)]


class _Listed:
    """Compact values, and the starts and ends that were given with "*"."""

    def __init__(self, values: Iterable[str]) -> None:
        exact: set[str] = set()
        starts: set[str] = set()
        ends: set[str] = set()
        for value in values:
            compact = _compact(value)
            if compact and value.endswith("*"):
                starts.add(compact)
            elif compact and value.startswith("*"):
                ends.add(compact)
            elif compact:
                exact.add(compact)
        self._exact = exact
        self._starts = tuple(sorted(starts))
        self._ends = tuple(sorted(ends))

    @functools.cached_property
    def patterns(self) -> tuple[str, ...]:
        """Regular expressions of which one finds every ASCII value that `holds` is true for."""
        return _alternatives(
            *(
                f"^{_PADDING}{_spelled(value, _PADDING)}{_PADDING}$"
                for value in sorted(self._exact)
            ),
            *(f"^{_PADDING}{_spelled(value, _PADDING)}" for value in self._starts),
            *(f"{_spelled(value, _PADDING)}{_PADDING}$" for value in self._ends),
        )

    def holds(self, compact: str) -> bool:
        """True if the compact value is in the list."""
        return (
            compact in self._exact
            or compact.startswith(self._starts)
            or compact.endswith(self._ends)
        )


def _spelled(compact: str, padding: str) -> str:
    """A pattern for the characters of `compact` in either case, with `padding` in between."""
    return padding.join(f"[{char}{char.upper()}]" if char.isalpha() else char for char in compact)


def _alternatives(*patterns: str) -> tuple[str, ...]:
    """The patterns as few: compiled ones have a limited size, however long a list becomes."""
    return tuple(
        "|".join(patterns[start : start + _PATTERNS_IN_ONE])
        for start in range(0, len(patterns), _PATTERNS_IN_ONE)
    )


def _any_of(values: pl.Series, patterns: Iterable[str]) -> pl.Series:
    """True where one of the patterns is found, null where there is no value."""
    return functools.reduce(operator.or_, map(values.str.contains, patterns))


def _compact(value: str) -> str:
    """The folded value without spaces."""
    if value.isascii():
        return value.translate(_COMPACT)
    return (fold(value) or "").replace(" ", "")


def _is_capitalised(value: str) -> bool:
    return value.isalpha() and value.istitle()


def _digits(value: str) -> str:
    return "".join(filter(str.isdecimal, value))
