"""Holding a delivery against the contract of its source: line by line, then as a whole.

A line that breaks a rule goes to quarantine under the rule's name. What only the whole can break
(volume, freshness, a required field that nobody fills, fields that nobody knows, too many bad
lines) refuses the delivery. Pandera judges the lines, a batch at a time.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from ingestion.contract_schema import LineRules
from ingestion.fields import Document, Watch, column
from ingestion.lines import Rejection
from ingestion.seen_keys import SeenKeys
from mdm.config import Source
from mdm.contracts import REASON, Contract

_TEMPLATE_PART = re.compile(r"\{([^{}]+)\}")


class Judge:
    """What one delivery of a source, of one or more objects, has shown so far."""

    def __init__(self, source: Source, contract: Contract) -> None:
        self._contract = contract
        self._event_time = source.event_time
        self._known = tuple(_known_paths(source, contract))
        self._lines = LineRules(contract, order=source.date_order or "DMY")
        self._says = {rule.name: rule.says for rule in contract.rules()}
        self._seen = {key: SeenKeys() for key in contract.keys}
        self._broken: Counter[str] = Counter()
        self._records = 0
        self._paths: set[str] = set()
        self._watch = Watch()

    def judge(self, documents: Sequence[Document]) -> dict[int, Rejection]:
        """Per number of a document why it is no record of this source; the others keep all rules.

        Delete markers promise nothing but their id.
        """
        places = [
            place
            for place, document in enumerate(documents)
            if document.get("_deleted") is not True
        ]
        if not places:
            return {}
        records = [documents[place] for place in places]
        self._records += len(records)
        self._watch.look(records)
        broken = self._lines.broken(records)
        for key, seen in self._seen.items():
            kept = [number for number in range(len(records)) if number not in broken]
            name = f"{'+'.join(key)}.unique"
            broken |= {kept[n]: [name] for n in _repeated([records[n] for n in kept], key, seen)}
        for names in broken.values():
            self._broken.update(names)
        return {places[number]: self._rejection(names) for number, names in sorted(broken.items())}

    def faults(self, *, lines: int, newest: datetime | None, at: datetime) -> Iterator[str]:
        """What is wrong with the delivery as a whole: it has ``lines``, good and bad.

        ``newest`` is the latest event time its records tell and ``at`` the time of its objects, so
        that a delivery is judged alike whenever it is read.
        """
        contract = self._contract
        unknown = sorted(path for path in self._paths if not self._is_known(path))
        if contract.extra_fields == "refuse" and unknown:
            yield f"{_listed(unknown)}: in neither the contract nor the fields of the source"
        for path, rules in contract.by_field.items():
            if rules.required and 0 < self._records == self._broken[f"{path}.required"]:
                yield f"{path} is required and filled in none of {self._records:,} records"
        if (volume := contract.volume) is not None and (
            lines < (volume.min or 0) or (volume.max is not None and lines > volume.max)
        ):
            yield f"{lines:,} lines, where volume promises {volume}"
        yield from self._staleness(newest, at)

    def _staleness(self, newest: datetime | None, at: datetime) -> Iterator[str]:
        hours = self._contract.freshness_hours
        if hours is None or self._event_time is None or not self._records:
            return
        promised = f"where freshness_hours promises {hours:g}"
        if newest is None:
            yield f"none of its records tells a time in {self._event_time}, {promised}"
        elif (late := at - newest) > timedelta(hours=hours):
            yield (
                f"its newest record is of {newest:%F %R} UTC, {_hours(late)} hours before its "
                f"delivery, {promised}"
            )

    def end_object(self) -> Watch:
        """The fields of the object that ends here; the next one of the delivery begins."""
        ended, self._watch = self._watch, Watch()
        self._paths |= set(ended.filled)
        return ended

    def _rejection(self, names: list[str]) -> Rejection:
        detail = self._says[names[0]]
        if len(names) > 1:
            detail += f"; also broken: {', '.join(names[1:])}"
        return Rejection(f"{REASON}{names[0]}", detail)

    def _is_known(self, path: str) -> bool:
        return any(
            path == known or known.startswith(f"{path}.") or path.startswith(f"{known}.")
            for known in self._known
        )


def _repeated(records: Sequence[Document], key: Sequence[str], seen: SeenKeys) -> list[int]:
    """The numbers of the records whose key was met before; one that lacks a part repeats none."""
    if not records:
        return []
    values = pl.DataFrame([column(records, path) for path in key])
    is_whole = values.select(pl.all_horizontal(pl.all().is_not_null())).to_series()
    whole = is_whole.arg_true().to_numpy()
    is_new = seen.are_new(values.filter(is_whole).hash_rows().to_numpy())
    return [int(number) for number in whole[np.logical_not(is_new)]]


def _known_paths(source: Source, contract: Contract) -> Iterator[str]:
    """Every path that the configuration of a source names."""
    yield "_deleted"
    yield source.record_id
    if source.event_time is not None:
        yield source.event_time
    for spec in source.fields.values():
        for written in (spec,) if isinstance(spec, str) else spec:
            yield from _TEMPLATE_PART.findall(written) or [written]
    yield from contract.by_field
    for key in contract.keys:
        yield from key


def _listed(paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:5])
    return f"{shown} and {len(paths) - 5:,} more" if len(paths) > 5 else shown


def _hours(time: timedelta) -> str:
    return f"{time.total_seconds() / 3600:,.0f}"
