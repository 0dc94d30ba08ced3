"""Scored pairs into PostgreSQL by binary COPY.

Wire format of arrays: PostgreSQL sources, ``array_send``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from db import binary_copy, bulk
from matching.encode import pick
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
    the great majority, they are left out: they can be had again at any time from the two profiles.
    So is what the table supplies by itself.
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
    one, other = pick(profile_id, pick(pairs.left, at)), pick(profile_id, pick(pairs.right, at))
    vetoed = pick(pairs.vetoed, at)
    fields: list[binary_copy.Field] = [
        ("profile_id_l", "i8", np.minimum(one, other)),
        ("profile_id_r", "i8", np.maximum(one, other)),
        ("rule_id", "i2", pick(pairs.rule, at)),
        ("model_id", "i4", model_id),
        ("match_weight", "f4", pick(pairs.weight, at)),
        ("match_probability", "f4", pick(pairs.probability, at)),
    ]
    if vetoed.any():
        fields.append(("is_vetoed", "?", vetoed))
    if decision != "REJECT":
        fields += [
            ("decision", f"S{len(decision)}", decision.encode()),
            ("levels", "", _array(pick(pairs.levels, at), "i2", _INT2_OID)),
            ("contributions", "", _array(pick(pairs.contributions, at), "f4", _FLOAT4_OID)),
        ]
    return fields


def _array(values: NDArray[Any], kind: str, oid: int) -> Any:
    """One PostgreSQL array per row of ``values``."""
    width = values.shape[1]
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
