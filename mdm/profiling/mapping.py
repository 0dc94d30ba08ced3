"""Which field is probably which attribute: by its name, checked against its values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mdm.attributes import ATTRIBUTES
from mdm.profiling.content import Content
from mdm.profiling.field_names import attribute_scores, role_score, words_of
from mdm.profiling.figures import Field

_SURE = 0.75
_LIKELY = 0.5
_EMPTY = 0.0
#: Attributes that hold a list of fields well: of several the first filled one counts.
_MAY_BE_SEVERAL = ("full_name", "email", "phone", "street")
#: "name" with any other word before it is the name of anything: of a program, of a file.
_NEEDS_ITS_OWN_NAME = ("full_name", "organisation")
_NAMES = ("full_name", "given_name", "family_name", "organisation")
_NO_EVIDENCE = frozenset({"type", "status", "source", "system", "role"})
_NAME_SHAPES = ("Aa Aa", "Aa, Aa", "Aa Aa Aa", "Aa A. Aa", "A Aa", "Aa Aa-Aa", "Aa A Aa")
_BIRTH = frozenset({"birth", "born", "dob", "birthday", "geburt", "naissance", "nacimiento"})
_DATE_PARTS = {
    "year": ("year", "yyyy", "jahr", "annee", "ano", "anno"),
    "month": ("month", "mm", "monat", "mois", "mes", "mese"),
    "day": ("day", "dd", "tag", "jour", "dia", "giorno"),
}
_OLDEST_YEAR, _YOUNGEST_YEAR = 1000, 2015

_LOOKS_RIGHT: dict[str, Callable[[Content], float]] = {
    "email": lambda content: content.share("email"),
    "phone": lambda content: content.share("phone"),
    "date_of_birth": lambda content: content.share("date"),
    "gender": lambda content: content.share("gender"),
    "country": lambda content: max(content.share("country"), content.share("words")),
    "postcode": lambda content: content.share("postcode"),
    "full_name": lambda content: content.share("words"),
    "given_name": lambda content: content.share("words"),
    "middle_name": lambda content: content.share("words"),
    "family_name": lambda content: content.share("words"),
    "city": lambda content: content.share("words"),
}
_WORDS_FOR = {
    "email": "e-mail addresses", "phone": "phone numbers", "date_of_birth": "dates",
    "gender": "genders", "country": "countries", "postcode": "postcodes",
}  # fmt: skip


@dataclass(frozen=True)
class Chosen:
    """An attribute's field or template, why, and what speaks against it."""

    attribute: str
    fields: tuple[str, ...]
    reason: str
    doubt: str = ""


@dataclass
class Mapping:
    """What the fields of a source probably mean; ``further`` ones are worth a look as evidence."""

    chosen: list[Chosen] = field(default_factory=list)
    further: list[tuple[str, str]] = field(default_factory=list)
    unused: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Candidate:
    score: float
    attribute: str
    field: Field
    reason: str
    doubt: str


def mapping_of(fields: Sequence[Field], *, taken: frozenset[str] = frozenset()) -> Mapping:
    """The likely meaning of ``fields``; those ``taken`` as id or time are no attributes."""
    free = [one for one in fields if one.path not in taken]
    candidates = sorted(
        (found for one in free for found in _candidates(one)),
        key=lambda found: (-found.score, ATTRIBUTES.index(found.attribute)),
    )
    best: dict[str, list[_Candidate]] = {}
    used: set[str] = set()
    for found in candidates:
        rivals = best.setdefault(found.attribute, [])
        if found.field.path in used or found.score < _LIKELY:
            continue
        if rivals and not (found.attribute in _MAY_BE_SEVERAL and found.score >= _SURE):
            continue
        rivals.append(found)
        used.add(found.field.path)
    if not any(best.get(name) for name in _NAMES):
        best["full_name"] = _names_by_content(free, used)
    house_number = _house_number(free, used)
    mapping = Mapping()
    for attribute in ATTRIBUTES:
        if best.get(attribute):
            mapping.chosen.append(_chosen(attribute, best[attribute], house_number))
        elif attribute == "date_of_birth" and (parts := _birth_parts(free, used)):
            used.update(parts)
            template = "-".join(f"{{{path}}}" for path in parts)
            mapping.chosen.append(Chosen(attribute, (template,), "year, month and day by name"))
    if house_number is not None and any(one.attribute == "street" for one in mapping.chosen):
        used.add(house_number.path)
    for one in free:
        if one.path not in used:
            _place_further(mapping, one)
    return mapping


def _candidates(one: Field) -> list[_Candidate]:
    if not one.filled:
        return []
    found = []
    for attribute, by_name in attribute_scores(one.path).items():
        looks = _LOOKS_RIGHT.get(attribute)
        share = looks(one.content) if looks else 1.0
        doubt = ""
        score = by_name
        if looks and share < 0.5:
            # a name of its own weight against values that say otherwise
            score -= 0.3
            doubt = f"only {share:.0%} of its values look like {_WORDS_FOR.get(attribute, 'names')}"
        elif by_name < _SURE and attribute in _WORDS_FOR and share >= 0.9:
            score += 0.15
        if attribute == "date_of_birth" and not _birth_years(one.content):
            score -= 0.2
            doubt = doubt or f"its median year is {one.content.dates.median_year}"
        if attribute == "full_name" and one.content.share("organisation") > 0.5:
            attribute, doubt = "organisation", ""
        if attribute in _NEEDS_ITS_OWN_NAME and by_name < _SURE:
            continue
        if by_name < _SURE and not doubt:
            doubt = "its name says more than that"
        found.append(_Candidate(score, attribute, one, "by its name", doubt))
    if not found or max(candidate.score for candidate in found) < _LIKELY:
        found += _by_content(one)
    return found


def _by_content(one: Field) -> list[_Candidate]:
    """What the values alone say, where the name says nothing."""
    content, score = one.content, 0.6
    for attribute, holds in (
        ("email", content.share("email") >= 0.8),
        ("date_of_birth", content.share("date") >= 0.9 and _clearly_births(content)),
        ("phone", content.share("phone") >= 0.9 and content.share("integer") < 0.5
         and content.share("date") < 0.1),
        ("gender", content.share("gender") >= 0.99 and 2 <= one.distinct <= 6
         and content.share("boolean") < 0.99),
        ("postcode", content.share("lettered postcode") >= 0.8),
    ):  # fmt: skip
        if holds:
            return [_Candidate(score, attribute, one, "by its values", "its name does not say so")]
    return []


def _birth_years(content: Content) -> bool:
    year = content.dates.median_year
    return year is None or _OLDEST_YEAR <= year <= _YOUNGEST_YEAR


def _clearly_births(content: Content) -> bool:
    year = content.dates.median_year
    return year is not None and 1900 <= year <= 2005 and not content.dates.timed


def _chosen(attribute: str, found: list[_Candidate], house_number: Field | None) -> Chosen:
    paths = [candidate.field.path for candidate in found]
    reason, doubt = found[0].reason, found[0].doubt
    if attribute == "street" and house_number is not None:
        paths[0] = f"{{{house_number.path}}} {{{paths[0]}}}"
        reason = "house number and street by their names"
    elif len(paths) > 1:
        reason = "of these the first filled one counts"
    if found[0].field.fill < 0.05:
        doubt = doubt or f"only {found[0].field.fill:.1%} filled"
    return Chosen(attribute, tuple(paths), reason, doubt)


def _house_number(free: Sequence[Field], used: set[str]) -> Field | None:
    numbered = [
        (role_score("house_number", one.path), one)
        for one in free
        if one.path not in used and one.filled
    ]
    score, one = max(numbered, key=lambda pair: pair[0], default=(0.0, None))
    return one if score >= _SURE else None


def _birth_parts(free: Sequence[Field], used: set[str]) -> list[str]:
    """The fields of year, month and day of birth; empty where not all three are there."""
    found: dict[str, str] = {}
    for one in free:
        words = words_of(one.path)
        if one.path not in used and one.filled and set(words) & _BIRTH:
            for part, names in _DATE_PARTS.items():
                if words[-1] in names:
                    found.setdefault(part, one.path)
    return [found[part] for part in _DATE_PARTS] if len(found) == len(_DATE_PARTS) else []


def _names_by_content(free: Sequence[Field], used: set[str]) -> list[_Candidate]:
    """The field whose values look most like names of people, where no field is called so."""
    found = []
    for one in free:
        named = sum(n for shape, n in one.shapes if shape in _NAME_SHAPES)
        if one.path not in used and one.filled and named >= 0.6 * one.filled:
            doubt = "its values look like names, its name does not say so"
            found.append(_Candidate(named / one.filled, "full_name", one, "by its values", doubt))
    best = max(found, key=lambda candidate: candidate.score, default=None)
    if best is None:
        return []
    used.add(best.field.path)
    return [best]


def _place_further(mapping: Mapping, one: Field) -> None:
    """A field without attribute: evidence of its own where its values could tell people apart."""
    if not one.filled:
        mapping.unused.append((one.path, "empty"))
        return
    kind = _further_kind(one)
    if kind is None:
        mapping.unused.append((one.path, f"{one.fill:.0%} filled, {one.distinct:,} distinct"))
    else:
        mapping.further.append((one.path, kind))


def _further_kind(one: Field) -> str | None:
    if one.fill < 0.05 or one.distinct < 3 or one.content.share("boolean") >= 0.9:
        return None
    words = set(words_of(one.path))
    if words & _NO_EVIDENCE:
        return None
    if words & {"number", "no", "nr", "id", "passport", "licence", "license", "code"}:
        return "identifier" if one.distinct > one.filled / 2 else None
    if one.content.share("date") >= 0.9:
        return None
    if one.distinct <= one.filled / 2 and one.content.share("words") >= 0.8:
        return "category"
    return None
