"""Plain values in bulk: what most values are, standardised by columns instead of one by one.

Each function here reads the values that leave nothing to decide (a name of one ASCII word, a street
of words and numbers, a valid number of the source's own country) and says with `is_certain` which
rows those are. The others go through the functions of `names`, `addresses`, `phones` and so on, one
distinct value at a time. Wherever a row is certain both ways give the same: a property test holds
them together, so that a rule needs to be known here only if it can touch a plain value.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from datetime import date

import polars as pl

from staging import addresses, names, phones

CERTAIN = "is_certain"
_NOTHING = pl.lit(None, pl.String)
_WORD = "^[A-Za-z]+$"
_TWO_OR_THREE_WORDS = "^[A-Za-z]+ [A-Za-z]+( [A-Za-z]+)?$"
_EMAIL = r"^[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*@([A-Za-z0-9][A-Za-z0-9-]*\.)+[A-Za-z]{2,24}$"
_LONGEST_LOCAL_PART = 64
_PLAIN_STREET = "^[A-Za-z0-9](?:[A-Za-z0-9 .-]|#[A-Za-z0-9])*$"
_LONG_LAST_WORD = "(?:^| )[^ #]{3,}$"  # "#1204" is a unit
_ODD_IN_STREET = r"(^|[^A-Za-z])[A-Za-z]\.|(?i:stra)"  # "N. Main", "Bahnhofstrasse"

#: The outputs of a group and which rows of them are certain, for rows of its inputs.
Shortcut = Callable[[pl.DataFrame], pl.DataFrame]


def without(nothing: Iterable[str], shortcut: Shortcut) -> Shortcut:
    """`shortcut`, uncertain of any value whose standard form is a placeholder in `nothing`."""
    listed = list(nothing)

    def checked(known: pl.DataFrame) -> pl.DataFrame:
        found = shortcut(known)
        return found.with_columns(
            pl.col(CERTAIN) & ~pl.col(found.columns[0]).is_in(listed).fill_null(False)
        )

    return checked


def emails(known: pl.DataFrame) -> pl.DataFrame:
    """Addresses without quotes, comments, display names or anything else around them."""
    email = pl.col("email")
    return known.select(
        email.str.to_lowercase(),
        _NOTHING.alias("reason"),
        _or_null(
            email.str.contains(_EMAIL) & (email.str.len_bytes() <= _LONGEST_LOCAL_PART), email
        ).alias(CERTAIN),
    )


def dates_of_birth(today: date) -> Shortcut:
    """ISO dates of days that exist and are not after `today`."""

    def shortcut(known: pl.DataFrame) -> pl.DataFrame:
        written = pl.col("date_of_birth")
        day = written.str.to_date("%Y-%m-%d", strict=False)
        is_iso = written.str.contains("^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
        is_sane = day.is_between(date(1, 1, 1), today).fill_null(False)
        return known.select(
            written, _NOTHING.alias("reason"), _or_null(is_iso & is_sane, written).alias(CERTAIN)
        )

    return shortcut


def person_names(known: pl.DataFrame) -> pl.DataFrame:
    """Names whose mapped parts are one word each, or whose only part is a full name of plain words.

    A part of one word is that word, whatever it is. In a full name two or three words are plain
    when none of them is a title, degree or generation, and no particle stands in the middle.
    """
    parts = [name for name in ("given_name", "middle_name", "family_name") if name in known.columns]
    has_full = pl.col("full_name").is_not_null() if "full_name" in known.columns else pl.lit(False)
    folded = [pl.col(name).str.to_lowercase() for name in parts]
    has_parts = pl.any_horizontal(pl.lit(False), *(pl.col(name).is_not_null() for name in parts))
    are_words = pl.all_horizontal(
        pl.lit(True), *(_or_null(pl.col(name).str.contains(_WORD), pl.col(name)) for name in parts)
    )
    outputs: dict[str, pl.Expr] = {
        "name": pl.concat_str(folded, separator=" ", ignore_nulls=True) if parts else _NOTHING,
        "given_name": _NOTHING,
        "middle_name": _NOTHING,
        "family_name": _NOTHING,
        **dict(zip(parts, folded, strict=True)),
    }
    certain = are_words & ~has_full
    if "full_name" in known.columns:
        whole = pl.col("full_name").str.to_lowercase()
        words = whole.str.split(" ")
        has_three = words.list.len() == 3
        read = {
            "name": whole,
            "given_name": words.list.first(),
            "middle_name": pl.when(has_three).then(words.list.get(1, null_on_oob=True)),
            "family_name": words.list.last(),
        }
        outputs = {
            name: pl.when(has_full).then(read[name]).otherwise(output)
            for name, output in outputs.items()
        }
        is_plain = (
            pl.col("full_name").str.contains(_TWO_OR_THREE_WORDS)
            & ~words.list.eval(pl.element().is_in(list(names.MARKED))).list.any()
            & ~pl.when(has_three)
            .then(words.list.get(1, null_on_oob=True).is_in(list(names.PARTICLES)))
            .otherwise(False)
        )
        certain |= has_full & ~has_parts & is_plain
    named = pl.when(outputs["name"] != "").then(outputs["name"])
    return known.select(
        named.alias("name"),
        *(outputs[name].alias(name) for name in ("given_name", "middle_name", "family_name")),
        _NOTHING.alias("name_suffix"),
        certain.alias(CERTAIN),
    )


def postal_addresses(known: pl.DataFrame) -> pl.DataFrame:
    """Addresses whose street is plain words and numbers that hold nothing but the street.

    The other parts are standardised by distinct value, odd or not: with such a street they do not
    depend on each other, but for the postcode on the country.
    """
    frame = known.select(
        pl.col(name) if name in known.columns else _NOTHING.alias(name)
        for name in addresses.Address._fields
    )
    frame = frame.with_columns(
        _by_distinct(frame["city"], addresses.fold_city),
        _by_distinct(frame["region"], addresses.standardise_region),
        _by_distinct(frame["country"], addresses.standardise_country),
        _by_distinct(frame["postcode"], addresses.standardise_postcode),
        _street_words(frame["street"]).alias("words"),
    )
    street, words, city = pl.col("street"), pl.col("words"), pl.col("city")
    may_end_in_postcode = street.str.contains("[0-9][^ ]*$") & street.str.contains(_LONG_LAST_WORD)
    is_plain = (
        street.str.contains(_PLAIN_STREET)
        & ~street.str.contains(_ODD_IN_STREET)
        & ~may_end_in_postcode
        & ~words.str.contains("unit unit", literal=True)
        & ~words.str.ends_with(pl.lit(" ") + city).fill_null(False)
    )
    # the US alone puts back a zero that a spreadsheet lost
    may_lack_zero = (pl.col("country") == "US") & pl.col("postcode").str.contains("^[0-9]{3,4}$")
    return frame.select(
        words.alias("street"),
        city,
        "region",
        "postcode",
        "country",
        (_or_null(is_plain, street) & ~may_lack_zero.fill_null(False)).alias(CERTAIN),
    )


@functools.cache
def phone_numbers(region: str | None) -> Shortcut | None:
    """Valid numbers of `region` in any punctuation, with and without country code and prefix.

    None where the region shares its country code as a junior member, or its rules are beyond
    polars' regular expressions: then `phones` reads all of them.
    """
    rules = phones.home_rules(region) if region else None
    if rules is None:
        return None
    general, abroad, prefix = (
        pattern and f"^(?:{pattern})"
        for pattern in (rules.general, rules.dialled_abroad, rules.prefix)
    )

    def starts_with(value: pl.Expr, pattern: str | None) -> pl.Expr:
        return value.str.contains(pattern) if pattern else pl.lit(False)

    def shortcut(known: pl.DataFrame) -> pl.DataFrame:
        written = pl.col("phone")
        digits = written.str.replace_all(r"[ \-.()\t\x{a0}]", "")
        code = rules.country_code
        is_full = pl.col("digits").str.starts_with(f"+{code}")
        is_general = pl.col("digits").str.contains(f"{general}$")
        lost_plus = pl.col("digits").str.starts_with(code) & ~is_general
        national = (
            pl.when(is_full)
            .then(pl.col("digits").str.slice(len(code) + 1))
            .when(lost_plus)
            .then(pl.col("digits").str.slice(len(code)))
            .otherwise(pl.col("digits"))
        )
        has_prefix = starts_with(pl.col("national"), prefix)
        significant = pl.col("national")
        may_have_prefix = pl.lit(False)
        if prefix and not rules.transforms:
            significant = (
                pl.when(has_prefix).then(significant.str.replace(prefix, "")).otherwise(significant)
            )
            may_have_prefix = ~lost_plus
        number = pl.col("number")
        is_valid = pl.any_horizontal(
            (number.str.len_bytes() == length) & number.str.contains(f"^(?:{pattern})$")
            for length, pattern in rules.by_length.items()
        )
        frame = known.select(written, digits.alias("digits")).with_columns(
            national.alias("national")
        )
        frame = frame.with_columns(significant.alias("number"), has_prefix.alias("has_prefix"))
        is_certain = (
            pl.col("digits").str.contains(r"^\+?[0-9]+$")
            & (is_full | ~pl.col("digits").str.starts_with("+"))
            & (is_full | ~starts_with(pl.col("digits"), abroad))
            & (~pl.col("has_prefix") | may_have_prefix)
            & number.str.contains(f"{general}$")
            & is_valid
            & ~written.str.ends_with(".0")
        )
        return frame.select(
            (pl.lit(f"+{code}") + number).alias("phone"),
            _NOTHING.alias("reason"),
            _or_null(is_certain, written).alias(CERTAIN),
        )

    try:
        shortcut(pl.DataFrame({"phone": ["0"]}))
    except pl.exceptions.ComputeError:
        return None
    return shortcut


def _or_null(condition: pl.Expr, column: pl.Expr) -> pl.Expr:
    """True where `condition` holds and where `column` is null."""
    return condition.fill_null(False) | column.is_null()


def _by_distinct(column: pl.Series, function: Callable[[str], str | None]) -> pl.Series:
    """`function` of each value of `column`, called once per distinct value."""
    distinct = column.unique().drop_nulls()
    found = pl.Series([function(value) for value in distinct], dtype=pl.String)
    return column.replace_strict(distinct, found, default=None, return_dtype=pl.String)


def _street_words(street: pl.Series) -> pl.Series:
    """The lower-case words of each street, each in its one spelling."""
    # two spaces between words, so that every word has one before and one behind of its own
    words = street.str.to_lowercase().str.replace_all("#", " unit ", literal=True)
    words = " " + words.str.replace_all("[^a-z0-9]+", "  ") + " "
    spelling = addresses.STREET_WORDS
    one_spelling = words.str.replace_many(
        [f" {word} " for word in spelling], [f" {short} " for short in spelling.values()]
    )
    return one_spelling.str.replace_all("  ", " ", literal=True).str.strip_chars(" ").alias("words")
