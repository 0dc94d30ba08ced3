"""Blocking of all profiles, from nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import chain
from operator import itemgetter
from queue import SimpleQueue

import numpy as np
from sqlalchemy import Connection

from db.queries import query
from matching import blocking_tables as tables
from matching import key_store
from matching.blocking_plan import Plan
from matching.blocks import Blocks, first_pairs, largest_block
from matching.keys import Keys
from mdm.phases import PhaseReport, RunContext


def run(
    connections: Sequence[Connection], ctx: RunContext, chosen: Plan, change_seq: int
) -> PhaseReport:
    """How many profiles went in and pairs came out; writes the blocking tables, all anew.

    The first of the ``connections`` writes, all read profiles.
    """
    conn = connections[0]
    conn.execute(query(tables.SQL, "clear"))
    key_store.clear(conn)
    profiles_n = chosen.fill["profiles_n"]
    if not chosen.rules or profiles_n < 2:
        key_store.create_index(conn)
        return PhaseReport(profiles_n, 0)
    cap = ctx.config.matching.max_block_size
    with ctx.progress("blocking", len(chosen.rules) + 2, "steps") as bar:
        kept, blocks_of = {}, {}
        for number, entries in _keys(connections, ctx, chosen):
            kept[number] = entries
            blocks_of[number] = Blocks.of(number, entries)
            bar.update()
        found = [blocks_of[number] for number, _ in chosen.rules]
        every = found + _cut(conn, found, cap=cap, change_seq=change_seq)
        bar.update()
        by_size = {
            number: sum(
                (blocks.by_size(cap) for blocks in every if blocks.rule_id == number),
                np.zeros(cap + 1, dtype=np.int64),
            )
            for number, _ in chosen.rules
        }
        largest = largest_block(np.sum(list(by_size.values()), axis=0), budget=chosen.budget)
        with ThreadPoolExecutor(1) as database:  # takes in the keys while pairs are made here
            stored = database.submit(_store, conn, kept, change_seq)
            pieces = first_pairs(every, largest=largest)
            first_piece = next(pieces)
            stored.result()
        del kept
        conn.execute(query(tables.SQL, "drop_pair_index"))
        new_pairs_n = tables.write_pairs(conn, chain([first_piece], pieces), first=True)
        counts = [
            tables.RuleCounts(
                rule_id=number,
                name=name,
                keys_n=sum(blocks.keys_n for blocks in every if blocks.rule_id == number),
                new_pairs_n=int(new_pairs_n[number]),
                blocks_by_size=by_size[number],
            )
            for number, name in chosen.rules
        ]
        tables.write_rules(conn, counts, largest)
        oversized_n = tables.write_oversized(conn, ctx, every, largest)
        generation = conn.execute(query(tables.SQL, "next_generation")).scalar_one()
        tables.write_state(conn, generation=generation, largest=largest, chosen=chosen)
        bar.update()
    return PhaseReport(
        profiles_n,
        int(new_pairs_n.sum()),
        detail={
            "rules": [name for _, name in chosen.rules],
            "largest_block": largest,
            "oversized_blocks": oversized_n,
            "pair_budget": chosen.budget,
        },
    )


def _keys(
    connections: Sequence[Connection], ctx: RunContext, chosen: Plan
) -> Iterator[tuple[int, Keys]]:
    """The rules with their keys, as they get ready.

    While keys are sorted here, the database makes those of the next rules, on all connections.
    """
    free: SimpleQueue[Connection] = SimpleQueue()
    for conn in connections:
        free.put(conn)

    def read(rule: tuple[int, str]) -> memoryview:
        conn = free.get()
        try:
            return tables.read_entries(conn, ctx.config, rule)
        finally:
            free.put(conn)

    with ThreadPoolExecutor(len(connections)) as database:
        # The last first: they take parts of values, which costs most.
        coming = {database.submit(read, rule): rule for rule in reversed(chosen.rules)}
        for done in as_completed(coming):
            number, _ = coming.pop(done)
            yield number, Keys.of_wire(done.result())


def _store(conn: Connection, kept: Mapping[int, Keys], change_seq: int) -> None:
    for number, entries in sorted(kept.items(), key=itemgetter(0)):
        key_store.write_first(conn, number, entries, change_seq=change_seq, frozen=True)
    key_store.create_index(conn)


def _cut(conn: Connection, found: list[Blocks], *, cap: int, change_seq: int) -> list[Blocks]:
    """The blocks that further attributes cut blocks over the cap into, by rule."""
    over = {}
    for blocks in found:
        owner, members = blocks.inside(np.flatnonzero(blocks.sizes > cap))
        over[blocks.rule_id] = Keys(blocks.keys[owner], members)
    refined = tables.refine(conn, over)
    for rule_id, entries in refined.items():
        key_store.write(conn, rule_id, entries, change_seq=change_seq, refined=True)
    return [Blocks.of(rule_id, entries) for rule_id, entries in refined.items()]
