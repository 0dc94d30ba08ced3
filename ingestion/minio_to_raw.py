"""Phase 2: new lake objects into ``raw``, each delivery with its ledger rows in one transaction.

A delivery is one object; where a source has a contract, all objects of one load.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from db import bulk
from db.queries import load, query
from ingestion import deliveries, drift
from ingestion.background import Background
from ingestion.deliveries import Known
from ingestion.loading import Loading, Tally, refusal
from mdm.config import Source
from mdm.lake import LakeObject, ObjectGone
from mdm.phases import PhaseReport, RunContext

if TYPE_CHECKING:
    from ingestion.contracts import Judge

_FILE = "ingestion/ingestion.sql"
# Listing everything is cheap below this many objects and then finds files however late they are.
_NARROW_ABOVE = 10_000
_LIST_ALL_EVERY = timedelta(hours=24)
_NEVER = datetime.fromtimestamp(0, UTC)


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """What was read, loaded and rejected; reads the lake, writes raw and the watermarks.

    Commits per delivery: what was loaded before a fault stays, and the next run goes on behind it.
    A source with a contract stops at a delivery that is refused; what lies behind waits for the
    next run, and the other sources go on.
    """
    detail: dict[str, object] = {}
    rows = rejected = 0
    for name, source in ctx.config.sources.items():
        _ensure_table(conn, source)
        tally = _load_source(conn, ctx, name, source)
        _ensure_indexes(conn, source)
        rows += tally.rows
        rejected += sum(tally.rejected.values())
        if tally.objects or tally.contract:
            detail[name] = tally.as_detail()
    return PhaseReport(rows + rejected, rows, rejected, detail)


def _ensure_table(conn: Connection, source: Source) -> None:
    exists = conn.execute(query(_FILE, "source_table_exists"), {"table": source.table})
    if not exists.scalar_one():
        bulk.execute(
            conn,
            load(_FILE)["create_source_table"],
            table=bulk.identifier("raw", source.table),
        )
    conn.commit()


def _ensure_indexes(conn: Connection, source: Source) -> None:
    """The key and the index of a raw table: made behind the first load, by one sort each."""
    table = bulk.identifier("raw", source.table)
    has_key = conn.execute(query(_FILE, "source_table_has_key"), {"table": source.table})
    if not has_key.scalar_one():
        bulk.execute(conn, load(_FILE)["add_source_key"], table=table)
    bulk.execute(
        conn,
        load(_FILE)["index_source_table"],
        table=table,
        index=bulk.identifier(f"{source.table}_source_record_id"),
    )
    conn.commit()


def _load_source(conn: Connection, ctx: RunContext, name: str, source: Source) -> Tally:
    tally = Tally()
    judged_by = deliveries.rules_digest(ctx.config, source)
    known = {
        row.object_key: Known(row.etag, row.is_due, row.is_retracted)
        for row in conn.execute(
            query(_FILE, "live_objects"), {"source": name, "judged_by": judged_by}
        )
    }
    mark = conn.execute(query(_FILE, "watermark"), {"source": name}).one_or_none()
    conn.commit()
    now = datetime.now(UTC)
    listed_all_at = now
    start_after = None
    if (
        mark is not None
        and not ctx.full
        and len(known) > _NARROW_ABOVE
        and now - mark.listed_all_at < _LIST_ALL_EVERY
        and not any(found.is_due for found in known.values())
    ):
        since = mark.watermark - timedelta(hours=ctx.config.ingestion.lookback_hours)
        start_after = f"{name}/dt={since:%Y-%m-%d}"
        listed_all_at = mark.listed_all_at
    listed = ctx.lake.list(f"{name}/", start_after=start_after)
    waiting = deliveries.due(listed, known, whole=source.contract is not None)
    read = _load_deliveries(conn, ctx, name, judged_by, waiting, tally)
    if read or mark is None or listed_all_at != mark.listed_all_at:
        conn.execute(
            query(_FILE, "move_watermark"),
            {
                "source": name,
                "watermark": max((one.at for one in read), default=_NEVER),
                "listed_all_at": listed_all_at,
                "run_id": ctx.run_id,
            },
        )
        conn.commit()
    if source.contract is not None:
        tally.contract |= drift.of_run(conn, ctx, name, source.contract)
        conn.commit()
    return tally


def _load_deliveries(
    conn: Connection,
    ctx: RunContext,
    name: str,
    judged_by: str,
    waiting: list[list[LakeObject]],
    tally: Tally,
) -> list[LakeObject]:
    """The objects that were read: all, or those up to the one at which a contract stops."""
    total = sum(map(len, waiting))
    ids = iter(conn.execute(query(_FILE, "number_objects"), {"objects_n": total}).scalars().all())
    conn.commit()
    read: list[LakeObject] = []
    source = ctx.config.sources[name]
    limit = ctx.config.ingestion.max_bad_share
    if source.contract is not None and source.contract.max_bad_share is not None:
        limit = source.contract.max_bad_share
    # The connection belongs to the database's thread meanwhile: PostgreSQL takes in what was read
    # while this thread reads on, in the next object too.
    with (
        ctx.progress(f"loading {name}", sum(one.size for d in waiting for one in d), "B") as bar,
        Background() as database,
    ):
        for delivery in waiting:
            objects = [
                Loading(conn, ctx, name, next(ids), listed, judged_by, tally) for listed in delivery
            ]
            reason = _load_delivery(objects, _judge(source), database, max_bad_share=limit)
            read += delivery
            bar.update(sum(listed.size for listed in delivery))
            if reason is not None and source.contract is not None:
                tally.contract["stopped"] = f"{delivery[0].key}: {reason}"
                tally.contract["waiting_objects"] = total - len(read)
                break
    return read


def _judge(source: Source) -> Judge | None:
    """What holds a delivery against the contract of its source; None where there is none."""
    if source.contract is None:
        return None
    from ingestion.contracts import Judge  # Pandera takes a second to import

    return Judge(source, source.contract)


def _load_delivery(
    objects: Sequence[Loading], judge: Judge | None, database: Background, *, max_bad_share: float
) -> str | None:
    """Why the delivery was refused, if it was; all of it in one transaction, or nothing."""
    read = []
    for loading in objects:
        try:
            with loading.stream() as stream:
                database.submit(loading.open)
                loading.read(stream, database, judge)
        except ObjectGone:
            # deleted between listing and reading: nothing to load, and nothing on record to undo
            loading.tally.objects["gone"] += 1
        else:
            read.append(loading)
    reason = refusal(read, judge, max_bad_share=max_bad_share)
    for loading in read:
        database.submit(partial(loading.close, reason))
    for loading in read[-1:]:
        database.submit(loading.commit)
    for loading in read:
        database.submit(partial(loading.count, reason))
    return reason


if __name__ == "__main__":
    from mdm.standalone import main

    main("ingestion")
