"""Scored pairs into PostgreSQL by binary COPY.

Wire format of arrays: PostgreSQL sources, ``array_send``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from db import binary_copy, bulk
from matching.engine import DECISIONS, ScoredPairs

_TABLE = ("staging", "identity_match_candidates")
_INT2_OID, _FLOAT4_OID = 21, 700
_BATCH = 200_000


def write(
    conn: Connection,
    pairs: ScoredPairs,
    profile_id: NDArray[np.int64],
    model_id: int,
    *,
    first: bool = False,
) -> int:
    """Rows written to ``staging.identity_match_candidates``; ``first``: which this transaction has
    emptied.

    Levels and contributions go along for pairs that merge or wait for a person. For rejected ones,
    the great majority, they are left empty: they can be had again at any time from the two
    profiles.
    """
    written = 0
    options = "FORMAT binary, FREEZE" if first else "FORMAT binary"
    for decision, name in enumerate(DECISIONS):
        at = np.flatnonzero(pairs.decision == decision)
        for start in range(0, len(at), _BATCH):
            part = at[start : start + _BATCH]
            fields = _fields(pairs, part, profile_id, model_id, name)
            rows = binary_copy.packed(fields, len(part))
            written += bulk.copy_in(
                conn, _TABLE, [name for name, *_ in fields], rows, options=options
            )
    return written


def _fields(
    pairs: ScoredPairs,
    at: NDArray[np.intp],
    profile_id: NDArray[np.int64],
    model_id: int,
    decision: str,
) -> list[binary_copy.Field]:
    one, other = profile_id[pairs.left[at]], profile_id[pairs.right[at]]
    full = decision != "REJECT"
    return [
        ("profile_id_l", "i8", np.minimum(one, other)),
        ("profile_id_r", "i8", np.maximum(one, other)),
        ("rule_id", "i2", pairs.rule[at]),
        ("model_id", "i4", model_id),
        ("match_weight", "f4", pairs.weight[at]),
        ("match_probability", "f4", pairs.probability[at]),
        ("decision", f"S{len(decision)}", decision.encode()),
        ("is_vetoed", "?", pairs.vetoed[at]),
        ("levels", "", _array(pairs.levels[at], "i2", _INT2_OID, full)),
        ("contributions", "", _array(pairs.contributions[at], "f4", _FLOAT4_OID, full)),
    ]


def _array(values: NDArray[Any], kind: str, oid: int, full: bool) -> Any:
    """One PostgreSQL array per row of ``values``; when not ``full``, an empty one for all."""
    width = values.shape[1] if full else 0
    head: list[tuple[str, Any]] = [("dimensions", ">i4"), ("nulls", ">i4"), ("oid", ">i4")]
    if not width:
        empty = np.zeros(1, dtype=head)
        empty["oid"] = oid
        return empty.view(f"V{empty.itemsize}")[0]
    element = [("size", ">i4"), ("value", np.dtype(kind).newbyteorder(">"))]
    one = np.zeros(
        1, dtype=[*head, ("length", ">i4"), ("lower", ">i4"), ("elements", element, (width,))]
    )
    one["dimensions"], one["oid"], one["length"], one["lower"] = 1, oid, width, 1
    one["elements"]["size"] = np.dtype(kind).itemsize
    # As bytes, or each element would be copied on its own again into its row.
    wire = f"V{one.itemsize}"
    out = np.full(len(values), one.view(wire))
    out.view(one.dtype)["elements"]["value"] = values
    return out
