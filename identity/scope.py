"""What a resolution looks at: all records, or those that a change could have any influence on.

Clusters are a pure function of each connected component of joining pairs and stewards' chains. So
it is enough to look at the components that touched profiles are in now, together with the customers
that any of their records is in so far: nothing outside can come in or go out.
"""

from __future__ import annotations

import itertools

import numpy as np
from sqlalchemy import Connection

from db import binary_copy
from db.queries import load, query
from identity.graph import Ints, Pairs, components, is_joining, read_pairs

_SQL = "identity/scope.sql"
_CHAINED = (("profile", "i8"), ("chain", "i8"))


def look_at_all(conn: Connection) -> None:
    """Makes the temporary views of the layers before show everything."""
    conn.execute(query(_SQL, "create_scope_of_all"))


def look_at_touched(
    conn: Connection, *, change_seq: int, decision_id: int, rescored: Ints, merge_flagged: bool
) -> Pairs:
    """Makes the temporary views of the layers before show what changes can have influence on.

    What changed: records behind ``change_seq``, stewards' words behind ``decision_id``, and pairs
    with an end in the profiles ``rescored``. From these it goes on to the customers that their
    records are in, to all profiles of these, and to the profiles that a pair or a steward's chain
    could join to any of them, until nothing is new. Each step searches indexes for what the step
    before found, so the cost follows what is touched.

    Gives the scored pairs met on the way: all between two profiles looked at, and some that lead
    to others.
    """
    conn.execute(query(_SQL, "create_scope"))
    _load_same_groups(conn)
    conn.execute(
        query(_SQL, "create_touched_records"),
        {"change_seq": change_seq, "decision_id": decision_id},
    )
    conn.execute(query(_SQL, "add_touched_customers"))
    chains = binary_copy.read_parts(conn, load(_SQL)["select_chains"], _CHAINED)
    base = conn.execute(query("identity/graph.sql", "last_profile_id")).scalar_one() + 1
    is_found = np.zeros(base, dtype=bool)
    met: list[Pairs] = []
    found = [
        rescored,
        _profiles(conn, "select_touched_profiles"),
        _profiles(conn, "select_profiles_of_customers", step=-1),
    ]
    for step in itertools.count():
        is_new = np.zeros(base, dtype=bool)
        for profiles in found:
            is_new[profiles[profiles < base]] = True  # none of those behind is there any more
        is_new &= ~is_found
        is_found |= is_new
        reached = is_new.nonzero()[0]
        if not len(reached):
            break
        binary_copy.write_columns(
            conn,
            ("pg_temp", "identity_scope"),
            {"profile_id": reached, "step": np.full(len(reached), step, dtype=np.int32)},
        )
        pairs = read_pairs(conn, _SQL, "select_pairs", base=base, step=step)
        met.append(pairs)
        conn.execute(query(_SQL, "add_records"), {"step": step})
        conn.execute(query(_SQL, "add_customers"), {"step": step})
        in_chains = chains["chain"][is_new[chains["profile"]]]
        found = [
            pairs.right[is_joining(pairs, merge_flagged=merge_flagged)],
            _profiles(conn, "select_left_ends", step=step, merge_flagged=merge_flagged),
            _profiles(conn, "select_profiles_of_customers", step=step),
            chains["profile"][np.isin(chains["chain"], in_chains)],
        ]
    return Pairs.none().joined_with(*met)


def _profiles(conn: Connection, name: str, **values: object) -> Ints:
    columns = binary_copy.read_parts(conn, load(_SQL)[name], (("profile", "i8"),), **values)
    return columns["profile"]


def _load_same_groups(conn: Connection) -> None:
    rows = conn.execute(query("identity/graph.sql", "select_judgements")).all()
    pairs = [(r.record_id_l, r.record_id_r) for r in rows if r.verdict == "SAME"]
    links = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    records, at = np.unique(links, return_inverse=True)
    at = at.reshape(-1, 2)
    binary_copy.write_columns(
        conn,
        ("pg_temp", "identity_same_groups"),
        {
            "record_id": records,
            "group_no": components(len(records), at[:, 0], at[:, 1]),
        },
    )
