"""The tables of blocking as both ways to fill them do it: keys in, pairs and reports out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Final

import numpy as np
from sqlalchemy import Connection, text

from db import binary_copy, bulk
from db.queries import load, query
from matching.blocking_keys import ALL_PROFILES, key_query
from matching.blocking_plan import NEEDS, Plan
from matching.blocks import Blocks, PairsByRule, pairs_within
from matching.keys import Ints, Keys
from mdm.config import Config
from mdm.phases import RunContext

SQL: Final = "matching/blocking.sql"
PAIRS: Final = ("staging", "identity_match_candidates_blocked")
RULES_END: Final = len(NEEDS) + 1
_OVERSIZED = ("pg_temp", "oversized_keys")
_BATCH = 500_000


@dataclass(frozen=True)
class Feed:
    """What is new: profiles and retirements behind ``consumed_seq``, up to ``change_seq``.

    ``largest_block`` is the limit that the last blocking found, ``fill`` what it counted.
    """

    consumed_seq: int
    change_seq: int
    largest_block: int
    last_profile_id: int
    new_n: int
    retired_n: int
    rule_ids: tuple[int, ...]
    fill: Mapping[str, int]


@dataclass(frozen=True)
class RuleCounts:
    """What ``staging.blocking_rules`` says of a rule."""

    rule_id: int
    name: str
    keys_n: int
    new_pairs_n: int
    blocks_by_size: Ints


def fill(conn: Connection, of: str = ALL_PROFILES) -> dict[str, int]:
    """How many profiles there are in a table of them, and how many with each attribute."""
    counts = conn.execute(text(load(SQL)["fill"].replace(":profiles", of))).one()
    return dict(counts._mapping)


def read_entries(
    conn: Connection, config: Config, rule: tuple[int, str], *, of: str = ALL_PROFILES
) -> memoryview:
    """The entries that the query of a rule gives, for :meth:`Keys.of_wire`.

    They stay as they came, so that on a thread of its own the database can be asked again at once.
    """
    select = load(SQL)["select_keys"].replace("{rule}", key_query(conn, config, *rule, of=of))
    [[entries]] = binary_copy.read_values(conn, select, 1)
    return entries


def refine(conn: Connection, entries: Mapping[int, Keys]) -> dict[int, Keys]:
    """The entries by which further attributes cut blocks over the cap, by rule.

    ``entries`` are members of such blocks, by rule, with the key of their block.
    """
    filled = {rule_id: keys for rule_id, keys in entries.items() if len(keys)}
    if not filled:
        return {}
    conn.execute(query(SQL, "create_oversized_keys"))
    for rule_id, one in filled.items():
        fields: list[binary_copy.Field] = [
            ("key", "i8", one.keys),
            ("profile_id", "i8", one.profile_ids),
            ("rule_id", "i2", rule_id),
        ]
        binary_copy.write(conn, _OVERSIZED, fields, len(one))
    conn.execute(query(SQL, "analyse_oversized_keys"))
    kinds = (("key", "i8"), ("profile_id", "i8"), ("rule_id", "i2"))
    rows = binary_copy.read_rows(conn, load(SQL)["select_refined_keys"], kinds)
    conn.execute(query(SQL, "drop_oversized_keys"))
    keys, profile_ids = rows["key"].astype(np.int64), rows["profile_id"].astype(np.int64)
    refined = {}
    for rule_id in np.unique(rows["rule_id"]).tolist():
        mine = rows["rule_id"] == rule_id
        refined[rule_id] = Keys.of(keys[mine], profile_ids[mine])
    return refined


def write_pairs(conn: Connection, pieces: Iterable[PairsByRule], *, first: bool = False) -> Ints:
    """Adds candidate pairs, with ``first`` to the table that this transaction has emptied.

    Gives how many there are by the number of their rule.
    """
    options = "FORMAT binary, FREEZE" if first else "FORMAT binary"
    by_rule = np.zeros(RULES_END, dtype=np.int64)

    def copy(rows: IO[bytes]) -> None:
        bulk.copy_in(
            conn, PAIRS, ("profile_id_l", "profile_id_r", "rule_id"), rows, options=options
        )

    # While PostgreSQL takes in some rows, the next are written out here.
    with ThreadPoolExecutor(1) as database:
        copied: Future[None] | None = None
        for left, right, rule_ids in pieces:
            by_rule += np.bincount(rule_ids, minlength=RULES_END)
            for start in range(0, len(left), _BATCH):
                part = slice(start, start + _BATCH)
                fields: list[binary_copy.Field] = [
                    ("profile_id_l", "i8", left[part]),
                    ("profile_id_r", "i8", right[part]),
                    ("rule_id", "i2", rule_ids[part]),
                ]
                rows = binary_copy.packed(fields, len(left[part]))
                if copied is not None:
                    copied.result()
                copied = database.submit(copy, rows)
        if copied is not None:
            copied.result()
    return by_rule


def write_rules(conn: Connection, counts: Sequence[RuleCounts], largest: int) -> None:
    """Writes ``staging.blocking_rules`` anew."""
    conn.execute(query(SQL, "clear_rules"))
    rows = [
        {
            "rule_id": one.rule_id,
            "name": one.name,
            "keys_n": one.keys_n,
            "blocks_n": int(one.blocks_by_size[: largest + 1].sum()),
            "pairs_n": pairs_within(one.blocks_by_size, largest),
            "new_pairs_n": one.new_pairs_n,
            "blocks_by_size": one.blocks_by_size[1:].tolist(),
        }
        for one in counts
    ]
    conn.execute(query(SQL, "insert_rules"), rows)


def write_oversized(
    conn: Connection, ctx: RunContext, every: Iterable[Blocks], largest: int
) -> int:
    """How many blocks are cut or left out; writes a row for each."""
    written = 0
    for blocks in every:
        at = np.flatnonzero(blocks.sizes > largest)
        if not at.size:
            continue
        values = {
            "rule_id": blocks.rule_id,
            "keys": blocks.keys[at].tolist(),
            "sizes": blocks.sizes[at].tolist(),
            "samples": [int(blocks.block(i).min()) for i in at.tolist()],
            "cap": ctx.config.matching.max_block_size,
            "run_id": ctx.run_id,
        }
        written += conn.execute(query(SQL, "insert_oversized"), values).rowcount
    return written


def write_state(conn: Connection, *, generation: int | None, largest: int, chosen: Plan) -> None:
    """Writes what the next blocking builds on; ``generation`` None leaves it as it is."""
    values = {
        "generation": generation,
        "largest_block": largest,
        "pair_budget": chosen.budget,
        "fill": json.dumps(chosen.fill),
    }
    conn.execute(query(SQL, "write_state"), values)
