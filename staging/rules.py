"""By which rules a source is staged, as one digest: when it changes, the source is staged anew."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

import orjson

from mdm.config import Config, Source


def rules_digest(config: Config, source: Source) -> str:
    """SHA-256 over all that decides how a raw row of `source` is standardised.

    That is its mapping, region and date order, the types of its further attributes, the
    placeholders, and our own code and word lists: a person who upgrades need not know that a
    standardiser changed.
    """
    rules = {
        "source": source.model_dump(include={"table", "fields", "phone_region", "date_order"}),
        "attributes": {
            name: attribute.type
            for name, attribute in config.attributes.items()
            if name in source.fields
        },
        "placeholders": config.staging.placeholders.model_dump(),
        "code": _code_digest(),
    }
    return hashlib.sha256(orjson.dumps(rules, option=orjson.OPT_SORT_KEYS)).hexdigest()


@cache
def _code_digest() -> str:
    """SHA-256 over the modules and word lists of this package, but for the phases' own."""
    package = resources.files("staging")
    files = [*package.iterdir(), *package.joinpath("data").iterdir()]
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.name):
        if file.is_file() and not file.name.startswith("run_") and not file.name.endswith(".sql"):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
