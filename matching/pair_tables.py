"""What matching reads: profiles, candidate pairs, and what the configuration says of decisions."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
import polars as pl
from sqlalchemy import Connection

from db import bulk
from db.queries import load
from matching import binary_copy, engine
from matching.blocks import Rules
from matching.keys import Ints
from matching.profiles import Profiles
from matching.rules import ExactRules
from mdm.config import Config

SQL: Final = "matching/matching.sql"
_CANDIDATE = (("profile_id_l", "i8"), ("profile_id_r", "i8"), ("rule_id", "i2"))


def judge_of(config: Config) -> engine.Judge:
    """What makes decisions of scores."""
    rules = ExactRules(config.matching.always_match, config.matching.never_match)
    return engine.Judge(rules, config.matching.auto_merge, config.matching.review)


def read_profiles(conn: Connection, config: Config, *, some: bool = False) -> Profiles:
    """All of ``staging.profiles``, encoded for comparison.

    With ``some`` only those listed in the temporary table ``wanted_profiles``.
    """
    select = load(SQL)["select_wanted_profiles" if some else "select_profiles"]
    sink = io.BytesIO()
    bulk.copy_out(conn, select, sink)
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
    conn: Connection, profiles: Profiles, *, changed: bool = False
) -> tuple[engine.Positions, engine.Positions, Rules]:
    """The blocked pairs as positions in ``profiles``.

    With ``changed`` only those in the temporary table ``changed_pairs`` that are still candidates.
    """
    select = load(SQL)["select_changed_candidates" if changed else "select_candidates"]
    rows = binary_copy.read(conn, select, _CANDIDATE)
    return (
        positions(profiles, rows["profile_id_l"].astype(np.int64)),
        positions(profiles, rows["profile_id_r"].astype(np.int64)),
        rows["rule_id"].astype(np.int16),
    )


def positions(profiles: Profiles, profile_ids: Ints) -> engine.Positions:
    """Where profiles stand among the ``profiles``, of which they are."""
    # ids are dense (a sequence), so a table from id to position beats a search per pair
    position = np.zeros(int(profiles.profile_id.max(initial=0)) + 1, dtype=np.int64)
    position[profiles.profile_id] = np.arange(len(profiles), dtype=np.int64)
    return position[profile_ids]
