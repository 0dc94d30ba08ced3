"""Folding text to a form that compares equal, and cleaning it without changing its spelling.

Order of the steps of `fold`, each one needed by the next:

1. compatibility normalisation (NFKC): full-width letters, ligatures, composed accents;
2. symbols, private and unassigned characters go, so that "Acme®" does not end in an "r";
3. transliteration to ASCII (anyascii), any script;
4. lower case;
5. apostrophes, and a "?" or U+FFFD that stands for one lost letter inside a word, join their
   neighbours: "O'Brien" and "OBrien", "Children?s" and "Childrens" are one spelling each;
6. every other character that is not a letter or digit becomes a space;
7. white space is collapsed. Nothing left means None, never an empty text.
"""

import re
import unicodedata

from anyascii import anyascii

_LOST_LETTER = re.compile("(?<=[^\\W\\d_])[?\ufffd](?=[^\\W\\d_])")
_JOINING = str.maketrans("", "", "'`")
_WORD = re.compile(r"[a-z0-9]+")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2060\ufeff]")


def fold(value: str | None) -> str | None:
    """The comparison form of `value`: lower-case ASCII words, one space apart, or None."""
    if not value:
        return None
    text = to_ascii(value)
    if "?" in text:
        text = _LOST_LETTER.sub("", text)
    if "'" in text or "`" in text:
        text = text.translate(_JOINING)
    return " ".join(_WORD.findall(text.lower())) or None


def to_ascii(value: str) -> str:
    """`value` in ASCII with case and punctuation kept; ASCII input comes back as it is."""
    if value.isascii():
        return value
    text = unicodedata.normalize("NFKC", _LOST_LETTER.sub("", value))
    return str(anyascii("".join(map(_kept, text))))


def clean(value: str | None) -> str | None:
    """`value` in its own spelling (NFC), trimmed, runs of white space made one space, or None.

    Control and invisible formatting characters go too: PostgreSQL refuses the first kind in part
    and a reader cannot see the second.
    """
    if not value:
        return None
    text = value if value.isascii() else unicodedata.normalize("NFC", value)
    return " ".join(_CONTROL.sub("", text).split()) or None


def _kept(char: str) -> str:
    """`char`, a space for a symbol, or nothing for an invisible formatting character."""
    if char.isascii():
        return char
    category = unicodedata.category(char)
    if category == "Cf":
        return ""
    return " " if category in {"So", "Cc", "Cn", "Co", "Cs"} else char
