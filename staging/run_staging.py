"""Phase 3: new raw rows into standardised records.

What is current of a record is a pure function of raw: the latest of its rows by event time, object
key and line number among the objects that count. So only the records that a changed object speaks
of are looked at again, and the order in which objects arrived leaves no trace.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from sqlalchemy import Connection, CursorResult, Row

from db import binary_copy, bulk
from db.beside import beside
from db.first_load import first_load
from db.queries import load, query
from mdm.config import Source
from mdm.errors import ConfigError
from mdm.phases import PhaseReport, RunContext
from staging.rules import rules_digest

if TYPE_CHECKING:
    from staging.standardisation import Counts, Standardiser

BATCH_ROWS = 100_000

_FILE = "staging/staging.sql"


@dataclass(frozen=True, slots=True)
class _Changes:
    """What staging did to the records of one source."""

    read: int
    inserted: int
    updated: int
    deleted: int
    moved: int


@dataclass(frozen=True, slots=True)
class _Due:
    """What is to be staged of one source: in which batches, of all its objects or of some."""

    batches: Sequence[Row[Any]]
    whole: bool
    is_new: bool

    @property
    def is_first(self) -> bool:
        """Whether nothing of the source is staged yet, and all of it will be."""
        return self.whole and self.is_new


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """What was read and changed per source; reads raw, writes staging.records and its ledger.

    A source is staged when its objects changed, and whole when the rules that it is staged by did
    (its fields, region, order and placeholders, or our own code) or `--full` asks for it. Safe to
    repeat: without a change nothing is read. The counts of what happened to values go to
    ops.standardisation_counts and into the report.
    """
    due = not _do(conn, "records_are_there").scalar_one()
    with (
        beside(conn, due=due) as reader,
        first_load(conn, "staging.records", due=due) as is_bare,
    ):
        return _stage_sources(conn, ctx, reader=reader, is_bare=is_bare)


def _stage_sources(
    conn: Connection, ctx: RunContext, *, reader: Connection, is_bare: bool
) -> PhaseReport:
    changed = set(_do(conn, "sources_changed").scalars())
    digests = {row.layer: row.config_hash for row in _do(conn, "consumed_rules")}
    detail: dict[str, Any] = {}
    total: Counter[str] = Counter()
    for name, source in ctx.config.sources.items():
        digest = rules_digest(ctx.config, source)
        whole = ctx.full or digests.get(f"records:{name}") != digest
        if whole or name in changed:
            changes, counts = _stage_source(
                conn, ctx, name, source, reader=reader, whole=whole, is_bare=is_bare
            )
            _do(conn, "mark_rules", layer=f"records:{name}", run_id=ctx.run_id, config_hash=digest)
            total.update(asdict(changes))
            if any(asdict(changes).values()):
                detail[name] = {**asdict(changes), "values": _by_attribute(counts)}
    written = total["inserted"] + total["updated"] + total["deleted"]
    return PhaseReport(rows_in=total["read"], rows_out=written, detail=detail)


def _stage_source(
    conn: Connection,
    ctx: RunContext,
    name: str,
    source: Source,
    *,
    reader: Connection,
    whole: bool,
    is_bare: bool,
) -> tuple[_Changes, Counts]:
    """The changes to the records of one source, and what happened to their values."""
    if not _do(conn, "source_table_exists", table=source.table).scalar_one():
        return _Changes(0, 0, 0, 0, 0), Counter()
    with ThreadPoolExecutor(1) as thread:  # the rules are compiled while the server looks
        coming = thread.submit(_standardiser, ctx, name, source)
        due = _find_due(conn, name, source, reader=reader, whole=whole)
    standardiser = coming.result()
    from staging.batches import Target, stage_current_rows  # the thread has imported polars
    from staging.mapping import FieldMapping

    _do(conn, "open_staged_records")
    target = Target(
        source=name,
        change_seq=_do(conn, "take_change_number").scalar_one(),
        run_id=ctx.run_id,
        freeze=is_bare,
    )
    mapping = FieldMapping(source.fields)
    with ctx.progress(f"staging {name}", sum(batch.rows_n for batch in due.batches)) as bar:
        read, added = stage_current_rows(
            conn,
            due.batches,
            mapping,
            standardiser,
            target,
            reader=reader if due.is_first else conn,
            read_batch="read_first_batch" if due.is_first else "read_batch",
            bar=bar,
        )
    if due.whole and not due.is_first:
        _do(conn, "join_as_planned")
    numbers = {"source": name, "change_seq": target.change_seq, "run_id": ctx.run_id}
    if not due.is_first:
        _do(conn, "stage_deletions", **numbers)
    elif read < _do(conn, "count_current_rows", source=name).scalar_one():
        _do(conn, "stage_first_deletions", **numbers)
    if not due.is_new:
        _do(conn, f"stage_disappearances_of_{'all' if due.whole else 'touched'}", **numbers)
    applied = _do(conn, "apply_staged_records", change_seq=target.change_seq).one()
    _do(conn, "drop_staged_records" if read - added > BATCH_ROWS else "empty_staged_records")
    _do(conn, "consume_objects", run_id=ctx.run_id)
    _do(conn, "close_source")
    _record_counts(conn, ctx, name, standardiser.counts)
    changes = _Changes(
        read, applied.inserted + added, applied.updated, applied.deleted, applied.moved
    )
    return changes, standardiser.counts


def _find_due(
    conn: Connection, name: str, source: Source, *, reader: Connection, whole: bool
) -> _Due:
    """What is to be staged of one source; leaves temporary tables of it behind."""
    _open_source(conn, source)
    whole = _do(conn, "find_changed_objects", source=name, whole=whole).scalar_one()
    is_new = not _do(conn, "source_is_staged", source=name).scalar_one()
    if whole and is_new:
        repeated = _repeated_records(conn)
        _do(conn, "find_outdated_rows", keys=repeated)
        if reader is not conn:  # which has no part in the temporary tables of `conn`
            _open_source(reader, source)
            _do(reader, "find_outdated_rows", keys=repeated)
        batches = _do(conn, "first_batches", source=name, batch_rows=BATCH_ROWS).all()
        return _Due(batches, whole=True, is_new=True)
    if whole:
        _do(conn, "find_current_rows_of_all", batch_rows=BATCH_ROWS)
        _do(conn, "join_by_hash")
    else:
        _do(conn, "find_touched_records", source=name)
        _do(conn, "find_current_rows_of_touched", batch_rows=BATCH_ROWS)
    return _Due(_do(conn, "batches").all(), whole=whole, is_new=is_new)


def _open_source(conn: Connection, source: Source) -> None:
    bulk.execute(conn, load(_FILE)["open_source"], raw=bulk.identifier("raw", source.table))


def _repeated_records(conn: Connection) -> list[int]:
    """Hashes of the records that may have several rows in raw."""
    rows = binary_copy.read_rows(conn, load(_FILE)["select_record_hashes"], (("key", "i8"),))
    keys = np.sort(rows["key"].astype(np.int64))
    repeated: list[int] = np.unique(keys[1:][keys[1:] == keys[:-1]]).tolist()
    return repeated


def _standardiser(ctx: RunContext, name: str, source: Source) -> Standardiser:
    """The standardiser of a source; ConfigError names a region that does not exist."""
    from staging.phones import UnknownRegion  # 0.2 s, which a run of nothing new does not need
    from staging.standardisation import Standardiser

    try:
        return Standardiser(ctx.config, source, today=ctx.as_of.date())
    except UnknownRegion as error:
        raise ConfigError(
            "no such phone region",
            key=f"sources.{name}.phone_region",
            found=source.phone_region,
            allowed="an ISO 3166 code such as GB",
        ) from error


def _record_counts(conn: Connection, ctx: RunContext, name: str, counts: Counts) -> None:
    rows = [
        {"attribute": attribute, "outcome": outcome, "n": n}
        for (attribute, outcome), n in counts.items()
    ]
    if rows:
        listed = orjson.dumps(rows).decode()
        _do(conn, "count_outcomes", run_id=ctx.run_id, source=name, counts=listed)


def _by_attribute(counts: Counts) -> dict[str, dict[str, int]]:
    """The counts per attribute and outcome, for the report."""
    found: dict[str, dict[str, int]] = {}
    for (attribute, outcome), n in sorted(counts.items()):
        found.setdefault(attribute, {})[outcome] = n
    return found


def _do(conn: Connection, name: str, **values: object) -> CursorResult[Any]:
    return conn.execute(query(_FILE, name), values)


if __name__ == "__main__":
    from mdm.standalone import main

    main("staging")
