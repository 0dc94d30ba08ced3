"""The groups of profiles that scored pairs propose, with all pairs inside them.

``staging.match_groups`` is what matching leaves for identity, and both read it here.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from db import binary_copy
from db.arrays import array_of
from db.queries import load

PAIR: Final = np.dtype(
    [
        ("left", ">i8"),
        ("right", ">i8"),
        ("weight", ">f4"),
        ("probability", ">f4"),
        ("decision", "i1"),
        ("closes", "?"),
    ]
)
"""A pair as ``staging.match_groups.pairs`` has it; its comment says what the fields mean."""
VETOED: Final = -1
"""The decision of a pair that an exact rule forbids; others are by place in the engine's list."""
BUCKET_BITS: Final = 7
"""``staging.profile_groups`` has a row per 2^7 profile ids."""

_SQL = "db/match_groups.sql"


def read_all(conn: Connection) -> NDArray[Any]:
    """The pairs of all groups, as PAIR."""
    return _read(conn, "select_all")


def read_of(conn: Connection, profile_ids: NDArray[np.int64]) -> NDArray[Any]:
    """The pairs of the groups that any of these profiles is in, as PAIR."""
    if not len(profile_ids):
        return np.empty(0, dtype=PAIR)
    return _read(conn, "select_of_profiles", profiles=array_of(profile_ids))


def _read(conn: Connection, name: str, **values: object) -> NDArray[Any]:
    parts = binary_copy.read_values(conn, load(_SQL)[name], 1, **values)
    return np.concatenate([np.empty(0, dtype=PAIR), *(np.frombuffer(p, PAIR) for (p,) in parts)])
