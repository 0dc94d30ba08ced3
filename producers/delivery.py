"""A day of one system as lake objects, with what real deliveries have: repeats, late files, broken
lines.

Object names follow from (population, day, place in the day), so a second delivery of the same day
is the same objects with the same bytes.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import orjson
from numpy.typing import NDArray

from producers import noise
from producers.systems import System
from producers.timeline import FIRST, SECONDS_PER_DAY, Events, Timeline

MAX_LINES = 20_000
GZIP_EVERY = 5
MALFORMED_SHARE = 0.003
MALFORMED_CAP = 0.04
"""Never more of one object: a source whose objects are rejected whole would be another story."""
REPEATED_SHARE = 0.004
LATE_HOURS, LATE_SHARE = 0.12, 0.12


@dataclass(frozen=True, slots=True)
class LakeObject:
    """One object and what is in it."""

    key: str
    data: bytes
    records: int
    """Lines of their own: first deliveries, corrections, deletions."""
    repeated: int
    malformed: int


def midnight_of(day: date) -> int:
    """The first second of the day in UTC, since 1970."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def deliver(
    timeline: Timeline, system: System, source: str, first_day: date
) -> Iterator[LakeObject]:
    """Yield the objects of the timeline's day, in the order in which they arrive: late files last.

    `source` is the first part of the keys, `first_day` the date of the population's day 1. One
    object is in memory at a time.
    """
    events = timeline.today.take(timeline.today.system == system.number)
    midnight = midnight_of(first_day)
    held: list[bytes] = []
    for sequence, part in enumerate(_slices(_with_late_times(timeline, events))):
        hour = datetime.fromtimestamp(int(part.second[0]) + midnight, UTC)
        choice = noise.seed_key(timeline.key, system.name, timeline.day, sequence)
        documents = system.documents(timeline.people, part, midnight)
        lines = list(map(orjson.dumps, documents))
        again = _repeats(lines, choice) + held
        held = [lines[-1]] if choice % 4 == 0 else []
        broken = _malformed(lines, system.id_field, choice)
        data = b"\n".join(_shuffled_in(lines, again + broken, choice)) + b"\n"
        zipped = choice % GZIP_EVERY == 0
        yield LakeObject(
            key=f"{source}/dt={hour:%Y-%m-%d}/hr={hour:%H}/{source}_{timeline.tag}"
            f"_{timeline.day:03d}_{sequence:04d}.jsonl{'.gz' if zipped else ''}",
            data=gzip.compress(data, compresslevel=3, mtime=0) if zipped else data,
            records=len(lines),
            repeated=len(again),
            malformed=len(broken),
        )


def _with_late_times(timeline: Timeline, events: Events) -> tuple[Events, NDArray[np.bool_]]:
    """The events, and which of them arrive late. From day 2 on, those happened the day before."""
    # A sender that was down for an hour: some hours have many late records, most have none.
    hour = events.second // 3600
    down = noise.draw(timeline.key, "down", events.system, hour) < LATE_HOURS
    late = down & (noise.draw(timeline.key, "late", events.system, events.number) < LATE_SHARE)
    late &= (events.kind == FIRST) & ~events.careful
    if timeline.day > 1:
        events.opened[late] -= SECONDS_PER_DAY
        events.second[late] -= SECONDS_PER_DAY
    return events, late


def _slices(timed: tuple[Events, NDArray[np.bool_]]) -> Iterator[Events]:
    """Events cut at every hour and every `MAX_LINES`; the late ones after all others."""
    events, late = timed
    for chosen in (~late, late):
        rows = np.flatnonzero(chosen)
        rows = rows[np.argsort(events.second[rows], kind="stable")]
        hours = events.second[rows] // 3600
        for hour in np.split(rows, np.flatnonzero(np.diff(hours)) + 1):
            for start in range(0, len(hour), MAX_LINES):
                yield events.take(hour[start : start + MAX_LINES])


def _repeats(lines: list[bytes], choice: int) -> list[bytes]:
    count = int(len(lines) * REPEATED_SHARE + choice % 97 / 97)
    return [lines[(choice >> 8) * (step + 1) % len(lines)] for step in range(count)]


def _malformed(lines: list[bytes], id_field: str, choice: int) -> list[bytes]:
    """Lines that cannot be a record, each in its own way."""
    wanted = int(len(lines) * MALFORMED_SHARE + choice % 89 / 89)
    count = min(wanted, int(len(lines) * MALFORMED_CAP))
    broken = []
    for step in range(count):
        at = (choice >> 16) * (step + 3) % len(lines)
        line = lines[at]
        document = orjson.loads(line)
        kind = (choice + step) % 6
        if kind == 0:
            broken.append(line[: len(line) * 2 // 3])
        elif kind == 1:
            broken.append(
                orjson.dumps({name: v for name, v in document.items() if name != id_field})
            )
        elif kind == 2:
            broken.append(orjson.dumps([document[id_field], "resent"]))
        elif kind == 3:
            broken.append(line.replace(b'":"', b'":"\xff', 1))
        elif kind == 4:
            broken.append(orjson.dumps({**document, id_field: None}))
        else:
            broken.append(line.replace(b'":', b"'=", 1))
    return broken


def _shuffled_in(lines: list[bytes], extra: list[bytes], choice: int) -> list[bytes]:
    """The lines with the extra ones among the last tenth, where a sender that starts again goes
    on."""
    mixed = list(lines)
    for step, line in enumerate(extra):
        back = (choice >> 24) * (step + 1) % (len(lines) // 10 + 1)
        mixed.insert(len(mixed) - back, line)
    return mixed
