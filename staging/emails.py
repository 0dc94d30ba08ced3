"""E-mail addresses: one lower-case address out of what people and exports write."""

import re
import unicodedata

from staging.outcome import EMPTY, Standard

_MAX_LENGTH = 254  # RFC 5321, 4.5.3.1.3: path of 256 with its angle brackets
_PLAIN = re.compile(
    r"(?=[^@]{1,64}@)[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:[a-z0-9][a-z0-9-]*\.)+[a-z]{2,24}"
)
_LOCAL = re.compile(r"[^\s@<>()\[\],;:\\\"]{1,64}")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_TOP_LEVEL = re.compile(r"[a-z]{2,24}|xn--[a-z0-9-]{2,59}")
_ANGLED = re.compile(r"<([^<>]*@[^<>]*)>")
_SEPARATOR = re.compile(r"[;,|]|\s+(?=\S+@)")
_AROUND_MARKS = re.compile(r"\s*([@.])\s*")


def standardise_email(value: str | None) -> Standard:
    """The address in lower case, domain in ASCII, or None with `invalid_email`.

    Of several addresses the first valid one counts. "mailto:", display names, angle brackets and
    trailing punctuation go. The shape is checked, not whether the mailbox exists: a typo in a
    domain is still evidence for a match. Dots and "+tags" stay; what they mean differs by provider.
    """
    if not value:
        return EMPTY
    text = value.strip().lower()
    if len(text) <= _MAX_LENGTH and _PLAIN.fullmatch(text):
        return Standard(text)
    if not text:
        return EMPTY
    text = unicodedata.normalize("NFKC", text)
    angled = _ANGLED.search(text)
    candidates = [angled.group(1)] if angled else _SEPARATOR.split(_AROUND_MARKS.sub(r"\1", text))
    for candidate in candidates:
        address = _valid_address(candidate)
        if address is not None:
            return Standard(address)
    return Standard(None, "invalid_email")


def _valid_address(text: str) -> str | None:
    """`text` without its wrapping as a valid address, or None."""
    text = text.strip().removeprefix("mailto:").split("?subject=")[0]
    text = text.lstrip(" \t<\"':").rstrip(" \t>\"'.:")
    local, at, domain = text.rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or local.startswith(".") or local.endswith("."):
        return None
    try:
        domain = domain if domain.isascii() else domain.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    labels = domain.split(".")
    if len(labels) < 2 or not _TOP_LEVEL.fullmatch(labels[-1]):
        return None
    if not all(_LABEL.fullmatch(label) for label in labels):
        return None
    address = f"{local}@{domain}"
    return address if len(address) <= _MAX_LENGTH else None
