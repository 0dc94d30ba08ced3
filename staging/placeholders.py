"""Values that stand for "nothing known": `n/a`, `test@test.com`, `0000000000`, `1900-01-01`."""

import re
from collections.abc import Iterable, Mapping

from staging.text import fold

_NOT_DIGIT = re.compile(r"\D")


class Placeholders:
    """The configured placeholders, ready to be asked about one value at a time.

    Values are compared without case, accents, punctuation and spaces, phones by their digits. A
    value in the list may end or begin with "*" for any further characters ("noreply@*"). A value
    made of punctuation alone ("--", "?") is always a placeholder: it has nothing else to say.
    """

    def __init__(
        self, everywhere: Iterable[str], by_attribute: Mapping[str, Iterable[str]]
    ) -> None:
        common = tuple(everywhere)
        self._common = _Listed(common)
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
        if attribute == "phone" and _digits(value) in self._phones:
            return True
        return self._listed.get(attribute, self._common).holds(compact)


class _Listed:
    """A list of compact values and the starts and ends given with "*"."""

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


def _compact(value: str) -> str:
    """The folded value without spaces."""
    if value.isascii() and value.isalnum():
        return value.lower()
    return (fold(value) or "").replace(" ", "")


def _digits(value: str) -> str:
    return _NOT_DIGIT.sub("", value)
