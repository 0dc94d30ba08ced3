"""Phase 5: candidate pairs into scored pairs with a decision, under the pinned model."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sqlalchemy import Connection

from db import bulk
from db.queries import load, query
from matching import binary_copy, engine, model_store, pair_copy
from matching.profiles import Profiles
from matching.rules import RULES_MODEL, ExactRules
from mdm.config import Config
from mdm.phases import PhaseReport, RunContext
from mdm.standalone import main

_SQL = "matching/matching.sql"
_CANDIDATE = (("profile_id_l", "i8"), ("profile_id_r", "i8"), ("rule_id", "i2"))


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """How many candidate pairs went in and scored pairs came out; trains when no model fits."""
    consumed = _consumed(conn, ctx.config)
    if not ctx.full and consumed.is_current:
        return PhaseReport(0, 0, detail={"unchanged": True})
    profiles = read_profiles(conn, ctx.config)
    candidates = read_candidates(conn, profiles)
    rules = ExactRules(ctx.config.matching.always_match, ctx.config.matching.never_match)
    conn.execute(query(_SQL, "clear"))
    with ctx.progress("matching", 3, "steps") as bar:
        if ctx.config.matching.model == "rules":
            model_id = model_store.pin_rules(conn, rules, run_id=ctx.run_id)
            bar.update()
            pairs = engine.match_by_rules(profiles, rules, RULES_MODEL)
            version = "rules"
        else:
            model_id, model = model_store.fitting(conn, profiles, candidates, run_id=ctx.run_id)
            version = model.version
            bar.update()
            pairs = engine.match(
                profiles,
                model,
                candidates,
                rules=rules,
                auto_merge=ctx.config.matching.auto_merge,
                review=ctx.config.matching.review,
            )
        bar.update()
        written = pair_copy.write(conn, pairs, profiles.profile_id, model_id)
        bar.update()
    mark = {
        "change_seq": consumed.change_seq,
        "run_id": ctx.run_id,
        "config_hash": _consumed(conn, ctx.config).digest,
    }
    conn.execute(query(_SQL, "mark"), mark)
    decided = Counter(np.array(engine.DECISIONS)[pairs.decision].tolist())
    return PhaseReport(
        len(candidates[0]),
        written,
        detail={
            "model": version,
            "decisions": {name: decided[name] for name in reversed(engine.DECISIONS)},
            "vetoed": int(pairs.vetoed.sum()),
            "closing_pairs": int((pairs.rule == engine.CLOSURE_RULE).sum()),
        },
    )


@dataclass(frozen=True)
class _Consumed:
    """What matching would work on, and whether it has done so already."""

    change_seq: int
    digest: str
    is_current: bool


def _consumed(conn: Connection, config: Config) -> _Consumed:
    row = conn.execute(query(_SQL, "consumed")).one()
    parts = [config.matching.model_dump_json(), str(row.blocking_run), str(row.model_id)]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
    change_seq = int(row.change_seq or 0)
    return _Consumed(change_seq, digest, row.marker == f"{change_seq} {digest}")


def read_profiles(conn: Connection, config: Config) -> Profiles:
    """All of ``staging.profiles``, encoded for comparison."""
    sink = io.BytesIO()
    bulk.copy_out(conn, load(_SQL)["select_profiles"], sink)
    sink.seek(0)
    frame = pl.read_csv(sink, infer_schema=False).with_columns(pl.col("profile_id").cast(pl.Int64))
    types = {name: attribute.type for name, attribute in config.attributes.items()}
    return Profiles.from_frame(
        frame.with_columns(
            pl.col("extra").str.json_path_match(f"$.{name}").alias(name) for name in sorted(types)
        ),
        types,
    )


def read_candidates(
    conn: Connection, profiles: Profiles
) -> tuple[engine.Positions, engine.Positions, NDArray[np.int16]]:
    """The blocked pairs as positions in ``profiles``."""
    rows = binary_copy.read(conn, load(_SQL)["select_candidates"], _CANDIDATE)
    # ids are dense (a sequence), so a table from id to position beats a search per pair
    position = np.zeros(int(profiles.profile_id.max(initial=0)) + 1, dtype=np.int64)
    position[profiles.profile_id] = np.arange(len(profiles), dtype=np.int64)
    return (
        position[rows["profile_id_l"].astype(np.int64)],
        position[rows["profile_id_r"].astype(np.int64)],
        rows["rule_id"].astype(np.int16),
    )


if __name__ == "__main__":
    main("matching")
