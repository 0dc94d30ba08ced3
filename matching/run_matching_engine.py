"""Phase 5: candidate pairs into scored pairs with a decision, under the pinned model."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import polars as pl
from numpy.typing import NDArray
from sqlalchemy import Connection

from db import bulk
from db.queries import load, query
from matching import engine, pair_copy
from matching.model import MatchModel
from matching.profiles import Profiles
from matching.rules import RULES_MODEL, ExactRules
from mdm.config import Config
from mdm.phases import PhaseReport, RunContext
from mdm.standalone import main

_SQL = "matching/matching.sql"
CODE_VERSION = "1"
"""Changes when comparisons or training change meaning; part of every model."""


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """How many candidate pairs went in and scored pairs came out; trains when no model fits."""
    consumed = _consumed(conn, ctx.config)
    if not ctx.full and consumed.is_current:
        return PhaseReport(0, 0, detail={"unchanged": True})
    profiles = read_profiles(conn, ctx.config)
    candidates = _read_candidates(conn, profiles)
    rules = ExactRules(ctx.config.matching.always_match, ctx.config.matching.never_match)
    conn.execute(query(_SQL, "clear"))
    with ctx.progress("matching", 3, "steps") as bar:
        if ctx.config.matching.model == "rules":
            model_id = _pin_rules(conn, ctx, rules)
            bar.update()
            pairs = engine.match_by_rules(profiles, rules, RULES_MODEL)
            version = "rules"
        else:
            model_id, model = _fitting_model(conn, ctx, profiles, candidates)
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


def _read_candidates(
    conn: Connection, profiles: Profiles
) -> tuple[engine.Positions, engine.Positions, NDArray[np.int16]]:
    """The blocked pairs as positions in ``profiles``."""
    sink = io.BytesIO()
    bulk.copy_out(conn, load(_SQL)["select_candidates"], sink)
    sink.seek(0)
    schema = {"profile_id_l": pl.Int64, "profile_id_r": pl.Int64, "rule_id": pl.Int16}
    frame = pl.read_csv(sink, schema=schema)
    order = np.argsort(profiles.profile_id)
    ids = profiles.profile_id[order]

    def positions(column: str) -> engine.Positions:
        return order[np.searchsorted(ids, frame[column].to_numpy())].astype(np.int64)

    return positions("profile_id_l"), positions("profile_id_r"), frame["rule_id"].to_numpy()


def _fitting_model(
    conn: Connection,
    ctx: RunContext,
    profiles: Profiles,
    candidates: tuple[engine.Positions, engine.Positions, NDArray[np.int16]],
) -> tuple[int, MatchModel]:
    """The pinned model when it knows the data's attributes, else one trained and pinned now."""
    row = conn.execute(query(_SQL, "current_model")).one_or_none()
    if row is not None and row.kind == "probabilistic":
        model = MatchModel.from_json(row.parameters)
        if model.code_version == CODE_VERSION and _knows(model, profiles):
            return int(row.model_id), model
    model = engine.train(profiles, *candidates[:2], code_version=CODE_VERSION)
    profile = {"profiles": len(profiles), "pairs": len(candidates[0])}
    return _pin(conn, ctx, "probabilistic", model.version, model.to_json(), profile), model


def _knows(model: MatchModel, profiles: Profiles) -> bool:
    known = {
        attribute.name for segment in model.segments.values() for attribute in segment.attributes
    }
    present = set(profiles.columns) | ({"given_name"} if (profiles.given >= 0).any() else set())
    kinds = {"organisation"} if profiles.is_organisation.any() else set()
    if (~profiles.is_organisation).any():
        kinds.add("person")
    return present - {"organisation"} <= known and kinds <= set(model.segments)


def _pin_rules(conn: Connection, ctx: RunContext, rules: ExactRules) -> int:
    parameters = orjson.dumps(
        {"rules": RULES_MODEL, "always_match": rules.always, "never_match": rules.never},
        option=orjson.OPT_SORT_KEYS,
    )
    digest = MatchModel(segments={}, calibration=[], code_version=parameters.decode()).version
    return _pin(conn, ctx, "rules", f"rules-{digest}", parameters, {})


def _pin(
    conn: Connection,
    ctx: RunContext,
    kind: str,
    version: str,
    parameters: bytes,
    data_profile: dict[str, Any],
) -> int:
    conn.execute(query(_SQL, "unpin_models"))
    known = conn.execute(query(_SQL, "find_model"), {"version": version}).scalar_one_or_none()
    if known is not None:
        conn.execute(query(_SQL, "pin_model"), {"model_id": known})
        return int(known)
    return int(
        conn.execute(
            query(_SQL, "insert_model"),
            {
                "version": version,
                "kind": kind,
                "run_id": ctx.run_id,
                "code_version": CODE_VERSION,
                "parameters": parameters.decode(),
                "data_profile": orjson.dumps(data_profile).decode(),
                "figures": "{}",
            },
        ).scalar_one()
    )


if __name__ == "__main__":
    main("matching")
