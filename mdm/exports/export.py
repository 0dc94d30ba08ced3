"""``export``: what was asked for, checked, read in one state of the warehouse, written whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from duckdb import DuckDBPyConnection, DuckDBPyRelation
from pydantic import SecretStr
from sqlalchemy import Connection, Engine

from db.queries import query
from mdm.errors import UsageError
from mdm.exports import atomic, excel, masking, sinks, stream
from mdm.exports.datasets import DATASETS, Dataset
from mdm.exports.masking import Masks
from mdm.exports.sinks import Format, Rows
from mdm.exports.stream import Selection
from mdm.lake import Lake
from mdm.phases import Progress

_FILE = "mdm/exports/exports.sql"
#: More folders than this are a slip (partitioned by a name) and slow everywhere.
MAX_PARTITIONS = 1_000
LAKE_PREFIX = "gold"


@dataclass(frozen=True)
class Request:
    """What to export, how, and what to hide; the same for files and for the lake."""

    format: Format
    datasets: tuple[Dataset, ...] = (DATASETS["customers"],)
    at: datetime | None = None
    partition_by: tuple[str, ...] = ()
    masks: Masks = field(default_factory=dict)
    excel_safe: bool = False
    force: bool = False

    @property
    def makes_folder(self) -> bool:
        """Whether the export is a folder of files rather than one file."""
        several = len(self.datasets) > 1 and self.format not in sinks.HOLDS_SEVERAL
        return several or bool(self.partition_by)

    def check(self) -> None:
        """Raise UsageError for wishes that exclude each other."""
        if self.partition_by and self.format in sinks.HOLDS_SEVERAL:
            raise UsageError(f"--partition-by makes folders of csv or parquet, not {self.format}")
        if self.excel_safe and self.format != "csv":
            raise UsageError("--excel-safe is for csv; the other formats hold texts as texts")
        if self.at is None:
            return
        if self.at > datetime.now(UTC):
            raise UsageError("--at is a moment to come; nobody knows the customers of then")
        without = [one.name for one in self.datasets if one.at is None]
        if without:
            raise UsageError(f"--at shows customers as they were; not {', '.join(without)}")


@dataclass(frozen=True)
class Exported:
    """What was written: where, and the rows of each dataset."""

    where: str
    rows: dict[str, int]


def to_path(
    engine: Engine, target: Path, request: Request, *, key: SecretStr | None, progress: Progress
) -> Exported:
    """What was written to the file or folder ``target``, which is there whole or not at all.

    Everything is read in one transaction, so several datasets tell of one state. Raises UsageError
    for a target that is there already (unless forced) and for what the format cannot hold.
    """
    request.check()
    with (
        atomic.whole(target, is_folder=request.makes_folder, force=request.force) as partial_path,
        _reading(engine, request, key) as reading,
    ):
        rows = reading.write(partial_path, progress)
        if request.makes_folder:
            (partial_path / atomic.MANIFEST).write_bytes(reading.manifest(rows))
    return Exported(str(target), rows)


def to_lake(
    engine: Engine,
    lake: Lake,
    request: Request,
    *,
    key: SecretStr | None,
    progress: Progress,
    folder: Path,
) -> Exported:
    """What was put into the lake below ``gold/dt=DAY/``, DAY being that of the state exported.

    Files are made in ``folder`` first; nothing is put before all are whole. Raises UsageError when
    the day is there already (unless forced) and when nothing was published yet.
    """
    request.check()
    ending = sinks.ENDINGS[request.format][0]
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="export-", dir=folder) as made:
        with _reading(engine, request, key) as reading:
            if reading.moment is None:
                raise UsageError("nothing was published yet; call mdm run first")
            prefix = f"{LAKE_PREFIX}/dt={reading.moment:%Y-%m-%d}/"
            names = [one.name for one in request.datasets]
            there = {
                found.key
                for found in lake.list(prefix)
                if any(found.key.startswith((f"{prefix}{n}.", f"{prefix}{n}/")) for n in names)
            }
            if there and not request.force:
                raise UsageError(f"{prefix} holds this export already; add --force to replace it")
            local = Path(made) / ("all" if request.makes_folder else names[0] + ending)
            if request.makes_folder:
                local.mkdir()
            rows = reading.write(local, progress)
        files = [path for path in local.rglob("*") if path.is_file()] if local.is_dir() else [local]
        root = local if local.is_dir() else local.parent
        put = {prefix + path.relative_to(root).as_posix(): path for path in files}
        for object_key, path in sorted(put.items()):
            lake.put_file(object_key, path)
        for former in there - put.keys():
            lake.remove(former)
    return Exported(f"{lake.bucket}/{prefix}", rows)


class _Reading:
    """One state of the warehouse, and the datasets of a request read from it."""

    def __init__(self, conn: Connection, request: Request) -> None:
        self._conn = conn
        self._request = request
        published = conn.execute(query(_FILE, "published")).one_or_none()
        self._run_id = published.run_id if published else None
        #: The moment whose state is exported; None when nothing was published yet.
        self.moment: datetime | None = request.at or (published.as_of if published else None)
        if request.at is not None:
            conn.execute(query(_FILE, "set_moment"), {"at": request.at})
        self._selections = [self._select(dataset) for dataset in request.datasets]

    def write(self, target: Path, progress: Progress) -> dict[str, int]:
        """Rows of each dataset, written to the file or folder ``target``."""
        written: dict[str, int] = {}
        with ExitStack() as stack:
            put = self._writer(stack, target)
            bar = stack.enter_context(progress("exporting", len(self._selections), "datasets"))
            for selection in self._selections:
                rows = partial(_open, self._conn, selection)
                written[selection.dataset.name] = put(selection, rows)
                bar.update()
        return written

    def manifest(self, rows: dict[str, int]) -> bytes:
        """What an exported folder says about itself."""
        document: dict[str, Any] = {
            "datasets": rows,
            "format": self._request.format,
            "partition_by": list(self._request.partition_by),
            "masked": dict(self._request.masks),
            "as_of": self.moment,
            "run_id": self._run_id,
        }
        return orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n"

    def _select(self, dataset: Dataset) -> Selection:
        named = dataset.at if self._request.at is not None else None
        selection = stream.select(self._conn, dataset, self._request.masks, query_name=named)
        for column in self._request.partition_by:
            self._check_partition(selection, column)
        if self._request.format == "excel":
            rows = stream.count(self._conn, selection)
            if rows > excel.MAX_ROWS:
                raise UsageError(excel.too_many(dataset.name, rows))
        return selection

    def _check_partition(self, selection: Selection, column: str) -> None:
        name = _column(selection, column)
        folders = stream.count(self._conn, selection, distinct=name)
        if folders > MAX_PARTITIONS:
            raise UsageError(
                f"--partition-by {column}: {folders:,} different values in "
                f"{selection.dataset.name}, each a folder; at most {MAX_PARTITIONS:,}"
            )

    def _writer(self, stack: ExitStack, target: Path) -> Any:
        """A function that writes a selection's rows, returning how many, for the format asked."""
        # where the export itself goes, so that nobody's data end up in other places
        folder = TemporaryDirectory(prefix=".export-", dir=target.parent)
        spill = Path(stack.enter_context(folder))
        if self._request.format == "excel":
            book = excel.Workbook(target)
            stack.callback(book.close)
            duck = stack.enter_context(sinks.database(spill))
            return lambda one, rows: sinks.write_sheet(duck, rows, book, one.dataset.name)
        if self._request.format == "duckdb":
            duck = stack.enter_context(sinks.database(spill, target))
            return partial(self._write_table, duck)
        duck = stack.enter_context(sinks.database(spill))
        return partial(self._write_files, duck, target)

    def _write_table(self, duck: DuckDBPyConnection, selection: Selection, rows: Rows) -> int:
        written = sinks.write_table(duck, rows, selection.dataset.name)
        if selection.dataset.name == "customers":
            further: Sequence[str] = (
                self._conn.execute(query(_FILE, "further_attributes")).scalars().all()
            )
            sinks.create_golden_view(duck, further)
        return written

    def _write_files(
        self, duck: DuckDBPyConnection, target: Path, selection: Selection, rows: Rows
    ) -> int:
        request = self._request
        partitions = [_column(selection, column) for column in request.partition_by]
        if request.makes_folder:
            name = selection.dataset.name
            target = target / (name if partitions else name + sinks.ENDINGS[request.format][0])
        if request.format == "csv":
            return sinks.write_csv(
                duck, rows, target, partition_by=partitions, excel_safe=request.excel_safe
            )
        return sinks.write_parquet(duck, rows, target, partition_by=partitions)


@contextmanager
def _reading(engine: Engine, request: Request, key: SecretStr | None) -> Iterator[_Reading]:
    """The datasets in one state of the warehouse; nothing of it is kept there."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as conn:
        masking.give_key(conn, request.masks, key)
        yield _Reading(conn, request)
        conn.rollback()


def _open(
    conn: Connection, selection: Selection, duck: DuckDBPyConnection
) -> AbstractContextManager[DuckDBPyRelation]:
    return stream.rows(conn, duck, selection)


def _column(selection: Selection, name: str) -> str:
    """The column that a person calls ``name``: country is canonical_country. Raises UsageError."""
    for column in (name, f"canonical_{name}"):
        if column in selection.types:
            return column
    raise UsageError(
        f"--partition-by {name}: {selection.dataset.name} has no such column; "
        f"it has {', '.join(selection.types)}"
    )
