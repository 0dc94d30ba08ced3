"""Which lake objects are to be read, and which of them are one delivery."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import orjson

from mdm.config import Config, Source
from mdm.lake import LakeObject

# `mdm load` writes a large file as several objects that differ in number and digest alone.
_PART = re.compile(r"_\d{4}_[0-9a-f]{12}\.jsonl$")


class Known(NamedTuple):
    """What the ledger says of a key: its content, whether it is to be read again or never."""

    etag: str
    is_due: bool
    is_retracted: bool


def due(
    listed: Iterable[LakeObject], known: Mapping[str, Known], *, whole: bool
) -> list[list[LakeObject]]:
    """The deliveries to read, by their keys: those with an object that is new, changed or due.

    With ``whole`` the objects of one load are one delivery and read together, because a contract
    speaks of all of it; else each object is its own. What was retracted stays so until it changes.
    """
    deliveries: dict[str, list[LakeObject]] = {}
    for one in listed:
        if one.key.endswith((".jsonl", ".jsonl.gz")):
            deliveries.setdefault(_PART.sub("", one.key) if whole else one.key, []).append(one)

    def is_new(one: LakeObject) -> bool:
        found = known.get(one.key)
        return found is None or found.etag != one.etag or found.is_due

    def counts(one: LakeObject) -> bool:
        return is_new(one) or not known[one.key].is_retracted

    return [
        [one for one in delivery if counts(one)]
        for delivery in deliveries.values()
        if any(map(is_new, delivery))
    ]


def rules_digest(config: Config, source: Source) -> str:
    """SHA-256 over all that decides whether a line is a record and an object is refused."""
    rules = {
        "source": source.model_dump(
            mode="json", include={"record_id", "event_time", "date_order", "contract"}
        ),
        "ingestion": config.ingestion.model_dump(include={"max_bad_share", "max_line_bytes"}),
    }
    return hashlib.sha256(orjson.dumps(rules, option=orjson.OPT_SORT_KEYS)).hexdigest()
