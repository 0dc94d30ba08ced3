"""The first publication of all: every cluster is new, so ids are made and rows loaded in bulk.

The result is the one that comparing with nothing would give (``assignment.sql``, ``publish.sql``),
in half the time: no overlap to find, and ``db.first_load`` for the rows.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from db import binary_copy, first_load
from db.queries import load, query
from identity.assignment import DECISIONS, Assignment, assign
from identity.graph import Ints, OwnNodes
from identity.partition import Partition
from mdm.phases import PhaseReport, RunContext

_SQL = "identity/first_load.sql"
_TABLES = ("identity.customers", "identity.customer_identity_map", "identity.customer_clusters")
_SIZES = {1: "1", 2: "2", 5: "3-5", 10: "6-10", 100: "11-100"}
_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def is_first(conn: Connection) -> bool:
    """Whether no customer was ever published."""
    return bool(conn.execute(query(_SQL, "is_first")).scalar_one())


def read_inputs(conn: Connection) -> tuple[Ints, Ints]:
    """Every live record, and the profile of each."""
    columns = (("record", "i8"), ("profile", "i8"))
    inputs = binary_copy.read_parts(conn, load(_SQL)["select_inputs"], columns)
    return inputs["record"], inputs["profile"]


def publish(
    conn: Connection,
    ctx: RunContext,
    inputs: tuple[Ints, Ints],
    own: OwnNodes,
    clusters: Partition,
) -> PhaseReport:
    """The report of loading the three empty tables of customers, their records and clusters.

    Locks these tables until the caller's transaction ends; before that, nobody has read an id.
    ``inputs`` are those of ``read_inputs``.
    """
    found = assign(*inputs, own, clusters)
    ids = new_ids(len(found.record_n), at=ctx.as_of)
    with first_load.first_load(conn, *_TABLES):
        _copy_customers(conn, ctx, ids)
        conn.execute(query(_SQL, "create_links"))
        binary_copy.write_columns(
            conn,
            ("pg_temp", "identity_links"),
            {
                "record_id": found.record,
                "global_customer_id": ids[found.customer],
                "confidence": found.confidence,
                "decision": found.decision,
            },
        )
        conn.execute(query(_SQL, "merge_joins_only"))
        conn.execute(
            query(_SQL, "insert_map"),
            {
                "as_of": ctx.as_of,
                "run_id": ctx.run_id,
                "decisions": DECISIONS,
            },
        )
        conn.execute(query(_SQL, "any_join"))
        conn.execute(query(_SQL, "forget_links"))
        _copy_clusters(conn, ctx, ids, found, clusters)
    return _report(found, ids, clusters)


def new_ids(n: int, *, at: datetime) -> NDArray[np.bytes_]:
    """``n`` new UUIDs of version 7 in ascending order, of 16 bytes each.

    A millisecond, then a counter of 26 bits, then 48 random bits: RFC 9562, section 6.2, method 1.
    """
    if n >= 1 << 26:
        raise ValueError(f"{n} ids do not fit into one counter")
    counter = np.arange(n, dtype=np.uint64)
    halves = np.empty((n, 2), dtype=">u8")
    milliseconds = np.uint64(int(at.timestamp() * 1000))
    halves[:, 0] = milliseconds << np.uint64(16) | np.uint64(7 << 12) | counter >> np.uint64(14)
    chance = np.frombuffer(os.urandom(8 * n), dtype=np.uint64) >> np.uint64(16)
    low_counter = (counter & np.uint64((1 << 14) - 1)) << np.uint64(48)
    halves[:, 1] = np.uint64(1 << 63) | low_counter | chance
    return halves.view("S16").ravel()


def _copy_customers(conn: Connection, ctx: RunContext, ids: NDArray[np.bytes_]) -> None:
    n = len(ids)
    born = (ctx.as_of - _POSTGRES_EPOCH).total_seconds()
    binary_copy.write_columns(
        conn,
        ("identity", "customers"),
        {
            "global_customer_id": ids,
            "customer_seq": np.arange(1, n + 1, dtype=np.int64),
            "created_at": np.full(n, round(born * 1_000_000), dtype=np.int64),
            "created_run_id": np.full(n, ctx.run_id, dtype=np.int64),
        },
    )
    if n:
        conn.execute(query(_SQL, "continue_sequence"), {"customers": n})


def _copy_clusters(
    conn: Connection,
    ctx: RunContext,
    ids: NDArray[np.bytes_],
    found: Assignment,
    clusters: Partition,
) -> None:
    by_age = np.argsort(found.customer_of)
    known = clusters.weakest_l[by_age] >= 0
    columns: dict[str, NDArray[Any]] = {
        "global_customer_id": ids[found.customer_of],
        "profile_n": clusters.profile_n,
        "record_n": found.record_n[found.customer_of].astype(np.int32),
        "confidence": clusters.cluster_confidence,
        "run_id": np.full(len(by_age), ctx.run_id, dtype=np.int64),
    }
    weakest: dict[str, NDArray[Any]] = {
        "weakest_profile_l": clusters.weakest_l,
        "weakest_profile_r": clusters.weakest_r,
        "weakest_probability": clusters.weakest_probability,
    }
    # Binary rows of one width have no room for NULL: what stewards alone hold goes separately.
    for rows, chosen in ((by_age[known], columns | weakest), (by_age[~known], columns)):
        binary_copy.write_columns(
            conn,
            ("identity", "customer_clusters"),
            {name: values[rows] for name, values in chosen.items()},
        )


def _report(found: Assignment, ids: NDArray[np.bytes_], clusters: Partition) -> PhaseReport:
    profile_n = np.ones(len(ids), dtype=np.int64)
    profile_n[found.customer_of] = clusters.profile_n
    largest = np.argsort(-found.record_n, kind="stable")[:5]
    sizes = np.bincount(np.searchsorted(list(_SIZES), found.record_n), minlength=len(_SIZES) + 1)
    names = (*_SIZES.values(), "over 100")
    return PhaseReport(
        rows_in=len(found.record),
        rows_out=len(found.record),
        detail={
            "new": len(ids),
            **dict.fromkeys(("merged", "split", "moved", "deleted", "resurrected"), 0),
            "customers": len(ids),
            "customers_by_records": {
                name: n for name, n in zip(names, sizes.tolist(), strict=True) if n
            },
            "largest": [
                {
                    "global_customer_id": str(UUID(bytes=ids[i : i + 1].tobytes())),
                    "records": int(found.record_n[i]),
                    "profiles": int(profile_n[i]),
                }
                for i in largest.tolist()
            ],
        },
    )
