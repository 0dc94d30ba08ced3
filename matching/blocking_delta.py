"""Blocking of what is new: new profiles come into the blocks, retired ones leave them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from itertools import cycle

import numpy as np
from sqlalchemy import Connection

from db import binary_copy
from db.queries import query
from matching import blocking_tables as tables
from matching import key_store
from matching.blocking_keys import GONE_PROFILES, NEW_PROFILES, STIRRED_PROFILES
from matching.blocking_plan import Plan
from matching.blocks import PairsByRule
from matching.keys import NONE, Ints, Keys, Mask, Sought
from matching.reblocking import KeptKeys, Limits, Reblocked, beyond, reblock, touched
from mdm.phases import PhaseReport, RunContext

_LEFT = ("pg_temp", "left_pairs")
_CHANGES = ("staging", "blocked_pair_changes")
_GONE = 0  # the rule number of a pair that is no candidate any more
_LONGEST_TAIL = 0.125
"""The share of a rule's keys that may have come after the others before all are written as one."""


def run(
    connections: Sequence[Connection], ctx: RunContext, chosen: Plan, feed: tables.Feed
) -> PhaseReport:
    """How many profiles came and went, and pairs came and went; brings the tables up to date.

    The first of the ``connections`` writes, all read the stored keys.
    """
    conn = connections[0]
    names = dict(chosen.rules)
    with ctx.progress("blocking", 4, "steps") as bar:
        added = _keys(conn, ctx, chosen, NEW_PROFILES)
        lost = _keys(conn, ctx, chosen, GONE_PROFILES)
        bar.update()
        stored, kept = _kept(connections, chosen, feed)
        bar.update()
        counts = {one.rule_id: one for one in _counts(conn)}
        retired = _retired(conn, feed, feed.consumed_seq, feed.change_seq)
        with ExitStack() as threads:  # they find while what they have found is looked at
            databases = [threads.enter_context(ThreadPoolExecutor(1)) for _ in connections]
            for (rule, one), database in zip(stored.items(), cycle(databases), strict=False):
                if isinstance(one.first, Sought):
                    one.first.look_ahead(touched(added[rule], lost[rule]), database)
            # All that is sought ahead is there before `refine` asks the database again.
            outcome = reblock(
                kept,
                added,
                lost,
                retired=retired,
                blocks_by_size={rule: one.blocks_by_size for rule, one in counts.items()},
                limits=Limits(
                    ctx.config.matching.max_block_size, chosen.budget, feed.largest_block
                ),
                refine=lambda entries: tables.refine(conn, entries),
                keys_of=lambda profile_ids: _keys_of(conn, ctx, chosen, profile_ids),
            )
        bar.update()
        _store_keys(conn, feed, stored, added, kept.gone | retired)
        _store_refined(conn, feed, outcome)
        gone_n = _store_pairs(conn, feed, outcome)
        came_n, left_n = (
            np.bincount(rule_ids, minlength=tables.RULES_END)
            for _, _, rule_ids in (outcome.came, outcome.left)
        )
        tables.write_rules(
            conn,
            [
                replace(
                    counts[rule],
                    keys_n=counts[rule].keys_n + outcome.keys_n[rule],
                    new_pairs_n=counts[rule].new_pairs_n + int(came_n[rule] - left_n[rule]),
                    blocks_by_size=outcome.blocks_by_size[rule],
                )
                for rule in names
            ],
            outcome.largest,
        )
        _forget_oversized(conn, outcome)
        oversized_n = tables.write_oversized(conn, ctx, outcome.touched, outcome.largest)
        tables.write_state(conn, generation=None, largest=outcome.largest, chosen=chosen)
        conn.execute(query(tables.SQL, "forget_gone_profiles"))
        bar.update()
    return PhaseReport(
        feed.new_n + feed.retired_n,
        len(outcome.came[0]) + gone_n,
        detail={
            "incremental": True,
            "profiles_new": feed.new_n,
            "profiles_retired": feed.retired_n,
            "pairs_gone": gone_n,
            "largest_block": outcome.largest,
            "oversized_blocks_touched": oversized_n,
            "pair_budget": chosen.budget,
        },
    )


def _keys(conn: Connection, ctx: RunContext, chosen: Plan, of: str) -> dict[int, Keys]:
    """By rule the keys of the profiles in a table."""
    return {
        number: Keys.of_wire(tables.read_entries(conn, ctx.config, (number, name), of=of))
        for number, name in chosen.rules
    }


def _keys_of(conn: Connection, ctx: RunContext, chosen: Plan, profile_ids: Ints) -> dict[int, Keys]:
    """By rule the keys of some profiles that live."""
    if not profile_ids.size:
        return {number: NONE for number, _ in chosen.rules}
    wanted = {"profile_ids": profile_ids.tolist()}
    conn.execute(query(tables.SQL, "create_stirred_profiles"), wanted)
    return _keys(conn, ctx, chosen, STIRRED_PROFILES)


def _kept(
    connections: Sequence[Connection], chosen: Plan, feed: tables.Feed
) -> tuple[dict[int, key_store.Stored], KeptKeys]:
    """What is stored of each rule, and how it is looked at: by each connection in turn."""
    conn = connections[0]
    stored = {
        number: key_store.read(reader, number, refined=False)
        for (number, _), reader in zip(chosen.rules, cycle(connections), strict=False)
    }
    refined = {number: key_store.read(conn, number, refined=True) for number, _ in chosen.rules}
    written = {feed.consumed_seq}.union(
        *(one.written for one in (*stored.values(), *refined.values()))
    )
    kept = KeptKeys(
        {number: (one.first, one.later) for number, one in stored.items()},
        {number: Keys.joined([one.first.whole(), one.later]) for number, one in refined.items()},
        _retired(conn, feed, min(written), feed.consumed_seq),
    )
    return stored, kept


def _retired(conn: Connection, feed: tables.Feed, behind: int, until: int) -> Mask:
    """The profiles that were retired behind one change number, until another."""
    rows = conn.execute(query(tables.SQL, "retired"), {"behind": behind, "until": until})
    mask = np.zeros(feed.last_profile_id + 1, dtype=bool)
    mask[rows.scalars().all()] = True
    return mask


def _counts(conn: Connection) -> list[tables.RuleCounts]:
    return [
        tables.RuleCounts(
            rule_id=row.rule_id,
            name=row.name,
            keys_n=row.keys_n,
            new_pairs_n=row.new_pairs_n,
            blocks_by_size=np.array([0, *row.blocks_by_size], dtype=np.int64),
        )
        for row in conn.execute(query(tables.SQL, "select_rules"))
    ]


def _store_keys(
    conn: Connection,
    feed: tables.Feed,
    stored: Mapping[int, key_store.Stored],
    added: Mapping[int, Keys],
    gone: Mask,
) -> None:
    """Adds the new keys. One rule a night, if any, gets all its keys written as one again."""
    shares = {
        rule: (len(stored[rule].later) + len(new)) / (1 + stored[rule].first_n)
        for rule, new in added.items()
    }
    longest = max(shares, key=shares.__getitem__)
    for rule, new in added.items():
        if rule == longest and shares[rule] > _LONGEST_TAIL:
            every = Keys.joined([stored[rule].first.whole(), stored[rule].later, new])
            key_store.forget(conn, rule, refined=False)
            living = every.where(~gone[every.profile_ids])
            key_store.write_first(conn, rule, living, change_seq=feed.change_seq)
        else:
            key_store.write(conn, rule, new, change_seq=feed.change_seq, refined=False)


def _store_refined(conn: Connection, feed: tables.Feed, outcome: Reblocked) -> None:
    """Writes the keys that cut blocks over the cap: few, so all of them."""
    for rule, entries in outcome.refined.items():
        key_store.forget(conn, rule, refined=True)
        key_store.write(conn, rule, entries, change_seq=feed.change_seq, refined=True)


def _forget_oversized(conn: Connection, outcome: Reblocked) -> None:
    """Forgets what was done about touched blocks."""
    for rule_id, keys in outcome.were_over:
        if keys.size:
            touched = {"rule_id": rule_id, "keys": keys.tolist()}
            conn.execute(query(tables.SQL, "delete_oversized"), touched)


def _store_pairs(conn: Connection, feed: tables.Feed, outcome: Reblocked) -> int:
    """How many pairs are no candidates any more; writes pairs and the log of their changes."""
    conn.execute(query(tables.SQL, "forget_followed_changes"))
    if len(outcome.left[0]):
        conn.execute(query(tables.SQL, "create_left_pairs"))
        binary_copy.write(conn, _LEFT, _sides(outcome.left), len(outcome.left[0]))
        conn.execute(query(tables.SQL, "delete_left_pairs"))
        conn.execute(query(tables.SQL, "drop_left_pairs"))
    tables.write_pairs(conn, [outcome.came])
    gone = beyond(outcome.left, outcome.came, by_rule=False)
    for pairs, rule_ids in ((outcome.came, outcome.came[2]), (gone, _GONE)):
        fields: list[binary_copy.Field] = [
            *_sides(pairs),
            ("rule_id", "i2", rule_ids),
            ("change_seq", "i8", feed.change_seq),
        ]
        binary_copy.write(conn, _CHANGES, fields, len(pairs[0]))
    return len(gone[0])


def _sides(pairs: PairsByRule) -> list[binary_copy.Field]:
    return [("profile_id_l", "i8", pairs[0]), ("profile_id_r", "i8", pairs[1])]
