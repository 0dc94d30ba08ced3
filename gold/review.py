"""The steward's review queue (phase 10).

Reads doubtful pairs, identity and link decisions; writes ``gold.steward_review_queue``. Its rows
keep their state across runs: OPEN until a steward answers (DONE) or the evidence goes (GONE). What
waits beyond ``[quality] review_limit`` is counted in the report and moves up as rows end.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection

from db.queries import query
from gold import state
from gold.run_quality_metrics import signature
from mdm.phases import PhaseReport, RunContext

_FILE = "gold/review.sql"
#: What of the signature another model or configuration moves: then all is looked at anew.
_RULES: Final = ("model_id", "auto_merge", "review_limit")
#: A customer of this many different profiles is worth a look, however well its links score.
LARGE_PROFILES: Final = 25


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """What waits: subjects found, rows opened and ended. Writes nothing when nothing has moved."""
    limits = {
        "auto_merge": ctx.config.matching.auto_merge,
        "review_limit": ctx.config.quality.review_limit,
    }
    now = signature(conn) | limits
    before = state.marks(conn, "review")
    beyond: int | None = before.pop("beyond", None) if before else None
    if before == now:
        return PhaseReport(rows_in=0, rows_out=0)
    conn.execute(query(_FILE, "drop_work"))
    everyone = not _may_look_at_some(conn, before, now, beyond=beyond)
    waiting = _find(conn, before or {}, everyone=everyone, auto_merge=limits["auto_merge"])
    moment = {"as_of": ctx.as_of, "run_id": ctx.run_id}
    ended = conn.execute(query(_FILE, "end_reviews"), {**moment, "everyone": everyone}).rowcount
    conn.execute(query(_FILE, "refresh_reviews"), moment)
    opened = conn.execute(
        query(_FILE, "open_reviews"), {**moment, "review_limit": limits["review_limit"]}
    ).rowcount
    former = 0 if everyone or beyond is None else beyond
    beyond = former + int(conn.execute(query(_FILE, "count_beyond")).scalar_one())
    state.write(conn, "review", run_id=ctx.run_id, marks=now | {"beyond": beyond})
    conn.execute(query(_FILE, "drop_work"))
    return PhaseReport(
        rows_in=waiting,
        rows_out=opened,
        detail={"waiting": waiting, "reviews_opened": opened, "reviews_ended": ended},
    )


def _may_look_at_some(
    conn: Connection, before: dict[str, Any] | None, now: dict[str, Any], *, beyond: int | None
) -> bool:
    """Whether it is enough to look at the customers that were moved since the last look.

    Where no pairs came (stewards were at work) it is, unless the queue runs low while ``beyond``
    more waited than it may hold. A night's pairs may join any customers: it looks at all, except
    while the queue is full and more wait than it may hold. Then there is no room for what it would
    find; its own customers are looked at all the same, and the others when the queue runs low.
    """
    if before is None or beyond is None or any(before[mark] != now[mark] for mark in _RULES):
        return False
    given = {
        "touched_id": before["touched_id"],
        "has_other_pairs": before["pairs"] != now["pairs"],
        "beyond": beyond,
        "review_limit": now["review_limit"],
    }
    return bool(conn.execute(query(_FILE, "may_look_at_some"), given).scalar_one())


def _find(conn: Connection, before: dict[str, Any], *, everyone: bool, auto_merge: float) -> int:
    """How many wait, now listed in the work table ``gold_waiting``."""
    seen = {
        # of nothing where everyone is looked at
        "touched_id": None if everyone else before["touched_id"],
        "decision_id": None if everyone else before["decision_id"] or 0,
    }
    conn.execute(query(_FILE, "create_stirred"), seen)
    conn.execute(
        query(_FILE, "create_doubtful" if everyone else "create_doubtful_of_stirred"),
        {"large_profiles": LARGE_PROFILES, "auto_merge": auto_merge},
    )
    conn.execute(query(_FILE, "create_needed"))
    conn.execute(query(_FILE, "create_homes" if everyone else "create_homes_by_input"))
    waiting = conn.execute(query(_FILE, "create_waiting"), {"everyone": everyone}).rowcount
    conn.execute(query(_FILE, "analyze_waiting"))
    return waiting
