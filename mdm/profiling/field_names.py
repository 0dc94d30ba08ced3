"""What a field is called, compared with the words by which such fields are called elsewhere."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from anyascii import anyascii

_EDGES = re.compile(
    r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=\d)|[^A-Za-z0-9]+"
)


@dataclass(frozen=True)
class Known:
    """The data file, read once: role or attribute -> its words, with the place of each."""

    attributes: dict[str, dict[str, int]]
    roles: dict[str, dict[str, int]]
    neutral: frozenset[str]
    regions: dict[str, str]


def words_of(path: str) -> tuple[str, ...]:
    """The words of a dotted path: ``shipTo.postal_code`` is ship, to, postal, code."""
    return tuple(word.lower() for word in _EDGES.split(anyascii(path)) if word)


def attribute_scores(path: str) -> dict[str, float]:
    """How surely a field means each attribute by its name: 1 for a known name.

    Words besides the known name make it less; attributes it does not suggest are left out.
    """
    return {
        attribute: score - _place(path, names)
        for attribute, names in known().attributes.items()
        if (score := _score(path, names)) > 0
    }


def role_score(role: str, path: str) -> float:
    """How surely a field has a role; of two exact names the one that stands first in the file."""
    names = known().roles[role]
    score = _score(path, names)
    return score - _place(path, names) if score else 0.0


def regions_named(path: str) -> list[str]:
    """The countries that words of a field's name are at home in: ``zip`` in the US."""
    return [known().regions[word] for word in words_of(path) if word in known().regions]


def _score(path: str, names: dict[str, int]) -> float:
    """The best of the known names in the path; other words of the last part make it less sure.

    ``contact.email`` and ``customer_email`` are e-mail addresses, ``passport_country`` is hardly
    the country of an address.
    """
    words = words_of(path)
    last = words_of(path.rpartition(".")[2]) or words
    best = 0.0
    for size in range(min(3, len(words)), 0, -1):
        for start in range(len(words) - size + 1):
            if " ".join(words[start : start + size]) not in names:
                continue
            at_end = start + size == len(words)
            # words of the outer objects (customer.contact.…) count less than those of the field
            outer = words[: len(words) - len(last)]
            own_rest = [
                word
                for place, word in enumerate(words)
                if not start <= place < start + size and place >= len(outer)
            ]
            strange = [word for word in own_rest if word not in known().neutral]
            strange_outer = [
                word
                for place, word in enumerate(outer)
                if not start <= place < start + size and word not in known().neutral
            ]
            score = 1.0 - 0.02 * len(own_rest) - 0.35 * len(strange) - 0.03 * len(strange_outer)
            best = max(best, score if at_end else score - 0.15)
    return max(0.0, best)


def _place(path: str, names: dict[str, int]) -> float:
    """A little for each name in the file that stands before the one the path ends with."""
    whole = " ".join(words_of(path))
    return min((place for name, place in names.items() if whole.endswith(name)), default=0) / 10_000


@cache
def known() -> Known:
    """The names by which fields are known, from the data file."""
    text = resources.files("mdm.profiling").joinpath("data/field_names.toml").read_text("utf-8")
    document: dict[str, Any] = tomllib.loads(text)
    return Known(
        attributes={key: _places(names) for key, names in document["attributes"].items()},
        roles={key: _places(names) for key, names in document["roles"].items()},
        neutral=frozenset(document["neutral"]["words"]),
        regions=document["regions"],
    )


def _places(names: list[str]) -> dict[str, int]:
    return {name: place for place, name in enumerate(names)}
