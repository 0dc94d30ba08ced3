"""Phase 5: candidate pairs into scored pairs with a decision, under the pinned model.

A score is a pure function of two profiles and the model, so a night scores only the pairs that
came (:mod:`matching.matching_delta`), when the model stays; otherwise everything is scored here.
"""

from __future__ import annotations

import hashlib
import importlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Thread

import numpy as np
from sqlalchemy import Connection

from db.queries import query
from matching import engine, group_store, matching_delta, model_store, pair_copy, pair_counts
from matching.keys import Ints
from matching.pair_tables import SQL, judge_of, read_both
from matching.rules import RULES_MODEL
from mdm.config import Config
from mdm.phases import PhaseReport, RunContext
from mdm.standalone import main


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """How many candidate pairs went in and scored pairs came out; trains when no model fits."""
    consumed = _consumed(conn, ctx.config)
    if not ctx.full and consumed.is_current:
        return PhaseReport(0, 0, detail={"unchanged": True})
    # It is wanted later, and takes as long to load as the first statements of a night run.
    Thread(target=importlib.import_module, args=("scipy.sparse.csgraph",), daemon=True).start()
    report = None
    if not ctx.full and consumed.is_base:
        settle(conn)
        report = matching_delta.run(conn, ctx, behind=consumed.consumed_seq)
    if report is None:
        report = _run_whole(conn, ctx)
    mark = {
        "change_seq": consumed.change_seq,
        "run_id": ctx.run_id,
        "config_hash": _consumed(conn, ctx.config).digest,
    }
    conn.execute(query(SQL, "mark"), mark)
    return report


def settle(conn: Connection) -> None:
    """Makes the index of scored pairs that only nights need, where it is missing.

    It holds, too, that no pair is there twice. Raises IntegrityError where one is.
    """
    if not conn.execute(query(SQL, "has_pair_index")).scalar_one():
        conn.execute(query(SQL, "create_pair_index"))
        conn.execute(query(SQL, "analyse_pairs"))


def _run_whole(conn: Connection, ctx: RunContext) -> PhaseReport:
    profiles, candidates = read_both(conn, ctx.config)
    judge = judge_of(ctx.config)
    conn.execute(query(SQL, "clear"))
    with (
        ctx.progress("matching", 3, "steps") as bar,
        ThreadPoolExecutor(1) as database,  # one: a connection does one thing at a time
    ):
        if ctx.config.matching.model == "rules":
            model_id = model_store.pin_rules(conn, judge.rules, run_id=ctx.run_id)
            bar.update()
            written = _Written(conn, database, profiles.profile_id, model_id)
            parts = iter([engine.match_by_rules(profiles, judge.rules, RULES_MODEL)])
            version, training = "rules", None
        else:
            model_id, model, training = model_store.fitting(
                conn, profiles, candidates, run_id=ctx.run_id
            )
            version = model.version
            bar.update()
            written = _Written(conn, database, profiles.profile_id, model_id)
            parts = engine.match(profiles, model, candidates, judge)
        conn.execute(query(SQL, "drop_pair_index"))
        for part in parts:
            written.add(part)
        bar.update()
        written.finish()
        conn.execute(query(SQL, "all_rescored"), {"run_id": ctx.run_id})
        bar.update()
    decided = zip(engine.DECISIONS, written.decisions.tolist(), strict=True)
    return PhaseReport(
        len(candidates[0]),
        written.rows_n,
        detail={
            "model": version,
            "decisions": dict(reversed(list(decided))),
            "vetoed": written.vetoed_n,
            "closing_pairs": written.closing_n,
            **({} if training is None else {"training_seconds": round(training, 2)}),
        },
    )


class _Written:
    """What goes into the emptied table of scored pairs, each part while the next ones are scored.

    ``decisions`` counts by place in DECISIONS.
    """

    def __init__(
        self, conn: Connection, database: ThreadPoolExecutor, profile_id: Ints, model_id: int
    ) -> None:
        self._conn, self._database = conn, database
        self._profile_id, self._model_id = profile_id, model_id
        self._underway: deque[Future[None]] = deque()
        self._parts: list[engine.ScoredPairs] = []
        self.rows_n = self.vetoed_n = self.closing_n = 0
        self.decisions = np.zeros(len(engine.DECISIONS), dtype=np.int64)

    def add(self, part: engine.ScoredPairs) -> None:
        """Writes a part behind the one before, and waits for that alone."""
        self._behind(self._write, part)
        self._parts.append(part.briefly())
        self.rows_n += len(part.left)
        self.vetoed_n += int(part.vetoed.sum())
        self.closing_n += int((part.rule == engine.CLOSURE_RULE).sum())
        self.decisions += np.bincount(part.decision, minlength=len(engine.DECISIONS))

    def finish(self) -> None:
        """Writes the groups and the counts of all pairs behind them."""
        found = group_store.grouped(self._profile_id, self._parts)
        self._underway.append(self._database.submit(group_store.write, self._conn, found))
        counts = pair_counts.Counts.none()
        for part in self._parts:
            counts = counts.plus(
                pair_counts.Counts.of(part.decision, part.probability, part.weight)
            )
        while self._underway:
            self._underway.popleft().result()
        pair_counts.write(self._conn, counts)

    def _behind(self, work: Callable[..., None], *args: engine.ScoredPairs) -> None:
        self._underway.append(self._database.submit(work, *args))
        while len(self._underway) > 1:
            self._underway.popleft().result()

    def _write(self, part: engine.ScoredPairs) -> None:
        pair_copy.write(self._conn, part, self._profile_id, self._model_id, first=True)


@dataclass(frozen=True)
class _Consumed:
    """What matching would work on, and what of it it has seen.

    ``is_base``: but for what blocking has told since ``consumed_seq``, the scored pairs are right.
    """

    change_seq: int
    digest: str
    consumed_seq: int
    is_current: bool
    is_base: bool


def _consumed(conn: Connection, config: Config) -> _Consumed:
    row = conn.execute(query(SQL, "consumed")).one()
    parts = [config.matching.model_dump_json(), str(row.blocking_generation), str(row.model_id)]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
    change_seq = int(row.change_seq or 0)
    is_alike = row.config_hash == digest
    return _Consumed(
        change_seq,
        digest,
        consumed_seq=int(row.consumed_seq or 0),
        is_current=is_alike and row.consumed_seq == change_seq,
        is_base=is_alike and row.blocking_generation is not None,
    )


if __name__ == "__main__":
    main("matching")
