"""Matching of what is new: pairs that came are scored, pairs that went are dropped.

The pairs that close a proposed group belong to the group: where one gains or loses a pair, its
members are found anew, and the pairs inside it that no rule found are made right.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from sqlalchemy import Connection

from db.queries import load, query
from matching import binary_copy, engine, model_store, pair_copy
from matching.closure import closure_pairs
from matching.keys import Ints
from matching.model import MatchModel
from matching.pair_tables import SQL, judge_of, positions, read_candidates, read_profiles
from mdm.phases import PhaseReport, RunContext

_WANTED = ("pg_temp", "wanted_profiles")
_SEEDS = ("pg_temp", "group_seeds")
_CLOSING = ("pg_temp", "closing_pairs")
_INNER = (
    ("profile_id_l", "i8"),
    ("profile_id_r", "i8"),
    ("rule_id", "i2"),
    ("match_weight", "f4"),
    ("proposes", "?"),
)


def run(conn: Connection, ctx: RunContext, *, behind: int) -> PhaseReport | None:
    """How many candidate pairs changed and were scored; None where everything must be scored.

    Follows what blocking has told behind the change number ``behind``. Everything must be scored
    when the pinned model is provisional or lacks an attribute that new profiles have.
    """
    pinned = model_store.pinned(conn)
    if pinned is None or ctx.config.matching.always_match:
        return None
    model_id, model = pinned.model_id, pinned.model
    conn.execute(query(SQL, "drop_temporary"))
    conn.execute(query(SQL, "create_changed_pairs"), {"behind": behind})
    conn.execute(query(SQL, "create_wanted_profiles"), {"behind": behind})
    profiles = read_profiles(conn, ctx.config, some=True)
    if not model_store.knows(model, profiles):
        return None
    judge = judge_of(ctx.config)
    with ctx.progress("matching", 3, "steps") as bar:
        engine.freeze_words(profiles, model)
        candidates = read_candidates(conn, profiles, changed=True)
        pairs = engine.judged(profiles, model, candidates, judge)
        bar.update()
        dropped_n = conn.execute(query(SQL, "drop_changed_pairs")).scalar_one()
        pair_copy.write(conn, pairs, profiles.profile_id, model_id)
        _seed_groups(conn, pairs, profiles.profile_id)
        bar.update()
        closing, gone_n = _close(conn, ctx, model, model_id)
        conn.execute(query(SQL, "some_rescored"), {"run_id": ctx.run_id})
        conn.execute(query(SQL, "drop_temporary"))
        bar.update()
    scored = [pairs] if closing is None else [pairs, closing]
    decided = sum(
        (Counter(np.array(engine.DECISIONS)[one.decision].tolist()) for one in scored), Counter()
    )
    return PhaseReport(
        len(candidates[0]),
        sum(len(one.left) for one in scored),
        detail={
            "incremental": True,
            "model": pinned.version,
            "decisions": {name: decided[name] for name in reversed(engine.DECISIONS)},
            "pairs_dropped": dropped_n + gone_n,
            "closing_pairs": 0 if closing is None else len(closing.left),
        },
    )


def _seed_groups(conn: Connection, pairs: engine.ScoredPairs, profile_id: Ints) -> None:
    """Lists the ends of the pairs that tie groups."""
    ties = pairs.decision > 0
    ends = np.unique(profile_id[np.concatenate([pairs.left[ties], pairs.right[ties]])])
    binary_copy.write(conn, _SEEDS, [("profile_id", "i8", ends)], len(ends))


def _close(
    conn: Connection, ctx: RunContext, model: MatchModel, model_id: int
) -> tuple[engine.ScoredPairs | None, int]:
    """The pairs that now close groups and did not before, and how many no longer do."""
    judge = judge_of(ctx.config)
    conn.execute(query(SQL, "create_stirred_profiles"))
    step = 0
    while conn.execute(query(SQL, "stir_partners"), {"step": step}).rowcount:
        step += 1
    conn.execute(query(SQL, "analyse_stirred_profiles"))
    rows = binary_copy.read(conn, load(SQL)["select_inner_pairs"], _INNER)
    closes = rows["rule_id"] == engine.CLOSURE_RULE
    ids = np.unique(np.concatenate([rows["profile_id_l"], rows["profile_id_r"]]).astype(np.int64))
    left, right = (np.searchsorted(ids, rows[side]) for side in ("profile_id_l", "profile_id_r"))
    found = closure_pairs(
        len(ids),
        left[~closes],
        right[~closes],
        weight=rows["match_weight"][~closes].astype(np.float32),
        proposes=rows["proposes"][~closes],
        threshold=engine.raw_bits(judge.review, model),
    )
    now = np.minimum(*found) * len(ids) + np.maximum(*found)
    before = left[closes] * len(ids) + right[closes]
    went, came = np.setdiff1d(before, now), np.setdiff1d(now, before)
    _list_closing(conn, ids, went)
    conn.execute(query(SQL, "drop_closing_pairs"))
    if not came.size:
        return None, len(went)
    sides = np.divmod(came, len(ids))
    profile_ids = ids[np.concatenate(sides)]
    wanted = np.unique(profile_ids)
    conn.execute(query(SQL, "empty_wanted_profiles"))
    binary_copy.write(conn, _WANTED, [("profile_id", "i8", wanted)], len(wanted))
    profiles = read_profiles(conn, ctx.config, some=True)
    engine.freeze_words(profiles, model)
    one, other = np.split(positions(profiles, profile_ids), 2)
    rule = np.full(len(one), engine.CLOSURE_RULE, dtype=np.int16)
    pairs = engine.judged(profiles, model, (one, other, rule), judge)
    pair_copy.write(conn, pairs, profiles.profile_id, model_id)
    _list_closing(conn, ids, came)
    return pairs, len(went)


def _list_closing(conn: Connection, ids: Ints, pairs: Ints) -> None:
    """Adds pairs of positions in ``ids``, packed into one number each, to those that change."""
    left, right = np.divmod(pairs, max(len(ids), 1))
    fields: list[binary_copy.Field] = [
        ("profile_id_l", "i8", ids[left]),
        ("profile_id_r", "i8", ids[right]),
    ]
    binary_copy.write(conn, _CLOSING, fields, len(pairs))
