"""What matching reads: profiles, candidate pairs, and what the configuration says of decisions."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl
from sqlalchemy import Connection

from db import binary_copy, bulk
from db.arrays import array_of
from db.beside import two_lines
from db.queries import load, query
from matching import engine
from matching.blocking_tables import RULES_END
from matching.blocks import Rules
from matching.encode import pick
from matching.keys import Ints
from matching.profiles import Profiles
from matching.rules import ExactRules
from mdm.config import Config

SQL: Final = "matching/matching.sql"
_BLOCKS_AT_ONCE: Final = 1 << 16
"""512 MB of pairs make a value of 100 MB; one must stay below 1 GB."""
Candidates = tuple[engine.Positions, engine.Positions, Rules]


def judge_of(config: Config) -> engine.Judge:
    """What makes decisions of scores."""
    rules = ExactRules(config.matching.always_match, config.matching.never_match)
    return engine.Judge(rules, config.matching.auto_merge, config.matching.review)


def read_both(conn: Connection, config: Config) -> tuple[Profiles, Candidates]:
    """All profiles, encoded for comparison, and all candidate pairs, as positions among them."""
    with two_lines(conn) as (own, other):
        copied = own.begin(copied_profiles)
        coming = other.begin(_read_pairs)  # while profiles come, and while these are encoded here
        profiles = encoded([copied.result()], config)
        return profiles, placed(profiles, *coming.result())


def read_profiles(conn: Connection, config: Config) -> Profiles:
    """All of ``staging.profiles``, encoded for comparison."""
    return encoded([copied_profiles(conn)], config)


def copied_profiles(conn: Connection, wanted: Ints | None = None) -> io.BytesIO:
    """All profiles, or those of some ids, as COPY gives them."""
    sink = io.BytesIO()
    if wanted is None:
        select = load(SQL)["select_profiles"]
    else:
        values = {"wanted": array_of(wanted)}
        select = binary_copy.filled(conn, load(SQL)["select_wanted_profiles"], values)
    bulk.copy_out(conn, select, sink)
    sink.seek(0)
    return sink


def encoded(copied: Sequence[io.BytesIO], config: Config) -> Profiles:
    """Copied profiles, in parts, encoded for comparison."""
    frame = pl.concat(pl.read_csv(part, infer_schema=False) for part in copied).with_columns(
        pl.col("profile_id").cast(pl.Int64)
    )
    types = {name: attribute.type for name, attribute in config.attributes.items()}
    return Profiles.from_frame(
        frame.with_columns(
            pl.col("extra").str.json_path_match(f"$.{name}").alias(name) for name in sorted(types)
        ),
        types,
    )


def read_candidates(conn: Connection, profiles: Profiles) -> Candidates:
    """All blocked pairs as positions in ``profiles``."""
    return placed(profiles, *_read_pairs(conn))


def _read_pairs(conn: Connection) -> tuple[Ints, Ints, Rules]:
    id_bits = int(conn.execute(query(SQL, "last_profile_id")).scalar_one()).bit_length()
    right_at = RULES_END.bit_length()
    left_at = right_at + id_bits
    blocks = conn.execute(query(SQL, "candidate_blocks")).scalar_one()
    parts = [
        binary_copy.read_parts(
            conn,
            load(SQL)["select_candidates"],
            (("pair", "i8"),),
            left_at=left_at,
            right_at=right_at,
            first=f"({at},0)",
            behind=f"({at + _BLOCKS_AT_ONCE},0)",
        )["pair"]
        for at in range(0, blocks, _BLOCKS_AT_ONCE)
    ]
    pairs = np.concatenate([np.empty(0, dtype=np.int64), *parts])
    right = (pairs >> right_at) & ((1 << id_bits) - 1)
    return pairs >> left_at, right, (pairs & ((1 << right_at) - 1)).astype(np.int16)


def placed(profiles: Profiles, left: Ints, right: Ints, rules: Rules) -> Candidates:
    """Pairs of profile ids as positions in ``profiles``."""
    return positions(profiles, left), positions(profiles, right), rules


def positions(profiles: Profiles, profile_ids: Ints) -> engine.Positions:
    """Where profiles stand among the ``profiles``, of which they are."""
    # ids are dense (a sequence), so a table from id to position beats a search per pair
    position = np.zeros(int(profiles.profile_id.max(initial=0)) + 1, dtype=np.int64)
    position[profiles.profile_id] = np.arange(len(profiles), dtype=np.int64)
    return pick(position, profile_ids)
