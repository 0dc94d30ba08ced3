"""Phase 4.5: candidate pairs of profiles, by ordered rules in SQL, within a budget of pairs.

PostgreSQL makes the keys of a rule, arrays bring equal ones together. The first blocking does so
for all profiles (:mod:`matching.blocking_whole`), the next ones for what is new
(:mod:`matching.blocking_delta`); the candidate pairs are the same.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from db.queries import query
from matching import blocking_delta, blocking_whole
from matching.blocking_plan import Plan, digest, plan
from matching.blocking_tables import SQL, Feed
from mdm.phases import PhaseReport, RunContext
from mdm.standalone import main

LARGEST_DELTA: Final = 0.25
"""The share of new and retired profiles from which on making everything anew costs less."""


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """How many profiles went in and pairs came out; writes the blocking tables."""
    now = conn.execute(query(SQL, "consumed")).one()
    signature = digest(ctx.config)
    if not ctx.full and (now.consumed_seq, now.config_hash) == (now.change_seq, signature):
        return PhaseReport(0, 0, detail={"unchanged": True})
    fill = conn.execute(query(SQL, "fill")).one()
    chosen = plan(fill, ctx.config)
    feed = None
    if not ctx.full and now.config_hash == signature:
        feed = _feed(conn, chosen, now.consumed_seq, now.change_seq, fill.profiles_n)
    if feed is None:
        report = blocking_whole.run(conn, ctx, chosen, fill.profiles_n, now.change_seq)
    else:
        report = blocking_delta.run(conn, ctx, chosen, feed)
    mark = {"change_seq": now.change_seq, "run_id": ctx.run_id, "config_hash": signature}
    conn.execute(query(SQL, "mark"), mark)
    return report


def _feed(
    conn: Connection, chosen: Plan, consumed_seq: int, change_seq: int, profiles_n: int
) -> Feed | None:
    """What is new since the last blocking; None when that is no base to build on.

    It is none when it is not there, or used other rules, or when most of the profiles are new.
    """
    state = conn.execute(query(SQL, "state")).one_or_none()
    if state is None or list(state.rule_ids) != [number for number, _ in chosen.rules]:
        return None
    between = {"consumed_seq": consumed_seq, "change_seq": change_seq}
    size = conn.execute(query(SQL, "size_of_delta"), between).one()
    if size.new_n + size.retired_n > LARGEST_DELTA * profiles_n:
        return None
    return Feed(
        consumed_seq=consumed_seq,
        change_seq=change_seq,
        largest_block=state.largest_block,
        last_profile_id=size.last_profile_id,
        new_n=size.new_n,
        retired_n=size.retired_n,
    )


if __name__ == "__main__":
    main("blocking")
