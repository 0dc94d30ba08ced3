"""Holders of values by bisection: all of them, however they were written."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import Connection

from staging import value_keys
from staging.value_keys import Entries, Stored

Triples = set[tuple[int, int, int]]


def entries(triples: Triples) -> Entries:
    """Entries of (key, record, name), in the order of their keys."""
    keys, record_ids, names = zip(*sorted(triples), strict=True)
    return Entries(
        np.array(keys, np.int32), np.array(record_ids, np.int64), np.array(names, np.int64)
    )


def as_triples(found: Entries) -> Triples:
    return set(
        zip(found.keys.tolist(), found.record_ids.tolist(), found.names.tolist(), strict=True)
    )


@pytest.mark.parametrize("most_rows", [1, 3, 100])
@pytest.mark.parametrize("part", [2, 1000])
def test_what_was_added_is_found(
    conn: Connection, monkeypatch: pytest.MonkeyPatch, most_rows: int, part: int
) -> None:
    monkeypatch.setattr(value_keys, "_MOST_ROWS", most_rows)
    monkeypatch.setattr(value_keys, "_PART", part)
    generator = np.random.default_rng(7)
    known: Triples = set()
    for change_seq in range(1, 9):
        drawn = generator.integers([-40, 1, -9], [40, 30, 9], (25, 3)) | [1, 0, 0]
        fresh = {(key, record, name * 2**59) for key, record, name in drawn.tolist()}
        Stored.read(conn).add(conn, entries(fresh), change_seq=change_seq)
        known |= fresh
        asked = np.unique(generator.integers(-50, 50, 20)).astype(np.int32)
        stored = Stored.read(conn)
        wanted = {triple for triple in known if triple[0] in set(asked.tolist())}
        assert as_triples(stored.among(asked)) == wanted
        counted = zip(asked.tolist(), stored.count(asked).tolist(), strict=True)
        assert all(n >= sum(triple[0] == key for triple in wanted) for key, n in counted)
    value_keys.clear(conn)
    assert as_triples(Stored.read(conn).among(np.arange(-50, 50, dtype=np.int32))) == set()


def test_keys_are_counted_once() -> None:
    keys, n = entries({(3, 1, 0), (3, 2, 0), (-5, 1, 0), (9, 1, 1)}).counted()
    assert (keys.tolist(), n.tolist()) == ([-5, 3, 9], [1, 2, 1])
    nothing = Entries.of(np.empty(0, np.dtype(list(value_keys.KINDS))))
    assert [len(column) for column in nothing.counted()] == [0, 0]
