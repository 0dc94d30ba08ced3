"""The labelled truth: who is really who, read from a file and laid beside the crosswalk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from mdm.errors import BadInput

_NEEDED = ("record_id", "cluster_id")
_ADD_SOURCE = "Add a column `source`."


@dataclass(frozen=True)
class Truth:
    """A truth file: ``rows`` has ``record_id``, ``cluster_id`` and, where given, ``source``."""

    path: Path
    rows: pl.DataFrame

    @property
    def names_sources(self) -> bool:
        """Whether each record is given with its source."""
        return "source" in self.rows.columns


@dataclass(frozen=True)
class Labelled:
    """The records of the truth with what the pipeline made of them.

    ``records`` has one row per record of the truth: ``source`` and ``record_id``, ``truth`` (code
    of its true cluster, from 1), ``customer`` (code of its customer, from 1) and ``profile``. A
    record that is not in the warehouse has no source, no profile, and a customer of its own.
    """

    records: pl.DataFrame
    unlabelled_n: int
    notes: tuple[str, ...]

    @property
    def missing_n(self) -> int:
        """Records of the truth that are not in the warehouse."""
        return self.records["profile"].null_count()


def read(path: Path) -> Truth:
    """The truth in the CSV file ``path`` (also ``.csv.gz``); further columns are ignored.

    A record listed twice with one cluster counts once. Raises BadInput for a file that is no such
    CSV, lacks a column, has an empty id, or puts one record into two clusters.
    """
    try:
        table = pl.read_csv(path, infer_schema=False, raise_if_empty=True)
    except OSError as error:
        raise BadInput(str(path), problem=(error.strerror or str(error)).rstrip(".")) from error
    except pl.exceptions.PolarsError as error:
        told = str(error).strip().splitlines()[0].rstrip(".")
        raise BadInput(str(path), problem=f"no readable CSV: {told}") from error
    table = table.rename({name: name.strip().lower() for name in table.columns}, strict=False)
    lacking = [name for name in _NEEDED if name not in table.columns]
    if lacking:
        raise BadInput(
            str(path),
            problem=f"no column {' and '.join(lacking)}; found {', '.join(table.columns)}",
            hint="A truth has record_id, cluster_id and, with several sources, source.",
        )
    columns = [*_NEEDED, *(["source"] if "source" in table.columns else [])]
    rows = table.select(pl.col(columns).str.strip_chars().replace("", None))
    _check(path, rows)
    return Truth(path, rows.unique(maintain_order=True))


def _check(path: Path, rows: pl.DataFrame) -> None:
    if rows.is_empty():
        raise BadInput(str(path), problem="there are no rows below the header")
    for name in rows.columns:
        empty = rows[name].is_null().arg_true()
        if len(empty):
            raise BadInput(
                str(path),
                problem=f"{name} is empty in {len(empty):,} row(s), first in line {empty[0] + 2}",
            )
    key = [name for name in ("source", "record_id") if name in rows.columns]
    twice = (
        rows.group_by(key, maintain_order=True)
        .agg(pl.col("cluster_id").n_unique())
        .filter(pl.col("cluster_id") > 1)
    )
    if len(twice):
        hint = "" if "source" in key else f"If it comes from several sources: {_ADD_SOURCE}"
        raise BadInput(
            str(path),
            problem=f"{len(twice):,} record(s) are in more than one cluster, for example "
            + ":".join(twice.select(key).row(0)),
            hint=hint,
        )


def align(truth: Truth, crosswalk: pl.DataFrame) -> Labelled:
    """The truth beside ``crosswalk`` (``source``, ``record_id``, ``profile``, ``customer``).

    Records meet by source and id, or by id alone where the truth names no sources, which works as
    long as no id of the truth is in two of them. Raises BadInput when one is, and when nothing
    meets.
    """
    notes: list[str] = []
    by_source = truth.names_sources
    if by_source and not set(truth.rows["source"].unique()) & set(crosswalk["source"].unique()):
        # such columns tell where a labelled set was collected, not how it was loaded
        notes.append("the column source names no source of the warehouse and was ignored")
        by_source = False
    rows = truth.rows if by_source else _without_source(truth)
    joined = rows.join(
        crosswalk if by_source else _by_id_alone(truth.path, rows, crosswalk),
        on=["source", "record_id"] if by_source else ["record_id"],
        how="left",
        maintain_order="left",
    )
    met = len(joined) - joined["profile"].null_count()
    if not met:
        raise BadInput(
            str(truth.path),
            problem=f"none of its {len(joined):,} records is in the warehouse, which holds "
            f"{len(crosswalk):,}",
            hint=f"The truth has ids like {_example(joined)}, the warehouse like "
            f"{_example(crosswalk)}."
            if len(crosswalk)
            else "Run the pipeline first: mdm run.",
        )
    return Labelled(_coded(joined), len(crosswalk) - met, tuple(notes))


def _without_source(truth: Truth) -> pl.DataFrame:
    rows = truth.rows.select(_NEEDED).unique(maintain_order=True)
    if truth.names_sources:
        _check(truth.path, rows)
    return rows


def _by_id_alone(path: Path, rows: pl.DataFrame, crosswalk: pl.DataFrame) -> pl.DataFrame:
    wanted = crosswalk.join(rows, on="record_id", how="semi")
    twice = (
        wanted.group_by("record_id")
        .agg(pl.col("source").sort())
        .filter(pl.col("source").list.len() > 1)
        .sort("record_id")
    )
    if len(twice):
        record_id, sources = twice.row(0)
        raise BadInput(
            str(path),
            problem=f"{len(twice):,} record id(s) are in several sources, for example "
            f"{record_id} in {', '.join(sources)}",
            hint=_ADD_SOURCE,
        )
    return wanted


def _example(frame: pl.DataFrame) -> str:
    return " and ".join(frame["record_id"].head(2).to_list())


def _coded(joined: pl.DataFrame) -> pl.DataFrame:
    """Ids as small numbers; who is missing gets a customer number that nobody else has."""
    stranger = pl.int_range(1, pl.len() + 1, dtype=pl.UInt32) + pl.len().cast(pl.UInt32)
    return joined.select(
        "source",
        "record_id",
        truth=pl.col("cluster_id").rank("dense").cast(pl.UInt32),
        customer=pl.coalesce(pl.col("customer").rank("dense").cast(pl.UInt32), stranger),
        profile=pl.col("profile"),
    )
