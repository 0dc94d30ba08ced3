"""The word lists in `staging/data`, read once.

They are data, so that a person who misses a title or a street word adds a line to a
text file and the tests say whether anything else moved.
"""

import csv
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any


@cache
def words(name: str) -> Mapping[str, Any]:
    """The tables and lists of `staging/data/<name>.toml`."""
    return tomllib.loads(_read(f"{name}.toml"))


@cache
def word_set(name: str, key: str) -> frozenset[str]:
    """The list `key` of `staging/data/<name>.toml` as a set."""
    return frozenset(words(name)[key])


@cache
def regions() -> Mapping[str, str]:
    """Folded code by folded name or code of the states and provinces of US, CA and AU."""
    found = {}
    for row in csv.DictReader(_read("regions.csv").splitlines()):
        for name in (row["code"], *row["names"].split("|")):
            found[name] = row["code"]
    return found


@cache
def region_codes(country: str) -> frozenset[str]:
    """The folded region codes of `country` (US, CA or AU; empty for others)."""
    rows = csv.DictReader(_read("regions.csv").splitlines())
    return frozenset(row["code"] for row in rows if row["country"] == country)


def _read(file: str) -> str:
    return resources.files("staging").joinpath("data", file).read_text(encoding="utf-8")
