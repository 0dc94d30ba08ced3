"""The id and the time of a source's records, its phone region and its order of dates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from mdm.profiling.content import country_code_of, country_of, valid_in
from mdm.profiling.field_names import regions_named, role_score
from mdm.profiling.figures import Field
from mdm.profiling.sample import Sample

_MONTH_FIRST = frozenset({"US", "PH", "PR", "GU", "FM", "MH", "PW"})
_NUMBERS_LOOKED_AT = 120
_NUMBERS_SHUFFLED = 60
_SHUFFLES = 4
_TOO_FEW = 8
_SEED = 1
#: Regions tried for numbers without country code, by how many people use them.
_REGIONS = (
    "US", "GB", "DE", "FR", "IT", "ES", "NL", "BE", "AT", "CH", "SE", "DK", "NO", "FI", "PL", "PT",
    "IE", "AU", "NZ", "BR", "MX", "AR", "IN", "JP", "CN", "ZA", "TR", "CZ", "GR", "RO", "HU", "SG",
)  # fmt: skip
_IMPLIED = {"CA": "US", "GG": "GB", "JE": "GB", "IM": "GB", "PR": "US"}


@dataclass(frozen=True)
class Guess:
    """A value for a key of the source, why, and whether a person should look at it."""

    value: str
    reason: str
    doubtful: bool = False


def record_id(fields: Sequence[Field]) -> Guess | None:
    """The field that names a record: filled and different in every one; the likeliest by name."""
    whole = [one for one in fields if one.is_key and one.content.kind not in ("date", "email")]
    if whole:
        best = max(whole, key=lambda one: (_id_likeness(one), -len(one.path)))
        others = [
            one.path for one in whole if one is not best and role_score("record_id", one.path) > 0
        ]
        also = f"; so is {', '.join(others)}" if others else ""
        named = role_score("record_id", best.path) > 0
        return Guess(
            best.path, f"filled and unique in all {best.rows:,} records{also}", doubtful=not named
        )
    filled = [one for one in fields if one.filled]
    if not filled:
        return None
    best = max(
        filled,
        key=lambda one: (role_score("record_id", one.path) > 0, one.distinct / max(one.rows, 1)),
    )
    return Guess(
        best.path,
        f"no field is filled and unique; this one has {best.distinct:,} values in {best.rows:,} "
        "records, of two records with one value the later one counts",
        doubtful=True,
    )


def _id_likeness(one: Field) -> float:
    """By its name, and by values of one word that have digits."""
    shaped = sum(count for shape, count in one.shapes if " " not in shape and "9" in shape)
    return role_score("record_id", one.path) + 0.5 * shaped / one.filled


def event_time(fields: Sequence[Field], *, taken: frozenset[str]) -> Guess | None:
    """The field that says when a record was last true, None where there is none."""
    found = [
        (role_score("event_time", one.path), one.fill, one)
        for one in fields
        if one.path not in taken and one.filled and _is_time(one)
    ]
    score, fill, best = max(found, key=lambda each: each[:2], default=(0.0, 0.0, None))
    if best is None or score < 0.7:
        return None
    order = best.content.dates.median_year
    reason = f"{fill:.0%} filled, median year {order}" if order else f"{fill:.0%} filled"
    return Guess(best.path, reason, doubtful=fill < 0.5)


def _is_time(one: Field) -> bool:
    dates = one.content.share("date")
    epoch = one.content.share("integer") >= 0.9 and 10 <= one.longest <= 13 == one.longest
    year = one.content.dates.median_year
    return epoch or (dates >= 0.8 and year is not None and year >= 1990)


def phone_region(sample: Sample, phones: Sequence[str], countries: Sequence[str]) -> Guess | None:
    """The region whose numbering plan fits most numbers without country code.

    Numbers with one and the country column break ties. None where there are no phone numbers.
    """
    written = [
        value
        for path in phones
        for value in sample.values(path).unique(maintain_order=True).head(_NUMBERS_LOOKED_AT)
    ]
    if not written:
        return None
    hints = _hints(sample, countries, written)
    for path in sample.paths:
        hints.update(regions_named(path))
    national = [value for value in written if not value.strip().startswith(("+", "00"))]
    if not national:
        if not hints:
            return None
        region, count = hints.most_common(1)[0]
        return Guess(
            region, f"all numbers have a country code; {region} is the most frequent ({count})"
        )
    if len(national) < _TOO_FEW:
        if not hints:
            return None
        return Guess(
            hints.most_common(1)[0][0],
            f"only {len(national)} numbers without country code; by other signs",
            doubtful=True,
        )
    fits = {region: _fit(national, region) for region in _REGIONS}
    most = max(fits.values())
    if most < 0.2:
        reason = f"no numbering plan fits the {len(national)} numbers without country code"
        if not hints:
            return None
        return Guess(hints.most_common(1)[0][0], f"{reason}; by other signs", doubtful=True)
    # what is nearly as good as the best counts as good: the other signs then decide
    near = [region for region in _REGIONS if fits[region] >= 0.8 * most]
    best = max(near, key=lambda region: (hints[region], -_REGIONS.index(region)))
    valid = sum(valid_in(value, best) is not None for value in national)
    reason = f"{valid} of {len(national)} numbers without country code are valid there"
    rivals = [region for region in near if region != best]
    if rivals:
        reason += f"; {', '.join(rivals[:3])} would fit as well"
    return Guess(best, reason, doubtful=bool(rivals) and not hints[best])


def _fit(numbers: Sequence[str], region: str) -> float:
    """How much more often numbers are valid in a region than their digits in any other order.

    Plans differ in what they let pass: nearly any nine digits are a German number, so that being
    valid there says little.
    """
    shuffle = Random(_SEED)
    valid = by_chance = 0
    for number in numbers[:_NUMBERS_SHUFFLED]:
        valid += valid_in(number, region) is not None
        digits = [sign for sign in number if sign.isdecimal()]
        for _ in range(_SHUFFLES):
            shuffle.shuffle(digits)
            by_chance += valid_in("".join(digits), region) is not None
    looked_at = min(len(numbers), _NUMBERS_SHUFFLED)
    return (valid - by_chance / _SHUFFLES) / looked_at


def _hints(sample: Sample, countries: Sequence[str], phones: Sequence[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for path in countries:
        for value, count in sample.values(path).value_counts(sort=True).head(50).rows():
            code = country_of(value)
            if code is not None:
                found[_IMPLIED.get(code, code)] += int(count)
    for value in phones:
        if value.strip().startswith("+") and (code := country_code_of(value)) is not None:
            found[_IMPLIED.get(code, code)] += 1
    return found


def date_order(fields: Sequence[Field], region: str | None) -> Guess | None:
    """The order of day, month and year in the source's dates; None where there are no dates."""
    orders: Counter[str] = Counter()
    for one in fields:
        if one.content.share("date") >= 0.5:
            orders += one.content.dates.orders
    if not orders:
        return None
    day_first, month_first, either = orders["DMY"], orders["MDY"], orders["either"]
    if day_first or month_first:
        order = "DMY" if day_first >= month_first else "MDY"
        most, rest = max(day_first, month_first), min(day_first, month_first)
        against = f", {rest} the other" if rest else ""
        return Guess(order, f"{most} dates can be read this way only{against}", doubtful=rest > 0)
    if either:
        order = "MDY" if region in _MONTH_FIRST else "DMY"
        why = f"as is usual in {region}" if region else "as is usual in most countries"
        return Guess(order, f"no date tells; {why}", doubtful=True)
    if orders["YMD"]:
        return Guess("YMD", "all dates begin with the year")
    return None
