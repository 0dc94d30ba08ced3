"""Person names: titles and suffixes off, parts found, all folded.

The parts a source maps win; a full name fills what they leave open. Steps for a full name:

1. notes in brackets and nicknames in quotes go: "Alice Johnson (Support)", 'Robert "Bob" Smith';
2. "Family, Given" is turned round; after a comma may also stand a suffix, a degree or a peerage;
3. a single joined word is cut at its capitals: "AliceJohnson", but not "McDonald";
   Han and Hangul names without spaces have the family name first: "张秀英";
4. titles in front and degrees behind go, a generation ("Jr", "III") becomes the suffix;
5. the last word and the particles before it ("van der", "de la", "bin", "al") are the family name,
   the first word is the given name, the rest the middle name.

Hyphens separate, apostrophes join: "Anne-Marie O'Brien" is "anne marie obrien". A hyphenated word
stays in one part. Degrees are dropped: they come and go in a life and tell nobody apart.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from staging import vocabulary
from staging.text import fold, to_ascii


class PersonName(NamedTuple):
    """A name in folded parts; `name` is the full name in the order given, middle, family."""

    name: str | None = None
    given_name: str | None = None
    middle_name: str | None = None
    family_name: str | None = None
    name_suffix: str | None = None


TITLES = vocabulary.word_set("names", "titles")
DEGREES = vocabulary.word_set("names", "degrees")
PARTICLES = vocabulary.word_set("names", "particles")
GENERATIONS: Mapping[str, str] = vocabulary.words("names")["generations"]
_PEERAGE = vocabulary.word_set("names", "peerage")
_JOINED_PREFIXES = vocabulary.word_set("names", "joined_prefixes")
MARKED = TITLES | GENERATIONS.keys() | DEGREES

_BRACKETED = re.compile(r"[(\[{<][^()\[\]{}<>]*[)\]}>]")
_QUOTED = re.compile(r"(?<!\S)[\"“”«»'‘][^\"“”«»]{1,30}?[\"“”«»'’](?!\S)")
_CAPITAL_SEAM = re.compile(r"(?<=[a-z])(?=[A-Z])")
_COMMA = re.compile(r"\s*,\s*")
_SPLIT = re.compile(r"\s+")
_INITIALS = re.compile(r"[a-z](?: [a-z])+")
_PLAIN = re.compile(r"[A-Za-z]+ [A-Za-z]+(?: [A-Za-z]+)?")
_HAN_OR_HANGUL = re.compile("[\u3400-\u9fff\uac00-\ud7af]{2,4}")


def standardise_name(
    full_name: str | None = None,
    given_name: str | None = None,
    middle_name: str | None = None,
    family_name: str | None = None,
) -> PersonName:
    """The folded parts of a person's name; all None when there is nothing that reads as a name."""
    if not (given_name or middle_name or family_name):
        return _read_full(full_name) if full_name else PersonName()
    given, suffix_of_given = _read_part(given_name, is_first=True)
    middle, _ = _read_part(middle_name, is_first=False)
    family, suffix_of_family = _read_part(family_name, is_first=False)
    suffix = suffix_of_family or suffix_of_given
    if full_name:
        whole = _read_full(full_name)
        parts = PersonName(None, _joined(given), _joined(middle), _joined(family), suffix)
        return _completed(parts, whole)
    if len(given) > 1 and not middle:
        given, middle = given[:1], given[1:]
    name = _joined((*given, *middle, *family))
    return PersonName(name, _joined(given), _joined(middle), _joined(family), suffix)


def _completed(parts: PersonName, whole: PersonName) -> PersonName:
    """The mapped `parts`, with what only the full name says."""
    given = parts.given_name or (whole.given_name if not parts.family_name else None)
    family = parts.family_name or (whole.family_name if not parts.given_name else None)
    middle = parts.middle_name
    words = (whole.name or "").split()
    if given and family and whole.name and not middle:
        first, last = given.split(), family.split()
        if words[: len(first)] == first and words[-len(last) :] == last:
            between = words[len(first) : len(words) - len(last)]
            while between and between[-1] in PARTICLES:
                between.pop()
            middle = _joined(tuple(between))
    if parts.given_name and not family and words[:1] == parts.given_name.split()[:1]:
        family = whole.family_name
        middle = middle or whole.middle_name
    if parts.family_name and not given and words[-1:] == parts.family_name.split()[-1:]:
        given = whole.given_name
        middle = middle or whole.middle_name
    own = _joined(tuple(" ".join(filter(None, (given, middle, family))).split()))
    name = whole.name if whole.name and len(whole.name) > len(own or "") else own
    return PersonName(name, given, middle, family, parts.name_suffix or whole.name_suffix)


@lru_cache(maxsize=1 << 16)
def _read_part(value: str | None, *, is_first: bool) -> tuple[tuple[str, ...], str | None]:
    """The folded words of one mapped part without title and degree, and its generation."""
    if not value:
        return (), None
    words = _words(_without_notes(value).replace(",", " "))
    if is_first:
        words = _without_titles(words)
    words, suffix = _without_suffixes(words)
    return _flat(words), suffix


def _read_full(value: str) -> PersonName:
    """The parts of a full name."""
    if _PLAIN.fullmatch(value):
        first, *between, last = value.lower().split(" ")
        if MARKED.isdisjoint((first, *between, last)) and PARTICLES.isdisjoint(between):
            middle = between[0] if between else None
            return PersonName(" ".join((first, *between, last)), first, middle, last)
    text = unicodedata.normalize("NFKC", value).strip()
    if _HAN_OR_HANGUL.fullmatch(text):
        return _read_family_first(text)
    suffix = None
    parts = [part for part in _COMMA.split(_without_notes(text)) if part]
    text, suffix = _turned_round(parts) if len(parts) > 1 else ("".join(parts), None)
    if not _SPLIT.search(text):
        text = _cut_at_capitals(to_ascii(text))
    words = _words(text)
    is_titled = words[:1] != (words := _without_titles(words))[:1]
    words, own_suffix = _without_suffixes(words)
    suffix = own_suffix or suffix
    name = _joined(_flat(words))
    if len(words) <= 1:
        if not words or words[0] in TITLES:
            return PersonName()
        # "Mr Smith" is a family name, "Alice" a given one.
        if is_titled:
            return PersonName(name, family_name=name, name_suffix=suffix)
        return PersonName(name, given_name=name, name_suffix=suffix)
    start = len(words) - 1
    while start > 1 and words[start - 1] in PARTICLES:
        start -= 1
    middle, family = _joined(_flat(words[1:start])), _joined(_flat(words[start:]))
    return PersonName(name, words[0], middle, family, suffix)


def _turned_round(parts: list[str]) -> tuple[str, str | None]:
    """A name of comma-separated `parts` in its spoken order, and the generation among them."""
    suffix = None
    kept = [parts[0]]
    for part in parts[1:]:
        words = _words(part)
        rest, generation = _without_suffixes(words)
        if len(rest) == 1 and (rest[0] in GENERATIONS or rest[0] in DEGREES):
            suffix = suffix or generation or GENERATIONS.get(rest[0])
        elif rest and not _is_peerage(rest):
            suffix = suffix or generation
            kept.append(" ".join(word.replace(" ", "-") for word in rest))
    if len(kept) == 1:
        return kept[0], suffix
    family = _SPLIT.split(kept[0])
    while len(family) > 1 and _fold_word(family[0]) in TITLES:  # "Dr. Smith, John"
        family = family[1:]
    return " ".join((*kept[1:], *family)), suffix


def _is_peerage(words: tuple[str, ...]) -> bool:
    """True for "2nd duke", "countess of dudley": a rank, not a given name."""
    return len(words) > 1 and not _PEERAGE.isdisjoint(words[:2])


def _read_family_first(text: str) -> PersonName:
    """A Han or Hangul name written without spaces: one character of family name, then the given."""
    family, *given = (fold(char) or "" for char in text)
    return PersonName(
        " ".join((*given, family)).strip() or None, given[0], _joined(tuple(given[1:])), family
    )


def _cut_at_capitals(word: str) -> str:
    """ "AliceJohnson" as two words; prefixes such as "Mc" stay with what follows."""
    pieces: list[str] = []
    for piece in _CAPITAL_SEAM.split(word):
        if pieces and pieces[-1].lower() in _JOINED_PREFIXES:
            pieces[-1] += piece
        else:
            pieces.append(piece)
    return " ".join(pieces)


def _without_notes(value: str) -> str:
    """`value` without bracketed notes and quoted nicknames, unless that is all there is."""
    if value.isalpha():
        return value
    text = _QUOTED.sub(" ", _BRACKETED.sub(" ", value))
    return text if any(map(str.isalpha, text)) else value.strip("()[]{}<>\"' ")


def _words(text: str) -> tuple[str, ...]:
    """The folded words of `text`; a hyphenated one is one element with spaces inside.

    Initials written together ("J.R.R.") are words of their own; numbers are none.
    """
    words: list[str] = []
    for written in _SPLIT.split(text):
        word = _fold_word(written)
        if word and not word.isdigit():
            words.extend(word.split() if _INITIALS.fullmatch(word) else (word,))
    return tuple(words)


@lru_cache(maxsize=1 << 16)
def _fold_word(word: str) -> str | None:
    """One folded word; dots inside capitals are dropped so that "Ph.D." is "phd"."""
    folded = fold(word)
    if folded and "." in word and (joined := folded.replace(" ", "")) in MARKED:
        return joined
    return folded


def _without_titles(words: tuple[str, ...]) -> tuple[str, ...]:
    """`words` without leading titles; at least one word is kept."""
    while len(words) > 1 and words[0] in TITLES:
        words = words[1:]
    return words


def _without_suffixes(words: tuple[str, ...]) -> tuple[tuple[str, ...], str | None]:
    """`words` without trailing generation and degrees (one word is kept), and the generation."""
    suffix = None
    while len(words) > 1 and (words[-1] in GENERATIONS or words[-1] in DEGREES):
        suffix = suffix or GENERATIONS.get(words[-1])
        words = words[:-1]
    return words, suffix


def _flat(words: tuple[str, ...]) -> tuple[str, ...]:
    """`words` with the inner spaces of hyphenated ones made boundaries."""
    return tuple(piece for word in words for piece in word.split(" "))


def _joined(words: tuple[str, ...]) -> str | None:
    return " ".join(words) or None
