"""Phase 4.5: candidate pairs of profiles, by ordered rules in SQL, within a budget of pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, text

from db.queries import load, query
from mdm.config import Config
from mdm.phases import PhaseReport, RunContext
from mdm.standalone import main

_SQL = "matching/blocking.sql"
_RULES = "matching/blocking_rules.sql"

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


def largest_block(sizes: Sequence[Row[tuple[int, int, int]]], budget: int, cap: int) -> int:
    """The largest block size that fits: rarest keys first, until ``budget`` pairs are spent."""
    spent = 0
    largest = 1
    for size in sizes:
        spent += int(size.pairs_n)
        if spent > budget or size.profile_n > cap:
            break
        largest = int(size.profile_n)
    return largest


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """How many profiles went in and pairs came out; writes the blocking tables, all anew."""
    now = conn.execute(query(_SQL, "consumed")).one()
    digest = _digest(ctx.config)
    if not ctx.full and now.marker == f"{now.change_seq} {digest}":
        return PhaseReport(0, 0, detail={"unchanged": True})
    conn.execute(query(_SQL, "drop_work"))
    conn.execute(query(_SQL, "clear"))
    mark = {"change_seq": now.change_seq, "run_id": ctx.run_id, "config_hash": digest}
    conn.execute(query(_SQL, "mark"), mark)
    fill = conn.execute(query(_SQL, "fill")).one()
    chosen = plan(fill, ctx.config)
    if not chosen.rules or fill.profiles_n < 2:
        return PhaseReport(fill.profiles_n, 0)
    with ctx.progress("blocking", 5, "steps") as bar:
        _create_keys(conn, chosen, ctx.config)
        bar.update()
        cap = ctx.config.matching.max_block_size
        conn.execute(query(_SQL, "analyse_keys"))
        conn.execute(query(_SQL, "create_blocks"))
        conn.execute(query(_SQL, "analyse_blocks"))
        conn.execute(query(_SQL, "create_refined_keys"), {"cap": cap})
        conn.execute(query(_SQL, "add_refined_blocks"))
        conn.execute(query(_SQL, "add_refined_keys"))
        bar.update()
        sizes = conn.execute(query(_SQL, "count_pairs"), {"cap": cap}).all()
        largest = largest_block(sizes, chosen.budget, cap)
        conn.execute(query(_SQL, "create_members"), {"largest": largest})
        bar.update()
        pairs_n = conn.execute(query(_SQL, "create_pairs")).rowcount
        conn.execute(query(_SQL, "publish_pairs"))
        bar.update()
        conn.execute(
            query(_SQL, "insert_rules"),
            {
                "rule_ids": [number for number, _ in chosen.rules],
                "names": [name for _, name in chosen.rules],
                "largest": largest,
            },
        )
        oversized_n = conn.execute(
            query(_SQL, "insert_oversized"),
            {"cap": cap, "largest": largest, "run_id": ctx.run_id},
        ).rowcount
        conn.execute(query(_SQL, "keep_keys"))
        conn.execute(query(_SQL, "drop_work"))
        bar.update()
    return PhaseReport(
        fill.profiles_n,
        pairs_n,
        detail={
            "rules": [name for _, name in chosen.rules],
            "largest_block": largest,
            "oversized_blocks": oversized_n,
            "pair_budget": chosen.budget,
        },
    )


def _digest(config: Config) -> str:
    """What of the configuration blocking depends on, in twelve digits."""
    parts = [
        repr(config.matching.blocking),
        str(config.matching.max_block_size),
        str(config.matching.pairs_per_profile),
        repr(sorted((name, one.type) for name, one in config.attributes.items())),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _create_keys(conn: Connection, chosen: Plan, config: Config) -> None:
    """One statement over all rules, so that PostgreSQL scans for several of them in parallel."""
    rules = load(_RULES)
    parts = []
    for number, name in chosen.rules:
        body = "\n".join(line for line in rules[name].splitlines() if not line.startswith("--"))
        parts.append(body.replace(":rule_id", str(number)))
    identifiers = [name for name, one in config.attributes.items() if one.type == "identifier"]
    statement = load(_SQL)["create_keys"] + "\n" + "\nUNION ALL\n".join(parts)
    conn.execute(
        text(statement), {"identifiers": identifiers} if ":identifiers" in statement else {}
    )


if __name__ == "__main__":
    main("blocking")
