"""Putting an extract into the lake as a source's JSON lines."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mdm.errors import MdmError
from mdm.extracts.model import LINE_LIMIT, Extract, Options
from mdm.extracts.reading import open_extract
from mdm.extracts.text import too_long
from mdm.lake import Lake
from mdm.phases import Progress

_OBJECT_BYTES = 32 << 20


@dataclass(frozen=True)
class Loaded:
    """What one extract became: how it was read, its records, the objects that hold them."""

    name: str
    description: str
    rows: int
    keys: tuple[str, ...]
    notes: tuple[str, ...]


def load_file(
    lake: Lake,
    path: Path,
    *,
    source: str,
    progress: Progress,
    options: Options | None = None,
    now: datetime | None = None,
) -> Loaded:
    """Write the records of the file ``path`` into the lake; see `load_extract`."""
    options = options or Options()
    with open_extract(path, options) as extract:
        return load_extract(
            lake,
            extract,
            source=source,
            name=str(path),
            progress=progress,
            max_line_bytes=options.max_line_bytes,
            now=now,
        )


def load_extract(
    lake: Lake,
    extract: Extract,
    *,
    source: str,
    name: str,
    progress: Progress,
    max_line_bytes: int = LINE_LIMIT,
    now: datetime | None = None,
) -> Loaded:
    """Write the records of ``extract`` into the lake below ``source/dt=…/hr=…``.

    Memory is bounded by three objects of 32 MiB. The keys sort by time of loading, so that of two
    loads the later one's values count where a source has no event time. Whatever ends the reading
    early, a fault of the file, of the lake or Ctrl-C, what was put is taken out again. Raises
    BadInput for an extract that cannot be read and for a record longer than ``max_line_bytes``.
    """
    moment = now or datetime.now(UTC)
    keys: list[str] = []
    rows = 0
    lines = _short_enough(extract.lines, name, max_line_bytes)
    with (
        _all_or_nothing(lake, keys),
        progress(f"reading {Path(name).name}", extract.total, extract.unit) as bar,
        ThreadPoolExecutor(max_workers=1) as other,
    ):
        read = 0
        putting: Future[None] | None = None
        for part, (data, count) in enumerate(_objects(lines)):
            if putting is not None:
                putting.result()
            keys.append(_key(source, moment, part, data))
            putting = other.submit(lake.put, keys[-1], data)
            rows += count
            position = rows if extract.position is None else extract.position()
            bar.update(position - read)
            read = position
        if putting is not None:
            putting.result()
    return Loaded(name, extract.description, rows, tuple(keys), tuple(extract.notes))


@contextlib.contextmanager
def _all_or_nothing(lake: Lake, keys: list[str]) -> Iterator[None]:
    """Takes the objects ``keys`` out of the lake again when the work inside ends in any fault."""
    try:
        yield
    except BaseException as error:
        try:
            for key in keys:
                lake.remove(key)
        except MdmError:
            error.add_note(f"{len(keys)} object(s) of it may still be in the lake.")
        raise


def _short_enough(lines: Iterable[bytes], name: str, limit: int) -> Iterator[bytes]:
    for number, line in enumerate(lines, start=1):
        if len(line) > limit:
            raise too_long(name, f"record {number:,}", limit)
        yield line


def _key(source: str, moment: datetime, part: int, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()[:12]
    return (
        f"{source}/dt={moment:%Y-%m-%d}/hr={moment:%H}/"
        f"{source}_{moment:%Y%m%dT%H%M%S%f}_{part:04d}_{digest}.jsonl"
    )


def _objects(lines: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """The lines in bodies of bounded size, each with its number of lines."""
    # copied at once: orjson keeps 4 KiB of memory for each line that it made, however short
    body = bytearray()
    count = 0
    for line in lines:
        body += line
        body += b"\n"
        count += 1
        if len(body) >= _OBJECT_BYTES:
            yield bytes(body), count
            body.clear()
            count = 0
    if body:
        yield bytes(body), count
