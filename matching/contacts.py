"""Comparison of e-mail addresses, phone numbers and identifiers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matching.comparisons import (
    Bools,
    Levels,
    edit_distances,
    equal_codes,
    split_equal,
    text_lengths,
)
from matching.encode import Codes, Column, group_codes

EMAIL_DIFFERENT, EMAIL_DOMAIN, EMAIL_LOCAL_SIMILAR, EMAIL_LOCAL, EMAIL_TYPO, EMAIL_EXACT = range(6)


def _email_table(values: list[str]) -> dict[str, NDArray[np.generic]]:
    locals_ = [value.partition("@")[0].partition("+")[0] for value in values]
    compact = ["".join(c for c in local if c.isalnum()) for local in locals_]
    return {
        "local": group_codes([local if len(local) > 2 else "" for local in compact]),
        "domain": group_codes([value.partition("@")[2] for value in values]),
        "length": text_lengths(values),
        "local_length": text_lengths(compact),
        "local_column": np.array([0]),
        "stem": group_codes(["".join(c for c in local if c.isalpha())[:24] for local in compact]),
    }


def compare_email(column: Column, left: Codes, right: Codes) -> Levels:
    """Levels of e-mails: exact, typo, same or similar local part, same domain, different."""
    levels, todo = split_equal(column, left, right, EMAIL_EXACT)
    if not todo.size:
        return levels
    table = column.derive("email_table", _email_table)
    a, b = left[todo], right[todo]
    shorter = np.minimum(table["length"][a], table["length"][b])
    edits = edit_distances(column, a, b, most=4)
    stems = equal_codes(table["stem"][a], table["stem"][b])
    same_local = equal_codes(table["local"][a], table["local"][b])
    found = np.full(len(todo), EMAIL_DIFFERENT, dtype=np.int8)
    same_domain = equal_codes(table["domain"][a], table["domain"][b])
    found[same_domain] = EMAIL_DOMAIN
    found[stems | ((edits <= 3) & (shorter >= 12))] = EMAIL_LOCAL_SIMILAR
    found[same_local] = EMAIL_LOCAL
    found[((edits <= 1) & (shorter >= 6)) | ((edits <= 2) & (shorter >= 12))] = EMAIL_TYPO
    levels[todo] = found
    return levels


def made_of_name(
    emails: Sequence[str], given: Sequence[str], family: Sequence[str]
) -> tuple[Bools, Bools]:
    """Whether each local part is made of the person's names, and whether without digits."""
    made = np.zeros(len(emails), dtype=bool)
    plain = np.zeros(len(emails), dtype=bool)
    for row, (email, first, last) in enumerate(zip(emails, given, family, strict=True)):
        local = email.partition("@")[0].partition("+")[0]
        letters = "".join(c for c in local if c.isalpha())
        first_, last_ = first.replace(" ", ""), last.replace(" ", "")
        made[row] = letters in {
            first_,
            last_,
            first_ + last_,
            last_ + first_,
            first_[:1] + last_,
            first_ + last_[:1],
            last_ + first_[:1],
            last_[:1] + first_,
        }
        plain[row] = not any(c.isdigit() for c in local)
    return made, plain


PHONE_DIFFERENT, PHONE_TYPO, PHONE_TAIL, PHONE_EXACT = range(4)
PHONE_TAIL_DIGITS = 7


def _phone_tails(values: list[str]) -> Codes:
    digits = ["".join(c for c in value if c.isdigit()) for value in values]
    return group_codes(
        [value[-PHONE_TAIL_DIGITS:] if len(value) >= PHONE_TAIL_DIGITS else "" for value in digits]
    )


def compare_phone(column: Column, left: Codes, right: Codes) -> Levels:
    """Levels of phone numbers: exact, same last seven digits, one digit off, different."""
    levels, todo = split_equal(column, left, right, PHONE_EXACT)
    if not todo.size:
        return levels
    a, b = left[todo], right[todo]
    tails = column.derive("phone_tails", _phone_tails)
    found = np.full(len(todo), PHONE_DIFFERENT, dtype=np.int8)
    found[edit_distances(column, a, b, most=1) <= 1] = PHONE_TYPO
    found[equal_codes(tails[a], tails[b])] = PHONE_TAIL
    levels[todo] = found
    return levels


IDENTIFIER_DIFFERENT, IDENTIFIER_TYPO, IDENTIFIER_EXACT = range(3)


_SUCCESSIVE = 10
"""Running numbers closer than this were given out one after the other, often in one household."""


def _running_numbers(values: list[str]) -> NDArray[np.int64]:
    """The number that the last digits of each value make, at most nine of them; -1 for none."""
    ends = [value[len(value.rstrip("0123456789")) :][-9:] for value in values]
    return np.array([int(end) if end else -1 for end in ends], dtype=np.int64)


def compare_identifier(column: Column, left: Codes, right: Codes) -> Levels:
    """Levels of identifiers: exact, one character off, different.

    Neighbours in a running number are different: a family that registers together gets 4711 and
    4712, which says less about a slip of the finger than about two customers.
    """
    levels, todo = split_equal(column, left, right, IDENTIFIER_EXACT)
    if not todo.size:
        return levels
    a, b = left[todo], right[todo]
    lengths = column.derive("lengths", text_lengths)
    near = (edit_distances(column, a, b, most=1) <= 1) & (np.minimum(lengths[a], lengths[b]) >= 5)
    numbers = column.derive("running_numbers", _running_numbers)
    apart = np.abs(numbers[a] - numbers[b])
    near &= (apart == 0) | (apart >= _SUCCESSIVE)
    levels[todo] = np.where(near, IDENTIFIER_TYPO, IDENTIFIER_DIFFERENT)
    return levels
