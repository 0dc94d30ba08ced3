"""Matching of what is new: pairs that came are scored, pairs that went are dropped.

The pairs that close a proposed group belong to the group: where one gains or loses a pair, its
members are found anew, and the pairs inside it that no rule found are made right.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from db import binary_copy
from db.arrays import are_in, array_of
from db.beside import two_lines
from db.queries import load, query
from matching import engine, group_store, groups, model_store, pair_copy, pair_counts
from matching.closure import closure_pairs
from matching.groups import Groups, Pairs, are_among, distinct, pairs_scored, places
from matching.keys import Ints
from matching.model import MatchModel
from matching.pair_tables import (
    SQL,
    copied_profiles,
    encoded,
    judge_of,
    placed,
)
from matching.profiles import Profiles
from mdm.phases import PhaseReport, RunContext

_CHANGED = ("pg_temp", "changed_pairs")
_RESCORED = ("staging", "rescored_profiles")
_TOLD = (("left", "i8"), ("right", "i8"), ("rule", "i2"), ("change_seq", "i8"))
_ID = (("profile_id", "i8"),)


def run(conn: Connection, ctx: RunContext, *, behind: int) -> PhaseReport | None:
    """How many candidate pairs changed and were scored; None where everything must be scored.

    Follows what blocking has told behind the change number ``behind``. Everything must be scored
    when the pinned model is provisional or lacks an attribute that new profiles have.
    """
    if ctx.config.matching.always_match:
        return None
    judge = judge_of(ctx.config)
    with ctx.progress("matching", 3, "steps") as bar, two_lines(conn) as (writing, reading):
        stored = reading.begin(model_store.pinned)
        told = writing.begin(_Told.read, behind).result()
        pinned = stored.result()
        if pinned is None:
            return None
        model_id, model, found = pinned.model_id, pinned.model, told.rule > 0
        left, right, rule = told.left[found], told.right[found], told.rule[found]
        walk = groups.Walk(told.new)
        halves = np.array_split(_ends_of(left, right, told.new), 2)
        copied = [writing.begin(copied_profiles, halves[0])]
        copied += [reading.begin(copied_profiles, halves[1])]
        # The old scores go while the new ones are made, and where those are likely to tie is read.
        dropping = writing.begin(_drop, told)
        likely = _is_early(rule)
        ahead = reading.begin(walk.read, _ends_of(left[likely], right[likely]))
        profiles = encoded([part.result() for part in copied], ctx.config)
        if not model_store.knows(model, profiles):
            return None
        engine.freeze_words(profiles, model)
        candidates = placed(profiles, left, right, rule)
        scored = engine.judged(profiles, model, candidates, judge)
        went = dropping.result()
        bar.update()
        # The new ones are written while the groups that they change are found, closed and packed.
        writes: list[Future[Any]] = [
            writing.begin(pair_copy.write, scored, profiles.profile_id, model_id)
        ]
        ahead.result()
        change = _Change(pairs_scored(scored, profiles.profile_id), went, told.is_new[found])
        seeds = change.seeds(told.retired)
        walked = reading.begin(walk.groups, seeds, change.came, went).result()
        opened, closed = _closing(walked, engine.raw_bits(judge.review, model))
        between = reading.begin(copied_profiles, _ends([closed]))
        places_of = reading.begin(group_store.read_places, walked.ids)
        same = reading.begin(_same_profiles)
        others = encoded([between.result()], ctx.config)
        closing = _score_closing(others, closed, model, judge)
        closed = pairs_scored(closing, others.profile_id)
        writes.append(writing.begin(_drop_closing, opened))
        writes.append(writing.begin(pair_copy.write, closing, others.profile_id, model_id))
        inner = walked.by_id(walked.inner)
        there = Pairs.joined([inner.where(~are_among(inner, opened)), closed])
        regrouped = group_store.regrouped(places_of.result(), there)
        writes.append(writing.begin(group_store.rewrite, regrouped))
        moved = [change.came, closed], [went, opened]
        writes.append(writing.begin(_count, *moved))
        rescored = _rescored(ctx, change, walked, there, opened, closed, same.result())
        writes.append(writing.begin(_tell, rescored))
        bar.update()
        for one in writes:
            one.result()
        bar.update()
    return PhaseReport(
        len(left),
        len(scored.left) + len(closing.left),
        detail={
            "incremental": True,
            "model": pinned.version,
            "decisions": _decided([scored, closing]),
            "pairs_dropped": len(went) + len(opened),
            "closing_pairs": len(closing.left),
        },
    )


def _decided(every: Sequence[engine.ScoredPairs]) -> dict[str, int]:
    """How many pairs were decided which way, the best first."""
    counts = sum(np.bincount(one.decision, minlength=len(engine.DECISIONS)) for one in every)
    decided = dict(zip(engine.DECISIONS, np.asarray(counts).tolist(), strict=True))
    return {name: decided[name] for name in reversed(engine.DECISIONS)}


def _is_early(rule: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Which pairs the first half of the rules found: most of these tie, and few of the others."""
    rules = np.unique(rule)
    return np.isin(rule, rules[: len(rules) // 2])


@dataclass(frozen=True)
class _Told:
    """What blocking has told: per candidate pair that came, went (rule 0) or changed its rule, how
    it stands now. ``is_new`` where an end is a new profile, so that no score can be there.

    ``new`` and ``retired`` are the profiles that came and went (ids in order).
    """

    left: Ints
    right: Ints
    rule: NDArray[np.int16]
    is_new: NDArray[np.bool_]
    new: Ints
    retired: Ints

    @classmethod
    def read(cls, conn: Connection, behind: int) -> _Told:
        """What was told behind a change number."""
        log = binary_copy.read_parts(conn, load(SQL)["select_changes"], _TOLD, behind=behind)
        new, retired = (
            binary_copy.read_parts(conn, load(SQL)[name], _ID, behind=behind)["profile_id"]
            for name in ("select_new_profiles", "select_retired")
        )
        left, right = log["left"], log["right"]
        order = np.lexsort((log["change_seq"], right, left))
        left, right, rule = left[order], right[order], log["rule"][order]
        last = np.ones(len(left), dtype=bool)
        last[:-1] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
        left, right = left[last], right[last]
        is_new = places(new, left)[1] | places(new, right)[1]
        return cls(left, right, rule[last], is_new, new, retired)


def _drop(conn: Connection, told: _Told) -> Pairs:
    """The changed pairs that had a score; it is dropped."""
    old = ~told.is_new
    conn.execute(query(SQL, "create_changed_pairs"))
    binary_copy.write_columns(
        conn,
        _CHANGED,
        {
            "profile_id_l": told.left[old],
            "profile_id_r": told.right[old],
            "rule_id": told.rule[old],
        },
    )
    conn.execute(query(SQL, "analyse_changed_pairs"))
    rows = binary_copy.read_rows(conn, load(SQL)["drop_changed_pairs"], groups.PAIR)
    return groups.pairs_of(rows)


class _Change:
    """The candidate pairs that came and went, some of them both: then their score is the same."""

    def __init__(self, came: Pairs, went: Pairs, is_new: NDArray[np.bool_]) -> None:
        self.came, self.went = came, went
        self.is_new = is_new
        self.came_anew = ~are_among(came, went)
        self.went_for_good = ~are_among(went, came)

    def seeds(self, retired: Ints) -> Ints:
        """The profiles whose groups may change: at the ends of pairs that tie where none did, or
        did and no longer do, and of those that may have to close a group or need to no more, for
        that they came, or went, or a rule finds them now."""
        came, went = self.came, self.went
        tied = came.ties & ~are_among(came, went.where(went.ties))
        found = are_among(came, went.where(went.closes))
        untied = went.ties & self.went_for_good
        stranger = self.came_anew & ~self.is_new
        left_alone = self.went_for_good & ~went.proposes
        left_alone &= ~places(retired, went.left)[1] & ~places(retired, went.right)[1]
        return _ends([came.where(tied | stranger | found), went.where(untied | left_alone)])


def _closing(walked: Groups, threshold: float) -> tuple[Pairs, Pairs]:
    """The pairs that close groups no more, and those that now do, not scored yet."""
    inner, size = walked.inner, len(walked.ids)
    closes = inner.closes
    candidates = inner.where(~closes)
    found = closure_pairs(
        size,
        candidates.left,
        candidates.right,
        weight=candidates.weight,
        proposes=candidates.proposes,
        threshold=threshold,
    )
    now = np.minimum(*found) * size + np.maximum(*found)
    keys = inner.left * size + inner.right
    opened = inner.where(closes & ~are_in(keys, now))
    left, right = np.divmod(now[~are_in(now, keys[closes])], max(size, 1))
    closed = groups.unscored(left, right)
    return walked.by_id(opened), walked.by_id(closed)


def _score_closing(
    profiles: Profiles, closed: Pairs, model: MatchModel, judge: engine.Judge
) -> engine.ScoredPairs:
    engine.freeze_words(profiles, model)
    rules = np.full(len(closed), engine.CLOSURE_RULE, dtype=np.int16)
    return engine.judged(profiles, model, placed(profiles, closed.left, closed.right, rules), judge)


def _drop_closing(conn: Connection, opened: Pairs) -> None:
    ends = {"left": array_of(opened.left), "right": array_of(opened.right)}
    conn.execute(query(SQL, "drop_closing_pairs"), ends)


def _count(conn: Connection, came: Sequence[Pairs], went: Sequence[Pairs]) -> None:
    counts = pair_counts.read(conn)
    for pairs in came:
        counts = counts.plus(_counted(pairs))
    for pairs in went:
        counts = counts.minus(_counted(pairs))
    pair_counts.write(conn, counts)


def _counted(pairs: Pairs) -> pair_counts.Counts:
    return pair_counts.Counts.of(pairs.decision, pairs.probability, pairs.weight)


def _same_profiles(conn: Connection) -> Ints:
    """The profiles of which a steward called a record the same as another."""
    rows = binary_copy.read_rows(conn, load(SQL)["select_same_profiles"], _ID)
    return rows["profile_id"].astype(np.int64)


def _rescored(
    ctx: RunContext,
    change: _Change,
    walked: Groups,
    there: Pairs,
    opened: Pairs,
    closed: Pairs,
    same: Ints,
) -> list[binary_copy.Field]:
    """The profiles with other scored pairs than before, and where that may regroup customers.

    ``there`` are the pairs inside the groups as they are, of which ``closed`` are new; ``opened``
    went; ``same`` are the profiles that a steward ties.
    Customers are made within what joining pairs tie together. Between profiles that none ties, now
    or before, any other pair says nothing, be it there or not: where ties went, their ends are told
    of, and with them each piece of what they tied. A steward may tie more, and then it may.
    """
    merge_flagged = ctx.config.identity.merge_flagged
    islands = walked.regrouped(there.where(there.joins(merge_flagged=merge_flagged)))
    has_same = np.zeros(len(walked.ids) + 1, dtype=bool)
    has_same[islands.group_of(same)] = True
    has_same[-1] = False  # where what is in no group looks it up

    def may_regroup(pairs: Pairs) -> NDArray[np.bool_]:
        one, other = islands.group_of(pairs.left), islands.group_of(pairs.right)
        same_island: NDArray[np.bool_] = (one >= 0) & (one == other)
        joins = pairs.joins(merge_flagged=merge_flagged)
        return joins | same_island | has_same[one] & has_same[other]

    came, went = change.came, change.went
    new = [came.where(change.came_anew), closed.where(~are_among(closed, went))]
    old = [went.where(change.went_for_good & ~are_among(went, closed)), opened]
    changed = [pairs.where(may_regroup(pairs)) for pairs in (*new, *old)]
    told = _ends([came, went, opened, closed])
    return [
        ("profile_id", "i8", told),
        ("run_id", "i8", ctx.run_id),
        ("may_regroup", "?", places(_ends(changed), told)[1]),
    ]


def _tell(conn: Connection, rescored: list[binary_copy.Field]) -> None:
    """Lists the profiles with other scored pairs than before."""
    conn.execute(query(SQL, "forget_rescored"))
    binary_copy.write(conn, _RESCORED, rescored, len(rescored[0][2]))


def _ends(several: Sequence[Pairs]) -> Ints:
    """The profiles of all these pairs, each once."""
    return _ends_of(*(side for one in several for side in (one.left, one.right)))


def _ends_of(*sides: Ints) -> Ints:
    return distinct(np.concatenate(sides))
