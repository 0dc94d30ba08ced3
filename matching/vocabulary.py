"""The word lists of ``data/words.toml``."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from importlib import resources


@functools.cache
def _document() -> dict[str, dict[str, str]]:
    path = resources.files("matching").joinpath("data/words.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def words(section: str, key: str) -> frozenset[str]:
    """The words of a list."""
    return frozenset(_document()[section][key].split())


def spellings(section: str) -> Mapping[str, str]:
    """The one form of each word that has several."""
    return dict(pair.split(":") for pair in _document()[section]["spellings"].split())
