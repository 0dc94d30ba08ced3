"""First sightings among keys, against a set."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingestion.seen_keys import SeenKeys

batches = st.lists(st.lists(st.integers(0, 40), max_size=30), max_size=12)


@given(batches)
def test_a_key_is_new_once(batches: list[list[int]]) -> None:
    keys = SeenKeys()
    seen: set[int] = set()
    for batch in batches:
        expected = []
        for key in batch:
            expected.append(key not in seen)
            seen.add(key)
        assert keys.are_new(np.array(batch, dtype=np.uint64)).tolist() == expected


def test_many_batches_stay_few_runs() -> None:
    keys = SeenKeys()
    for start in range(0, 100_000, 1000):
        assert keys.are_new(np.arange(start, start + 1000, dtype=np.uint64)).all()
    assert len(keys._runs) <= 8
    assert not keys.are_new(np.arange(100_000, dtype=np.uint64)).any()
