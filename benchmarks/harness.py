"""What the benchmarks share: a home of their own, made-up customers, the pipeline, memory,
output.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import platform
import resource
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import polars as pl
import psutil

from mdm import evaluation, evaluation_truth, services
from mdm.config import Config
from mdm.evaluation import Evaluation
from mdm.lake import Lake
from mdm.phases import between
from mdm.pipeline import Pipeline, RunReport
from mdm.services import Endpoints
from mdm.settings import Settings
from mdm.warehouse import Warehouse
from producers.synthetic import FIELDS, ID, customer_file

SOURCE = "customers"
SEED = 42
_SAMPLE_EVERY_S = 0.05


def customer_config() -> Config:
    """The configuration for the made-up customer file: a field mapping and nothing else."""
    source = {
        "table": SOURCE,
        "record_id": ID,
        "phone_region": "US",
        "date_order": "YMD",
        "fields": {name: name for name in FIELDS},
    }
    return Config.model_validate({"sources": {SOURCE: source}})


@contextlib.contextmanager
def temporary_home(*, keep: bool = False) -> Iterator[Settings]:
    """Settings of a new home with services of its own on free ports.

    At the end the services are stopped and the home removed, also after an error or a signal;
    ``keep`` leaves the home and says where it is.
    """
    home = Path(tempfile.mkdtemp(prefix="mdm-benchmark-"))
    home.chmod(0o755)  # the database server of a root user runs as somebody else
    settings = Settings(home=home, services="embedded", postgres_port=0, s3_port=0)
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield settings
    finally:
        signal.signal(signal.SIGTERM, before)
        services.down(settings)
        if keep:
            say(f"Kept: MDM_HOME={home}")
        else:
            shutil.rmtree(home, ignore_errors=True)


@dataclass(frozen=True)
class Rows:
    """Rows ``first`` up to (not including) ``last`` of a made-up file of ``total`` records."""

    total: int
    first: int
    last: int
    seed: int = SEED


def put_customers(warehouse: Warehouse, rows: Rows, truth: Path) -> None:
    """Put rows of the made-up customer file into the lake, their truth at the end of ``truth``.

    Works in a process of its own, so that making data does not count as memory of the pipeline.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        pool.submit(_put, warehouse.endpoints, rows, truth).result()


def _put(endpoints: Endpoints, rows: Rows, truth: Path) -> None:
    lake = Lake(endpoints)
    started = truth.exists()
    with truth.open("ab") as file:
        for number, (records, clusters) in enumerate(made_up(rows)):
            key = f"{SOURCE}/dt=2025-01-01/hr=00/{SOURCE}_{rows.first:09d}_{number:05d}.jsonl"
            lake.put(key, records.write_ndjson().encode())
            clusters.write_csv(file, include_header=not started)
            started = True


def made_up(rows: Rows) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Records and truth of the wanted rows, chunk by chunk."""
    start = 0
    for chunk in customer_file(rows.total, rows.seed):
        end = start + len(chunk.records)
        low, high = max(start, rows.first) - start, min(end, rows.last) - start
        if low < high:
            yield chunk.records[low:high], chunk.clusters[low:high]
        start = end


def run_pipeline(warehouse: Warehouse, config: Config) -> RunReport:
    """The report of all phases from the lake to the review queue."""
    return Pipeline(warehouse, config).run(
        between("ingestion", "quality"), command="benchmark: lake to gold"
    )


def evaluated(warehouse: Warehouse, truth: Path) -> Evaluation:
    """The customers in the warehouse held against the truth in a file."""
    with warehouse.engine.connect() as conn:
        return evaluation.evaluate(conn, evaluation_truth.read(truth))


class PeakMemory:
    """Peak resident memory of this process and its Python children, in MiB; servers do not count.

    The sum is sampled twenty times a second; between samples the kernel's own peak of this process
    is the floor.
    """

    def __init__(self) -> None:
        self.mib = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # bytes on macOS, KiB elsewhere
        self.mib = max(self.mib, peak / (2**20 if sys.platform == "darwin" else 2**10))

    def _watch(self) -> None:
        own = psutil.Process()
        while not self._done.wait(_SAMPLE_EVERY_S):
            total = own.memory_info().rss
            for child in own.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if child.exe() == own.exe():
                        total += child.memory_info().rss
            self.mib = max(self.mib, total / 2**20)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cpus": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def say(message: str) -> None:
    """Something for people, on stderr."""
    print(message, file=sys.stderr, flush=True)


def result_line(document: dict[str, Any]) -> None:
    """The result of a benchmark: one line of JSON, the last on stdout."""
    print(orjson.dumps(rounded(document)).decode(), flush=True)


def rounded(value: Any) -> Any:
    """The document with figures of at most four decimals."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(entry) for entry in value]
    return value
