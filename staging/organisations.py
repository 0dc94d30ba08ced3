"""Organisation names: folded, with one spelling per legal form and common word."""

import re
from collections.abc import Mapping

from staging import vocabulary
from staging.text import fold, to_ascii

_TABLES = vocabulary.words("organisations")
_WORDS: Mapping[str, str] = _TABLES["words"]
_PHRASES: Mapping[str, str] = _TABLES["phrases"]
_ANY_PHRASE = re.compile(rf"\b(?:{'|'.join(sorted(_PHRASES, key=len, reverse=True))})\b")
_FORM_STARTS = frozenset(phrase.split()[0] for phrase in _PHRASES)
_DOTTED = re.compile(r"(?<![A-Za-z])(?:[A-Za-z]\.\s?)+[A-Za-z]?(?![A-Za-z])")


def standardise_organisation(value: str | None) -> str | None:
    """The folded name: "&" is "and", "Inc." and "Incorporated" are "inc", "S.A." is "sa".

    A leading "the" goes. Legal forms are unified, not removed: "Acme Ltd" and "Acme GmbH" may be
    two companies, and the comparison decides what a form is worth.
    """
    if not value:
        return None
    text = to_ascii(value)
    if "." in text:
        text = _DOTTED.sub(lambda dotted: re.sub(r"[.\s]", "", dotted.group()) + " ", text)
    folded = fold(text.replace("&", " and ").replace("+", " and "))
    if folded is None:
        return None
    words = folded.split()
    if not _FORM_STARTS.isdisjoint(words):
        folded = _ANY_PHRASE.sub(lambda phrase: _PHRASES[phrase.group()], folded)
        words = folded.split()
    if len(words) > 1 and words[0] == "the":
        words = words[1:]
    return " ".join(_WORDS.get(word, word) for word in words)
