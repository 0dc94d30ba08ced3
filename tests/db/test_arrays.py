"""Steps with arrays."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from db.arrays import are_in, distinct


@given(st.lists(st.integers(-3, 3)))
def test_each_value_once_in_order(values: list[int]) -> None:
    assert distinct(np.array(values, dtype=np.int64)).tolist() == sorted(set(values))


@given(st.lists(st.integers(-3, 3)), st.lists(st.integers(-3, 3)))
def test_which_values_are_among_others(values: list[int], others: list[int]) -> None:
    found = are_in(np.array(values, dtype=np.int64), np.array(others, dtype=np.int64))
    assert found.tolist() == [value in others for value in values]
