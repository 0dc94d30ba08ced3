"""Producing the demo: days of some systems into a lake, skipping what is there, and the truth
beside it."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from producers import truth
from producers.delivery import LakeObject, deliver
from producers.ledger import Ledger
from producers.objects import ObjectStore
from producers.population import population_tag
from producers.systems import System
from producers.timeline import Timeline

DEFAULT_RECORDS, DEFAULT_SEED = 9_000, 42


@dataclass
class Produced:
    """What a call of `produce` put into the lake; all zero when everything was there."""

    objects: int = 0
    lines: int = 0
    records: int = 0
    """Lines that are a record of their own: first deliveries, corrections and deletions."""
    repeated: int = 0
    malformed: int = 0
    skipped_objects: int = 0
    by_source: dict[str, int] = field(default_factory=dict)
    """Source -> lines put."""

    def add(self, source: str, delivered: LakeObject) -> None:
        """Count an object that was put."""
        lines = delivered.records + delivered.repeated + delivered.malformed
        self.objects += 1
        self.lines += lines
        self.records += delivered.records
        self.repeated += delivered.repeated
        self.malformed += delivered.malformed
        self.by_source[source] = self.by_source.get(source, 0) + lines


def produce(
    store: ObjectStore,
    home: Path,
    systems: Mapping[str, System],
    *,
    records: int = DEFAULT_RECORDS,
    seed: int = DEFAULT_SEED,
    day: int = 1,
    now: datetime | None = None,
    on_lines: Callable[[int], object] = lambda lines: None,
) -> Produced:
    """Bring days 1 to `day` of these systems (source name -> system) into the store; say what was
    put.

    `records` is the number of events of day 1 over all three systems, whichever are asked for.
    Objects that exist are left alone, and a call with nothing to do does not even draw the
    population. Writes `demo.json` and `truth/` in `home`. Raises UsageError when the day has not
    passed by `now`.
    """
    ledger = Ledger.open(home, now=now or datetime.now(UTC), day=day)
    tag = population_tag(seed, records)
    there = {stored.key for source in systems for stored in store.list(f"{source}/")}
    done = Produced()
    missing: dict[int, dict[str, System]] = {}
    for number in range(1, day + 1):
        for source, system in systems.items():
            keys = ledger.keys(tag, source, number)
            if keys is not None and there.issuperset(keys):
                done.skipped_objects += len(keys)
            else:
                missing.setdefault(number, {})[source] = system
    told = (home / "truth" / truth.FILE).exists()
    if not missing and told:
        return done
    # The truth never goes back: it is as of the newest day that is in the lake.
    last = max(day, *(ledger.last_day(tag, source) for source in systems), 1)
    timeline = Timeline(seed, records)
    while True:
        for source, system in missing.get(timeline.day, {}).items():
            _deliver(store, there, ledger, timeline, source, system, done, on_lines)
        if timeline.day in missing:
            truth.write_changes(home, timeline, systems, ledger.first_day)
        if timeline.day == last:
            break
        timeline.advance()
    truth.write_truth(home, timeline, systems)
    return done


def producer(system: System) -> Callable[..., Produced]:
    """Return the `produce` of one system alone, its source called `source` (default: the system's
    name)."""

    def produce_one(
        store: ObjectStore,
        home: Path,
        *,
        source: str = system.name,
        records: int = DEFAULT_RECORDS,
        seed: int = DEFAULT_SEED,
        day: int = 1,
        now: datetime | None = None,
    ) -> Produced:
        """Bring days 1 to `day` of the system into the store; see `producers.demo.produce`."""
        return produce(store, home, {source: system}, records=records, seed=seed, day=day, now=now)

    return produce_one


def _deliver(
    store: ObjectStore,
    there: Container[str],
    ledger: Ledger,
    timeline: Timeline,
    source: str,
    system: System,
    done: Produced,
    on_lines: Callable[[int], object],
) -> None:
    keys = []
    for delivered in deliver(timeline, system, source, ledger.first_day):
        keys.append(delivered.key)
        if delivered.key in there:
            done.skipped_objects += 1
        else:
            store.put(delivered.key, delivered.data)
            done.add(source, delivered)
        on_lines(delivered.records)
    ledger.note(timeline.tag, source, timeline.day, keys)
