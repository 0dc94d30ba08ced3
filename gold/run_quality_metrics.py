"""Figures per run: match confidence, data quality, overrides (phase 10).

Reads the counts of scored pairs, gold, its events and the overrides; writes
``gold.match_confidence_metrics``, ``gold.data_quality_metrics`` and
``gold.steward_override_metrics``, keyed by run, and only when what they are made from has moved
since the last figures. What single link decisions move does not show in a share of all customers,
and counting these would cost more than the decision: such figures are made with the next delivery,
or when enough has come together. How well customers are filled follows the change events from the
figures before; counted from gold itself, it comes to the same.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection

from db.queries import query
from gold import state
from mdm.phases import PhaseReport, RunContext

_FILE = "gold/metrics.sql"
#: What scored pairs are made from: where it has not moved, neither have they.
_PAIRS = ("pairs", "model_id")
#: What of the signature stewards do not move by saying who is who.
_NOT_BY_LINKS = (*_PAIRS, "change_seq", "override_id")
#: The share of all customers that may be rebuilt before figures are made anew.
UNSEEN_SHARE: Final = 0.001
#: Events since the last figures beside all customers, up to which to follow them is less work.
FOLLOWED_SHARE: Final = 0.1


def signature(conn: Connection) -> dict[str, Any]:
    """What the figures and the review queue are made from: equal signature, equal outcome."""
    return dict(conn.execute(query(_FILE, "signature")).one()._mapping)


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """How many figures were written; none when nothing has moved."""
    before, now = state.marks(conn, "metrics"), signature(conn)
    # what the figures of pairs and of customers are of
    matches = before.pop("matches", None) if before is not None else None
    event_seq = before.pop("event_seq", None) if before is not None else None
    if before == now:
        return PhaseReport(rows_in=0, rows_out=0)
    if before is not None and _is_too_little(conn, before, now):
        return PhaseReport(rows_in=0, rows_out=0)
    moment = {"run_id": ctx.run_id, "as_of": ctx.as_of}
    written = 0
    pairs = {mark: now[mark] for mark in _PAIRS}
    if matches != pairs:
        written += conn.execute(query(_FILE, "measure_matches"), moment).rowcount
    reach = {"event_seq": event_seq, "share": FOLLOWED_SHARE}
    told = conn.execute(query(_FILE, "followable"), reach).one()
    if told.can_follow:
        conn.execute(query(_FILE, "follow_filled"), {"event_seq": event_seq})
    else:
        conn.execute(query(_FILE, "count_filled"))
    written += conn.execute(query(_FILE, "measure_quality"), moment).rowcount
    written += conn.execute(query(_FILE, "measure_overrides"), moment).rowcount
    marks = now | {"matches": pairs, "event_seq": told.event_seq}
    state.write(conn, "metrics", run_id=ctx.run_id, marks=marks)
    return PhaseReport(rows_in=0, rows_out=written, detail={"figures": written})


def _is_too_little(conn: Connection, before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether only link decisions, on fewer customers than a share of all shows, came since."""
    if any(before.get(mark) != now[mark] for mark in _NOT_BY_LINKS):
        return False
    touched = conn.execute(query(_FILE, "touched"), {"touched_id": before["touched_id"]}).one()
    return not touched.everyone and touched.rebuilt_n < UNSEEN_SHARE * touched.customer_n


if __name__ == "__main__":
    from mdm.standalone import main

    main("quality")
