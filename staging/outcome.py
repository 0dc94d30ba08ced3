"""What a standardiser gives back: a value, a reason, or both.

- value and no reason: the standard form of the input;
- no value and a reason: the input was there but means nothing we can use (it is counted);
- value and a reason: usable, but with a reservation that is counted as well;
- neither: the input was empty.
"""

from typing import NamedTuple


class Standard(NamedTuple):
    """The standard form of one value and the reason for a null or a reservation."""

    value: str | None
    reason: str | None = None


EMPTY = Standard(None)
PLACEHOLDER = Standard(None, "placeholder")
