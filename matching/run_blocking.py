"""Phase 4.5: candidate pairs of profiles, by ordered rules in SQL, within a budget of pairs.

PostgreSQL makes the keys of a rule, :mod:`matching.blocks` brings equal ones together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row

from db.queries import load, query
from matching import binary_copy
from matching.blocking_keys import key_query
from matching.blocks import Blocks, first_pairs, largest_block
from mdm.config import Config
from mdm.phases import PhaseReport, RunContext
from mdm.standalone import main

_SQL = "matching/blocking.sql"
_PAIRS = ("staging", "identity_match_candidates_blocked")
_OVERSIZED = ("pg_temp", "oversized_keys")
_BATCH = 1_000_000

NEEDS: Mapping[str, tuple[str, ...]] = {
    "tax_id": ("tax_id",),
    "customer_number": ("customer_number",),
    "identifiers": ("extra",),
    "email": ("email",),
    "phone": ("phone",),
    "name_birth": ("given_name", "date_of_birth"),
    "name_postcode": ("given_name", "postcode"),
    "full_name": ("given_name",),
    "organisation": ("organisation",),
    "street_number": ("street",),
    "email_local": ("email",),
    "birth_postcode": ("date_of_birth", "postcode"),
    "birth_city": ("date_of_birth", "city"),
    "initial_birth": ("given_name", "date_of_birth"),
    "sound_city": ("given_name", "city"),
    "sounds": ("given_name",),
    "sound_birth_year": ("given_name", "date_of_birth"),
    "sound_area": ("given_name", "postcode"),
    "organisation_postcode": ("organisation", "postcode"),
    "street": ("street",),
}
"""The rules in their order, and the attributes without which a rule finds nothing."""

WIDE = frozenset(
    (
        "birth_postcode", "birth_city", "initial_birth", "sound_city", "sounds",
        "sound_birth_year", "sound_area", "street",
    )
)  # fmt: skip
"""Rules that pay off where strong attributes are rare or the data small enough to afford them."""

STRONG = ("email", "phone", "street", "tax_id", "customer_number")
SMALL_DATA = 100_000
LEAST_BUDGET = 4_000_000


@dataclass(frozen=True)
class Plan:
    """The rules in use (number and name) and the most pairs they may make."""

    rules: tuple[tuple[int, str], ...]
    budget: int


def plan(fill: Row[tuple[int, ...]], config: Config) -> Plan:
    """Which rules to use on profiles filled like ``fill``, and the pair budget they share.

    Rules named in ``[matching] blocking`` are taken as they stand. Else every rule whose attributes
    exist is; of a large file rich in e-mails, phones and addresses the wide ones are spared, for
    they would cost most of the pairs and find next to nothing new.
    """
    numbers = {name: number for number, name in enumerate(NEEDS, start=1)}
    counts = fill._mapping
    total = int(counts["profiles_n"])
    strong = sum(int(counts[name]) for name in STRONG) / max(total, 1)
    spare = total > SMALL_DATA and strong >= 1.5
    chosen: Sequence[str] = config.matching.blocking or tuple(
        name for name in NEEDS if not (spare and name in WIDE)
    )
    usable = [name for name in chosen if all(counts[need] for need in NEEDS[name])]
    budget = max(int(config.matching.pairs_per_profile * total), LEAST_BUDGET)
    return Plan(tuple((numbers[name], name) for name in usable), budget)


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """How many profiles went in and pairs came out; writes the blocking tables, all anew."""
    now = conn.execute(query(_SQL, "consumed")).one()
    digest = _digest(ctx.config)
    if not ctx.full and now.marker == f"{now.change_seq} {digest}":
        return PhaseReport(0, 0, detail={"unchanged": True})
    conn.execute(query(_SQL, "clear"))
    mark = {"change_seq": now.change_seq, "run_id": ctx.run_id, "config_hash": digest}
    conn.execute(query(_SQL, "mark"), mark)
    fill = conn.execute(query(_SQL, "fill")).one()
    chosen = plan(fill, ctx.config)
    if not chosen.rules or fill.profiles_n < 2:
        return PhaseReport(fill.profiles_n, 0)
    with ctx.progress("blocking", len(chosen.rules) + 2, "steps") as bar:
        found = []
        for rule in chosen.rules:
            found.append(_blocks(conn, ctx.config, rule))
            bar.update()
        cap = ctx.config.matching.max_block_size
        every = found + _refined(conn, found, cap)
        bar.update()
        largest = largest_block(every, budget=chosen.budget, cap=cap)
        left, right, rule_ids = first_pairs(every, largest=largest)
        for start in range(0, len(left), _BATCH):
            part = slice(start, start + _BATCH)
            pairs: list[binary_copy.Field] = [
                ("profile_id_l", "i8", left[part]),
                ("profile_id_r", "i8", right[part]),
                ("rule_id", "i2", rule_ids[part]),
            ]
            binary_copy.write(conn, _PAIRS, pairs, len(left[part]))
        _report_rules(conn, chosen, every, rule_ids, largest)
        oversized_n = _report_oversized(conn, ctx, every, largest)
        bar.update()
    return PhaseReport(
        fill.profiles_n,
        len(left),
        detail={
            "rules": [name for _, name in chosen.rules],
            "largest_block": largest,
            "oversized_blocks": oversized_n,
            "pair_budget": chosen.budget,
        },
    )


def _blocks(conn: Connection, config: Config, rule: tuple[int, str]) -> Blocks:
    """The blocks of one rule, from the keys that its query gives."""
    select = load(_SQL)["select_keys"].replace("{rule}", key_query(conn, config, *rule))
    rows = binary_copy.read(conn, select, (("key", "i8"), ("profile_id", "i8")))
    return Blocks.of(rule[0], rows["key"].astype(np.int64), rows["profile_id"].astype(np.int64))


def _refined(conn: Connection, found: list[Blocks], cap: int) -> list[Blocks]:
    """The blocks that further attributes cut blocks over the cap into, by rule."""
    conn.execute(query(_SQL, "create_oversized_keys"))
    for blocks in found:
        owner, members = blocks.inside(np.flatnonzero(blocks.sizes > cap))
        keys: list[binary_copy.Field] = [
            ("key", "i8", blocks.keys[owner]),
            ("profile_id", "i8", members),
            ("rule_id", "i2", blocks.rule_id),
        ]
        binary_copy.write(conn, _OVERSIZED, keys, len(members))
    conn.execute(query(_SQL, "analyse_oversized_keys"))
    kinds = (("key", "i8"), ("profile_id", "i8"), ("rule_id", "i2"))
    rows = binary_copy.read(conn, load(_SQL)["select_refined_keys"], kinds)
    conn.execute(query(_SQL, "drop_oversized_keys"))
    keys_of, ids = rows["key"].astype(np.int64), rows["profile_id"].astype(np.int64)
    refined = []
    for rule_id in np.unique(rows["rule_id"]).tolist():
        mine = rows["rule_id"] == rule_id
        refined.append(Blocks.of(rule_id, keys_of[mine], ids[mine]))
    return refined


def _report_rules(
    conn: Connection, chosen: Plan, every: list[Blocks], rule_ids: NDArray[np.int16], largest: int
) -> None:
    new_pairs_n = np.bincount(rule_ids, minlength=len(NEEDS) + 1)
    rows = []
    for number, name in chosen.rules:
        mine = [blocks for blocks in every if blocks.rule_id == number]
        rows.append(
            {
                "rule_id": number,
                "name": name,
                "keys_n": sum(blocks.keys_n for blocks in mine),
                "blocks_n": sum(int((blocks.sizes <= largest).sum()) for blocks in mine),
                "pairs_n": sum(blocks.pairs_n(largest) for blocks in mine),
                "new_pairs_n": int(new_pairs_n[number]),
            }
        )
    conn.execute(query(_SQL, "insert_rules"), rows)


def _report_oversized(conn: Connection, ctx: RunContext, every: list[Blocks], largest: int) -> int:
    """How many blocks were cut or left out; writes a row for each."""
    cap = ctx.config.matching.max_block_size
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
            "cap": cap,
            "run_id": ctx.run_id,
        }
        written += conn.execute(query(_SQL, "insert_oversized"), values).rowcount
    return written


def _digest(config: Config) -> str:
    """What of the configuration blocking depends on, in twelve digits."""
    parts = [
        repr(config.matching.blocking),
        str(config.matching.max_block_size),
        str(config.matching.pairs_per_profile),
        repr(sorted((name, one.type) for name, one in config.attributes.items())),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


if __name__ == "__main__":
    main("blocking")
