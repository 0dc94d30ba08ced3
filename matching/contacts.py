"""Comparison of e-mail addresses, phone numbers and identifiers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import OSA

from matching.comparisons import Bools, Levels, equal_codes, highest, split_equal, text_lengths
from matching.distances import edit_distances
from matching.encode import Codes, Column, group_codes, pick

EMAIL_DIFFERENT, EMAIL_DOMAIN, EMAIL_LOCAL_SIMILAR, EMAIL_LOCAL, EMAIL_TYPO, EMAIL_EXACT = range(6)


@dataclass(frozen=True)
class _EmailTable:
    """What the comparison of e-mails asks about each address; keys as group codes."""

    local: Codes
    domain: Codes
    length: NDArray[np.int16]
    stem: Codes
    has_local: Bools


def _ends(emails: Column) -> tuple[pl.Series, pl.Series]:
    """What stands before and behind the first @ of each address."""
    local, domain = emails.derive("ends", lambda text: text.str.splitn("@", 2).struct.unnest())
    return local, domain


def _local_parts(emails: Column) -> pl.Series:
    """The letters and digits before each domain, without the tag of a sub-address."""
    parts: pl.Series = emails.derive(
        "local_parts",
        lambda _: _ends(emails)[0].str.replace(r"\+.*$", "").str.replace_all(r"[^\p{L}\p{N}]+", ""),
    )
    return parts


def _local_letters(emails: Column) -> pl.Series:
    letters: pl.Series = emails.derive(
        "local_letters", lambda _: _local_parts(emails).str.replace_all(r"\P{L}+", "")
    )
    return letters


def _email_table(column: Column, text: pl.Series) -> _EmailTable:
    return _EmailTable(
        local=group_codes(_local_parts(column).str.extract(r"^(.{3,})$")),
        domain=group_codes(_ends(column)[1]),
        length=text_lengths(text),
        stem=group_codes(_local_letters(column).str.extract(r"^(.{3,24})")),
        has_local=text_lengths(_local_parts(column)) >= 5,
    )


def compare_email(column: Column, left: Codes, right: Codes) -> Levels:
    """Levels of e-mails: exact, typo, same or similar local part, same domain, different."""
    levels, todo = split_equal(column, left, right, EMAIL_EXACT)
    if not todo.size:
        return levels
    table: _EmailTable = column.derive("email_table", lambda text: _email_table(column, text))
    a, b = pick(left, todo), pick(right, todo)
    shorter = np.minimum(pick(table.length, a), pick(table.length, b))
    edits = edit_distances(column, a, b, most=3)
    same_domain = equal_codes(pick(table.domain, a), pick(table.domain, b))
    stems = equal_codes(pick(table.stem, a), pick(table.stem, b))
    same_local = equal_codes(pick(table.local, a), pick(table.local, b))
    # A few slips make no likeness of mailboxes that are hardly longer: a1@ and a2@.
    has_local = pick(table.has_local, a) & pick(table.has_local, b)
    typo = ((edits <= 1) & (shorter >= 6)) | ((edits <= 2) & (shorter >= 12))
    # A provider tells people of one name apart by a number or a dot: mary71@ and mary72@, or
    # ann_lee@ and ann.lee@ of one domain, are two mailboxes rather than a slip.
    told_apart = (stems & ~same_local) | (same_local & same_domain)
    levels[todo] = highest(
        (same_domain, EMAIL_DOMAIN),
        (stems | ((edits <= 3) & (shorter >= 12) & has_local), EMAIL_LOCAL_SIMILAR),
        (same_local, EMAIL_LOCAL),
        (typo & ~told_apart & (has_local | ~same_domain), EMAIL_TYPO),
    )
    return levels


def mailbox_numbers(emails: Column) -> Codes:
    """A number per equal digits in the local part of each distinct address; -1 without digits."""
    codes: Codes = emails.derive(
        "mailbox_number",
        lambda _: group_codes(_local_parts(emails).str.replace_all(r"\D+", "")),
    )
    return codes


def same_letters(emails: Column, left: Codes, right: Codes) -> Bools:
    """Whether the local parts of two addresses have the same letters, digits apart."""
    stem: Codes = emails.derive("email_table", lambda text: _email_table(emails, text)).stem
    return equal_codes(pick(stem, left), pick(stem, right))


def made_of_name(
    emails: Column, email: Codes, names: Column, given: Codes, family: Codes, *, slips: int = 0
) -> Bools:
    """Whether the letters of each local part are made of the person's names, up to some slips.

    The person's names may be absent, the e-mail may not.
    """
    compact = names.derive(
        "compact_names", lambda text: text.str.replace_all(" ", "", literal=True)
    )
    people = pl.DataFrame(
        {
            "letters": _local_letters(emails).gather(email),
            "first": compact.gather(pl.Series(given).replace(-1, None)).fill_null(""),
            "last": compact.gather(pl.Series(family).replace(-1, None)).fill_null(""),
        }
    )
    first, last = pl.col("first"), pl.col("last")
    is_way = pl.any_horizontal(
        pl.col("letters") == way
        for way in (
            first,
            last,
            first + last,
            last + first,
            first.str.head(1) + last,
            first + last.str.head(1),
            last + first.str.head(1),
            last.str.head(1) + first,
        )
    )
    made = people.select(is_way & (pl.col("letters") != ""))
    found: Bools = made.to_series().to_numpy().copy()
    if slips:
        at = np.flatnonzero(~found & (people["letters"].str.len_chars() >= 8).to_numpy())
        rest = people[at].select("letters", straight=first + last, turned=last + first)
        for way in ("straight", "turned"):
            edits = process.cpdist(
                rest["letters"].to_list(),
                rest[way].to_list(),
                scorer=OSA.distance,
                score_cutoff=slips,
                dtype=np.uint8,
            )
            found[at] |= edits <= slips
    return found


PHONE_DIFFERENT, PHONE_TYPO, PHONE_TAIL, PHONE_EXACT = range(4)
PHONE_TAIL_DIGITS = 7


def _phone_tails(text: pl.Series) -> Codes:
    digits = text.str.replace_all(r"\D+", "")
    return group_codes(digits.str.extract(f"([0-9]{{{PHONE_TAIL_DIGITS}}})$"))


def compare_phone(column: Column, left: Codes, right: Codes) -> Levels:
    """Levels of phone numbers: exact, same last seven digits, one digit off, different."""
    levels, todo = split_equal(column, left, right, PHONE_EXACT)
    if not todo.size:
        return levels
    a, b = pick(left, todo), pick(right, todo)
    tails: Codes = column.derive("phone_tails", _phone_tails)
    levels[todo] = highest(
        (edit_distances(column, a, b, most=1) <= 1, PHONE_TYPO),
        (equal_codes(pick(tails, a), pick(tails, b)), PHONE_TAIL),
    )
    return levels


IDENTIFIER_DIFFERENT, IDENTIFIER_TYPO, IDENTIFIER_EXACT = range(3)


_SUCCESSIVE = 10
"""Running numbers closer than this were given out one after the other, often in one household."""


def _running_numbers(text: pl.Series) -> NDArray[np.int64]:
    """The number that the last digits of each value make, at most nine of them; -1 for none."""
    return text.str.extract("([0-9]{1,9})$").cast(pl.Int64).fill_null(-1).to_numpy()


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
    levels[todo] = highest((near, IDENTIFIER_TYPO))
    return levels
