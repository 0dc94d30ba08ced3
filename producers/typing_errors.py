"""What goes wrong between a keyboard, a scanner and a form: one edit of a text or a date per
error."""

from __future__ import annotations

import numpy as np

from producers.noise import Keys
from producers.population import Ints

_NEIGHBOURS = {
    "a": "qsz", "b": "vgn", "c": "xdv", "d": "sfe", "e": "wrd", "f": "dgr", "g": "fht", "h": "gjy",
    "i": "uok", "j": "hku", "k": "jli", "l": "kop", "m": "nj", "n": "bmh", "o": "ipl", "p": "ol",
    "q": "wa", "r": "etf", "s": "adw", "t": "ryg", "u": "yij", "v": "cbf", "w": "qes", "x": "zcs",
    "y": "tuh", "z": "asx", "0": "9", "1": "2", "2": "13", "3": "24", "4": "35", "5": "46",
    "6": "57", "7": "68", "8": "79", "9": "80",
}  # fmt: skip
_LOOKALIKES = {
    "rn": "m", "m": "rn", "cl": "d", "d": "cl", "l": "1", "o": "0", "s": "5", "b": "6", "i": "l",
    "vv": "w", "e": "c", "g": "q", "0": "o", "1": "l", "5": "s", "8": "B",
}  # fmt: skip


def mistype(text: str, choice: int) -> str:
    """Return the text with one error in it, chosen by the number: a key beside, a look-alike of a
    scanner, two letters swapped, one dropped, one doubled. Texts of one letter stay as they are."""
    if len(text) < 2:
        return text
    kind, choice = choice % 10, choice // 10
    at = choice % len(text)
    if kind < 3:
        return _beside(text, at, choice // len(text))
    if kind < 5:
        return _lookalike(text, at)
    if kind < 7:
        at = min(at, len(text) - 2)
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if kind < 9:
        at = max(at, 1)
        return text[:at] + text[at + 1 :]
    return text[:at] + text[at] + text[at:]


def mistype_days(days: Ints, hashes: Keys) -> Ints:
    """Return dates (days since 1970) with one slip each: a day, ten days, a month, a year or ten
    off."""
    steps = np.array([1, -1, 10, 31, -30, 365, -365, 3652])
    slipped: Ints = days + steps[(hashes % np.uint64(len(steps))).astype(np.int64)]
    return slipped


def _beside(text: str, at: int, choice: int) -> str:
    keys = _NEIGHBOURS.get(text[at].lower())
    if keys is None:
        return text[:at] + text[at + 1 :]
    key = keys[choice % len(keys)]
    return text[:at] + (key.upper() if text[at].isupper() else key) + text[at + 1 :]


def _lookalike(text: str, at: int) -> str:
    for start in (*range(at, len(text)), *range(at)):
        for width in (2, 1):
            seen = _LOOKALIKES.get(text[start : start + width].lower())
            if seen is not None and start > 0:
                return text[:start] + seen + text[start + width :]
    return text[:at] + text[at + 1 :]
