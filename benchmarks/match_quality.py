"""Match quality on every labelled set of a folder, through the whole pipeline, a row each.

``python -m benchmarks.match_quality`` loads each set into the lake, runs lake to gold with
nothing but the set's field mapping, and holds the customers against the truth. A set is a folder
with ``records.csv`` and ``truth.csv`` (each also ``.gz``); its mapping is ``mdm.toml`` in that
folder or ``benchmarks/datasets/SET.toml``. Where a mapping has several sources, the column
``source`` of the records says which row is whose.

The figures are compared with the committed ``benchmarks/reference.json``: exit code 1 when the F1
of a set fell by more than half a point. ``--update`` makes the present figures the reference.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import orjson
import polars as pl
from pydantic import SecretStr
from sqlalchemy import create_engine, make_url

from benchmarks import harness
from db import bulk, migrations
from db import engine as db_engine
from mdm import services
from mdm.config import Config
from mdm.config import load as load_config
from mdm.errors import MdmError
from mdm.extracts.loader import load_file
from mdm.lake import Lake
from mdm.progress import silent
from mdm.services import Endpoints
from mdm.settings import Settings
from mdm.warehouse import Warehouse

ROOT = Path(__file__).resolve().parent
FOLDERS = (ROOT / "data", ROOT.parent.parent / "shared" / "data")
REFERENCE = ROOT / "reference.json"
ALLOWED_FALL = 0.005
_FIGURES = ("precision", "recall", "f1", "b3_f1", "blocking_recall")


@dataclass(frozen=True)
class LabelledSet:
    """A set that can be run: its records, truth and mapping."""

    name: str
    records: Path
    truth: Path
    mapping: Path


@dataclass(frozen=True)
class Skipped:
    """A set that cannot be run, and why."""

    name: str
    reason: str


def found_sets(folders: tuple[Path, ...]) -> Iterator[LabelledSet | Skipped]:
    """The sets of the folders by name (the first of a name), and mappings here without data."""
    known: dict[str, Path] = {}
    for folder in folders:
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if path.is_dir():
                    known.setdefault(path.name, path)
    mapped = {path.stem for path in (ROOT / "datasets").glob("*.toml")}
    for name in sorted(known.keys() | mapped):
        yield _set(name, known.get(name))


def _set(name: str, folder: Path | None) -> LabelledSet | Skipped:
    if folder is None:
        return Skipped(name, "its data are not here")
    files = {}
    for stem in ("records", "truth"):
        endings = (".csv", ".csv.gz")
        present = [path for ending in endings if (path := folder / (stem + ending)).is_file()]
        if not present:
            return Skipped(name, f"has no {stem}.csv")
        files[stem] = present[0]
    for mapping in (folder / "mdm.toml", ROOT / "datasets" / f"{name}.toml"):
        if mapping.is_file():
            return LabelledSet(name, files["records"], files["truth"], mapping)
    return Skipped(name, "has no mapping: write mdm.toml into its folder")


def run_set(server: Endpoints, settings: Settings, one: LabelledSet) -> dict[str, Any]:
    """The row of a set: counts, quality, seconds from lake to gold."""
    config = load_config(one.mapping)
    with _own_warehouse(server, settings, one.name) as warehouse:
        for source, file in _files_by_source(one, config, settings.home / "extracts" / one.name):
            load_file(warehouse.lake, file, source=source, progress=silent)
        started = time.monotonic()
        harness.run_pipeline(warehouse, config)
        seconds = time.monotonic() - started
        quality = harness.evaluated(warehouse, one.truth)
    return {
        "set": one.name,
        "records": quality.counts.records,
        "true_pairs": quality.counts.true_pairs,
        "precision": quality.pairwise.precision,
        "recall": quality.pairwise.recall,
        "f1": quality.pairwise.f1,
        "b3_precision": quality.b_cubed.precision,
        "b3_recall": quality.b_cubed.recall,
        "b3_f1": quality.b_cubed.f1,
        "blocking_recall": quality.blocking_recall,
        "calibration_error": quality.calibration.calibration_error,
        "seconds": seconds,
    }


@contextlib.contextmanager
def _own_warehouse(server: Endpoints, settings: Settings, name: str) -> Iterator[Warehouse]:
    """An empty warehouse for one set on the common servers: a database and a bucket of its own."""
    label = "".join(char if char.isalnum() else "-" for char in name.lower())[:40]
    url = make_url(server.database_url.get_secret_value())
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as conn:
        bulk.execute(conn, "CREATE DATABASE {name}", name=bulk.identifier(f"set-{label}"))
    admin.dispose()
    own = url.set(database=f"set-{label}").render_as_string(hide_password=False)
    engine = db_engine.connect(own)
    endpoints = Endpoints(
        **{**vars(server), "database_url": SecretStr(own), "bucket": f"lake-{label}"}
    )
    try:
        lake = Lake(endpoints)
        lake.ensure_bucket()
        migrated = tuple(migrations.apply(engine))
        yield Warehouse(settings, endpoints, engine, lake, migrated=migrated)
    finally:
        engine.dispose()


def _files_by_source(one: LabelledSet, config: Config, folder: Path) -> Iterator[tuple[str, Path]]:
    """The extract of each source: the whole file, or the rows that its column ``source`` names."""
    if len(config.sources) == 1:
        yield next(iter(config.sources)), one.records
        return
    rows = pl.read_csv(one.records, infer_schema=False)
    folder.mkdir(parents=True)
    for source in config.sources:
        file = folder / f"{source}.csv"
        rows.filter(pl.col("source") == source).write_csv(file)
        yield source, file


def falls(rows: list[dict[str, Any]], reference: dict[str, dict[str, float]]) -> list[str]:
    """What fell by more than is allowed, one sentence per set."""
    return [
        f"{row['set']}: F1 {row['f1']:.4f}, reference {before:.4f}"
        for row in rows
        if (before := reference.get(row["set"], {}).get("f1", 0.0)) - row["f1"] > ALLOWED_FALL
    ]


def _table(rows: list[dict[str, Any]], reference: dict[str, dict[str, float]]) -> Iterator[str]:
    yield (
        f"{'set':<26}{'records':>9}{'precision':>11}{'recall':>9}{'F1':>9}{'before':>9}"
        f"{'B³ F1':>9}{'blocking':>10}{'seconds':>9}"
    )
    for row in rows:
        before = reference.get(row["set"], {}).get("f1")
        yield (
            f"{row['set']:<26}{row['records']:>9,}{row['precision']:>11.4f}{row['recall']:>9.4f}"
            f"{row['f1']:>9.4f}{'–' if before is None else format(before, '.4f'):>9}"
            f"{row['b3_f1']:>9.4f}{row['blocking_recall']:>10.4f}{row['seconds']:>9.1f}"
        )
    if rows:
        yield f"{'mean':<26}{'':>29}{sum(row['f1'] for row in rows) / len(rows):>9.4f}"


@click.command(epilog="Example:  python -m benchmarks.match_quality --only febrl3")
@click.option("--json", "as_json", is_flag=True, help="All figures as one line of JSON.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of labelled sets. [benchmarks/data and ../shared/data]",
)
@click.option("--only", multiple=True, metavar="SET", help="Only this set; may be repeated.")
@click.option("--update", is_flag=True, help="Make the figures the committed reference.")
def main(as_json: bool, data: Path | None, only: tuple[str, ...], update: bool) -> None:
    """Run every labelled set through the pipeline and compare with the reference."""
    sets = [one for one in found_sets((data,) if data else FOLDERS) if not only or one.name in only]
    if unknown := set(only) - {one.name for one in sets}:
        raise click.UsageError(f"no set is called {', '.join(sorted(unknown))}")
    skipped = [one for one in sets if isinstance(one, Skipped)]
    rows = _run([one for one in sets if isinstance(one, LabelledSet)])
    reference = orjson.loads(REFERENCE.read_bytes()) if REFERENCE.is_file() else {}
    for one in skipped:
        harness.say(f"skipped {one.name}: {one.reason}")
    if as_json:
        harness.result_line({"sets": rows, "skipped": {one.name: one.reason for one in skipped}})
    else:
        for line in _table(rows, reference):
            click.echo(line)
    if update:
        _write_reference(reference, rows)
        return
    if fell := falls(rows, reference):
        for sentence in fell:
            harness.say(f"FELL {sentence}")
        sys.exit(1)


def _run(sets: list[LabelledSet]) -> list[dict[str, Any]]:
    rows = []
    with harness.temporary_home() as settings:
        server = services.up(settings) if sets else None
        for one in sets:
            assert server is not None
            harness.say(f"{one.name} …")
            try:
                rows.append(run_set(server, settings, one))
            except MdmError as error:
                raise click.ClickException(f"{one.name}: {error}") from error
    return rows


def _write_reference(reference: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    for row in rows:
        reference[row["set"]] = {name: round(row[name], 4) for name in _FIGURES}
    REFERENCE.write_bytes(
        orjson.dumps(reference, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"
    )


if __name__ == "__main__":
    main()
