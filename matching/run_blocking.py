"""Phase 4.5: candidate pairs of profiles, by ordered rules in SQL, within a budget of pairs.

PostgreSQL makes the keys of a rule, arrays bring equal ones together. The first blocking does so
for all profiles (:mod:`matching.blocking_whole`), the next ones for what is new
(:mod:`matching.blocking_delta`); the candidate pairs are the same.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from db.beside import readers
from db.queries import query
from matching import blocking_delta, blocking_whole
from matching.blocking_keys import GONE_PROFILES, NEW_PROFILES
from matching.blocking_plan import digest, plan
from matching.blocking_tables import SQL, Feed, fill
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
    feed = None
    if not ctx.full and now.config_hash == signature:
        feed = _feed(conn, now.consumed_seq, now.change_seq)
    with readers(conn) as connections:  # before anything is written
        chosen = plan(_fill(conn, feed), ctx.config)
        if feed is None or feed.rule_ids != tuple(number for number, _ in chosen.rules):
            report = blocking_whole.run(connections, ctx, chosen, now.change_seq)
        else:
            settle(conn)
            report = blocking_delta.run(connections, ctx, chosen, feed)
    conn.execute(query(SQL, "drop_profiles"))
    mark = {"change_seq": now.change_seq, "run_id": ctx.run_id, "config_hash": signature}
    conn.execute(query(SQL, "mark"), mark)
    return report


def settle(conn: Connection) -> None:
    """Makes the index of candidate pairs that only nights need, where it is missing."""
    if not conn.execute(query(SQL, "has_pair_index")).scalar_one():
        conn.execute(query(SQL, "create_pair_index"))
        conn.execute(query(SQL, "analyse_pairs"))


def _feed(conn: Connection, consumed_seq: int, change_seq: int) -> Feed | None:
    """What is new since the last blocking; None when there was none or most profiles are new."""
    state = conn.execute(query(SQL, "state")).one_or_none()
    if state is None:
        return None
    between = {"consumed_seq": consumed_seq, "change_seq": change_seq}
    size = conn.execute(query(SQL, "size_of_delta"), between).one()
    if size.new_n + size.retired_n > LARGEST_DELTA * (state.fill["profiles_n"] + size.new_n):
        return None
    return Feed(
        consumed_seq=consumed_seq,
        change_seq=change_seq,
        largest_block=state.largest_block,
        last_profile_id=size.last_profile_id,
        new_n=size.new_n,
        retired_n=size.retired_n,
        rule_ids=tuple(state.rule_ids),
        fill=state.fill,
    )


def _fill(conn: Connection, feed: Feed | None) -> dict[str, int]:
    """How many profiles there are, and with each attribute: by what came and went, or counted."""
    if feed is None:
        return fill(conn)
    conn.execute(query(SQL, "create_new_profiles"), {"consumed": feed.consumed_seq})
    conn.execute(query(SQL, "forget_unblocked"), {"consumed": feed.consumed_seq})
    came, went = fill(conn, NEW_PROFILES), fill(conn, GONE_PROFILES)
    return {name: n + came[name] - went[name] for name, n in feed.fill.items()}


if __name__ == "__main__":
    main("blocking")
