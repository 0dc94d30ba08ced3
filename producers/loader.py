"""Putting an extract into the lake as a source's JSON lines."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mdm.errors import BadInput
from mdm.lake import Lake
from mdm.phases import Progress
from producers.extracts import open_extract

_OBJECT_BYTES = 48 << 20


@dataclass(frozen=True)
class Loaded:
    """What one file became: how it was read, its lines and the objects that hold them."""

    file: Path
    description: str
    rows: int
    keys: tuple[str, ...]


def load_file(
    lake: Lake,
    path: Path,
    *,
    source: str,
    progress: Progress,
    json_path: str | None = None,
    now: datetime | None = None,
) -> Loaded:
    """Write the records of ``path`` into the lake below ``source/dt=…/hr=…``.

    Memory is bounded by one object (48 MiB). The keys sort by time of loading, so that of two
    loads the later one's values count where a source has no event time. Raises BadInput for a file
    that cannot be read as what it claims to be; what it had put of that file is taken out again.
    """
    moment = now or datetime.now(UTC)
    keys: list[str] = []
    rows = 0
    try:
        with (
            open_extract(path, json_path=json_path) as (extract, raw),
            progress(f"reading {path.name}", path.stat().st_size, "B") as bar,
        ):
            read = 0
            for part, (data, lines) in enumerate(_objects(extract.lines)):
                keys.append(_key(source, moment, part, data))
                lake.put(keys[-1], data)
                rows += lines
                bar.update(raw.tell() - read)
                read = raw.tell()
    except BadInput:
        for key in keys:
            lake.remove(key)
        raise
    return Loaded(path, extract.description, rows, tuple(keys))


def _key(source: str, moment: datetime, part: int, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()[:12]
    return (
        f"{source}/dt={moment:%Y-%m-%d}/hr={moment:%H}/"
        f"{source}_{moment:%Y%m%dT%H%M%S%f}_{part:04d}_{digest}.jsonl"
    )


def _objects(lines: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """The lines in bodies of bounded size, each with its number of lines."""
    batch: list[bytes] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line) + 1
        if size >= _OBJECT_BYTES:
            yield b"\n".join(batch) + b"\n", len(batch)
            batch, size = [], 0
    if batch:
        yield b"\n".join(batch) + b"\n", len(batch)
