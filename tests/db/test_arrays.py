"""Steps with arrays."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from db.arrays import distinct


@given(st.lists(st.integers(-3, 3)))
def test_each_value_once_in_order(values: list[int]) -> None:
    assert distinct(np.array(values, dtype=np.int64)).tolist() == sorted(set(values))
