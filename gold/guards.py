"""Source guards: a source that looks broken stops the run before gold is published.

Two things are measured against what gold was last published from: a source that lost most of its
live records, and a delivery that lost a field nearly all earlier ones had filled. Both use
``[quality] max_source_drop``. A held run rolls back, so the figures to compare with stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from sqlalchemy import Connection

from db.queries import query
from gold import state
from mdm.errors import PublishHeld
from mdm.phases import RunContext

_FILE = "gold/guards.sql"
#: Below this many records a share says nothing: a source of three records may lose them all.
MIN_RECORDS: Final = 20
#: A field is part of a source when at least this share of its records had it filled.
USUAL_FILL: Final = 0.5


def check_sources(conn: Connection, ctx: RunContext, *, change_seq: int) -> None:
    """Let the run go on, with the volumes of this publication on record.

    A run that is not guarded (a delivery taken back, a plan applied) goes on whatever is found.
    Raises PublishHeld that names source, figures and the way to publish all the same.
    """
    before = state.marks(conn, "golden")
    since = before["change_seq"] if before else 0
    if before and since == change_seq:
        return
    drop = ctx.config.quality.max_source_drop
    counted = before.get("record_id", 0) if before else 0
    seen = {"change_seq": since, "record_id": counted}
    volumes = conn.execute(query(_FILE, "source_volumes"), seen).all()
    reasons = [reason for row in volumes for reason in _faults(row._asdict(), max_drop=drop)]
    if reasons and ctx.guarded:
        raise PublishHeld(
            reasons,
            hint="If the sources are right, set [quality] max_source_drop = 1.0 for one run; "
            "else repair or retract the delivery and run again. Gold is as it was.",
        )
    for row in volumes:
        conn.execute(
            query(_FILE, "keep_volume"),
            {
                "source": row.source,
                "record_n": row.record_n,
                "live_n": row.live_n,
                "delivered_n": row.former_delivered_n + row.delivered_n,
                "filled": orjson.dumps(_sum(row.former_filled, row.filled)).decode(),
                "run_id": ctx.run_id,
            },
        )


def _faults(volume: Mapping[str, Any], *, max_drop: float) -> list[str]:
    """What is wrong with one source, in words; empty when nothing is."""
    faults = []
    had, has = volume["former_live_n"], volume["live_n"]
    if had >= MIN_RECORDS and had - has > max_drop * had:
        faults.append(f"source {volume['source']} lost {had - has} of its {had} records")
    delivered, earlier = volume["delivered_n"], volume["former_delivered_n"]
    if min(delivered, earlier) >= MIN_RECORDS:
        for attribute, n in volume["former_filled"].items():
            usual = n / earlier
            now = volume["filled"][attribute] / delivered
            if usual >= USUAL_FILL and usual - now > max_drop * usual:
                faults.append(
                    f"source {volume['source']} lost the field {attribute}: "
                    f"{usual:.0%} of its records had it, {now:.0%} of the new ones do"
                )
    return faults


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}
