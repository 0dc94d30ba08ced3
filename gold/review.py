"""The steward's review queue (phase 10).

Reads doubtful pairs, identity and link decisions; writes ``gold.steward_review_queue``. Its rows
keep their state across runs: OPEN until a steward answers (DONE) or the evidence goes (GONE). What
waits beyond ``[quality] review_limit`` is counted in the report and moves up as rows end.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from db import bulk
from db.queries import query
from gold import state
from gold.run_quality_metrics import signature
from mdm.phases import PhaseReport, RunContext

_FILE = "gold/review.sql"
_DROP_WAITING = "DROP TABLE IF EXISTS pg_temp.gold_waiting"
#: A customer of this many different profiles is worth a look, however well its links score.
LARGE_PROFILES: Final = 25


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """What waits: subjects found, rows opened and ended. Writes nothing when nothing has moved."""
    limits = {
        "auto_merge": ctx.config.matching.auto_merge,
        "review_limit": ctx.config.quality.review_limit,
    }
    now = signature(conn) | limits
    if state.marks(conn, "review") == now:
        return PhaseReport(rows_in=0, rows_out=0)
    bulk.execute(conn, _DROP_WAITING)
    waiting = conn.execute(
        query(_FILE, "create_waiting"),
        {"large_profiles": LARGE_PROFILES, "auto_merge": limits["auto_merge"]},
    ).rowcount
    bulk.execute(conn, "ANALYZE pg_temp.gold_waiting (subject_key)")
    moment = {"as_of": ctx.as_of, "run_id": ctx.run_id}
    ended = conn.execute(query(_FILE, "end_reviews"), moment).rowcount
    conn.execute(query(_FILE, "refresh_reviews"), moment)
    opened = conn.execute(
        query(_FILE, "open_reviews"), {**moment, "review_limit": limits["review_limit"]}
    ).rowcount
    state.write(conn, "review", run_id=ctx.run_id, marks=now)
    bulk.execute(conn, _DROP_WAITING)
    return PhaseReport(
        rows_in=waiting,
        rows_out=opened,
        detail={"waiting": waiting, "reviews_opened": opened, "reviews_ended": ended},
    )
