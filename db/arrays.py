"""Small steps with numpy arrays that more than one phase takes."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)


def distinct(values: NDArray[Number]) -> NDArray[Number]:
    """Each of the ``values`` once, in ascending order.

    ``np.unique`` looks numbers up by hash since NumPy 2.3, and takes thirty times as long for a
    hundred thousand and more.
    """
    ordered = np.sort(values)
    is_first = np.ones(len(ordered), dtype=bool)
    is_first[1:] = ordered[1:] != ordered[:-1]
    return ordered[is_first]


def are_in(values: NDArray[Number], others: NDArray[Number]) -> NDArray[np.bool_]:
    """Which of the ``values`` are among the ``others``.

    ``np.isin`` brings numbers together by ``np.unique`` first: see :func:`distinct`.
    """
    if not len(others):
        return np.zeros(len(values), dtype=bool)
    ordered = np.sort(others)
    places = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    there: NDArray[np.bool_] = ordered[places] == values
    return there


def array_of(numbers: NDArray[Any]) -> str:
    """Numbers as the text of a PostgreSQL array."""
    return "{" + str(numbers.tolist())[1:-1] + "}"
