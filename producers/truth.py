"""Who is who in the demo, outside the lake: `MDM_HOME/truth`, for `mdm evaluate` and for the
curious."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import orjson
import polars as pl

from producers.ledger import write_atomically
from producers.population import Ints
from producers.spelling import ATTRIBUTES, Batch, spell
from producers.systems import System
from producers.timeline import CORRECTED, DELETED, FIRST, Events, Timeline

HEADER = b"record_id,source,cluster_id\n"
FILE = "demo_truth.csv"


def cluster_ids(timeline: Timeline, person: Ints) -> list[str]:
    """The true person behind each record, as the truth file calls them."""
    return [f"P-{timeline.tag}-{number + 1:06d}" for number in person.tolist()]


def write_truth(home: Path, timeline: Timeline, systems: Mapping[str, System]) -> Path:
    """Write `truth/demo_truth.csv`: each live record of these sources once, as of the timeline's
    day.

    `systems` maps source names to systems. Rows of other sources and other populations are kept;
    deleted records are no longer listed. The file is replaced in one step.
    """
    path = home / "truth" / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    known = timeline.records
    with partial.open("wb") as file:
        file.write(HEADER)
        file.writelines(_kept(path, timeline.tag, systems))
        for source, system in systems.items():
            live = known.events.take(known.alive & (known.events.system == system.number))
            _rows(timeline, live, source, system).write_csv(file, include_header=False)
    os.replace(partial, path)
    return path


def _rows(timeline: Timeline, events: Events, source: str, system: System) -> pl.DataFrame:
    number, person = pl.Series(events.number), pl.Series(events.person + 1)
    return pl.select(
        record_id=pl.format(
            "{}-{}-{}", pl.lit(system.prefix), pl.lit(timeline.tag), _padded(number, 7)
        ),
        source=pl.lit(source),
        cluster_id=pl.format("P-{}-{}", pl.lit(timeline.tag), _padded(person, 6)),
    )


def _padded(numbers: pl.Series, width: int) -> pl.Series:
    return numbers.cast(pl.String).str.zfill(width)


def _kept(path: Path, tag: str, systems: Mapping[str, System]) -> Iterator[bytes]:
    if not path.exists():
        return
    replaced = {source.encode() for source in systems}
    with path.open("rb") as file:
        next(file, None)
        for line in file:
            _, source, cluster = line.rsplit(b",", 2)
            if not (source in replaced and cluster.startswith(f"P-{tag}-".encode())):
                yield line


def write_changes(
    home: Path, timeline: Timeline, systems: Mapping[str, System], first_day: date
) -> Path:
    """Write `truth/day_N_changes.json`: what the timeline's day did, by person and by record."""
    path = home / "truth" / f"day_{timeline.day}_changes.json"
    known = [system.number for system in systems.values()]
    today = timeline.today.take(np.isin(timeline.today.system, known))
    sources = {system.number: (source, system) for source, system in systems.items()}
    changes = timeline.changes
    people = {
        "new_customers": changes.newcomers,
        "movers": changes.movers,
        "marriages": changes.married,
        "contact_changes": changes.new_contacts,
    }
    document: dict[str, object] = {
        "population": timeline.tag,
        "seed": timeline.seed,
        "records": timeline.size,
        "day": timeline.day,
        "date": (first_day + timedelta(days=timeline.day - 1)).isoformat(),
        "sources": sorted(systems),
    }
    found: dict[str, list[dict[str, object]]] = {
        name: _people(timeline, persons, today, sources) for name, persons in people.items()
    }
    found["corrections"] = _corrections(timeline, today, sources)
    found["deletions"] = _records(timeline, today.take(today.kind == DELETED), sources)
    found["customers_gone"] = [{"cluster_id": c} for c in cluster_ids(timeline, changes.gone)]
    counts = {name: len(rows) for name, rows in found.items()}
    counts["events"] = int((today.kind == FIRST).sum())
    document["counts"] = counts
    write_atomically(path, orjson.dumps(document | found, option=orjson.OPT_INDENT_2))
    return path


def _people(
    timeline: Timeline, persons: Ints, today: Events, sources: dict[int, tuple[str, System]]
) -> list[dict[str, object]]:
    """These persons, each with the records that say so today."""
    told = today.take((today.kind == FIRST) & np.isin(today.person, persons))
    records: dict[str, list[dict[str, object]]] = {c: [] for c in cluster_ids(timeline, persons)}
    for record in _records(timeline, told, sources):
        records[str(record.pop("cluster_id"))].append(record)
    return [{"cluster_id": cluster, "records": said} for cluster, said in records.items()]


def _records(
    timeline: Timeline, events: Events, sources: dict[int, tuple[str, System]]
) -> list[dict[str, object]]:
    return [
        {
            "cluster_id": cluster,
            "source": sources[system][0],
            "record_id": sources[system][1].record_id(timeline.tag, number),
        }
        for system, number, cluster in zip(
            events.system.tolist(),
            events.number.tolist(),
            cluster_ids(timeline, events.person),
            strict=True,
        )
    ]


def _corrections(
    timeline: Timeline, today: Events, sources: dict[int, tuple[str, System]]
) -> list[dict[str, object]]:
    """Corrected records, each with the attributes that were wrong (an empty list: only
    confirmed)."""
    corrected = today.take(today.kind == CORRECTED)
    rows = _records(timeline, corrected, sources)
    for number, (_, system) in sources.items():
        at = np.flatnonzero(corrected.system == number)
        part = corrected.take(at)
        before = Batch(part.person, part.variant, np.zeros(len(part), bool))
        wrong = spell(timeline.people, before, number, system.habits).wrong
        for place, row in enumerate(at.tolist()):
            rows[row]["attributes"] = [
                name for name in ATTRIBUTES if name in system.writes and wrong[name][place]
            ]
    return rows
