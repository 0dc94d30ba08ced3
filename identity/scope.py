"""What a resolution looks at: all records, or those that a change could have any influence on.

Clusters are a pure function of each connected component of joining pairs and stewards' chains. So
it is enough to look at the components that touched profiles are in now, together with the customers
that any of their records is in so far: nothing outside can come in or go out.
"""

from __future__ import annotations

import numpy as np
from sqlalchemy import Connection

from db.queries import query
from identity import binary_copy
from identity.graph import Ints, components

_SQL = "identity/scope.sql"


def look_at_all(conn: Connection) -> None:
    """Makes the temporary views of the layers before show everything."""
    conn.execute(query(_SQL, "create_scope_of_all"))


def look_at_touched(
    conn: Connection, *, change_seq: int, decision_id: int, rescored: Ints, merge_flagged: bool
) -> None:
    """Makes the temporary views of the layers before show what changes can have influence on.

    What changed: records behind ``change_seq``, stewards' words behind ``decision_id``, and pairs
    with an end in the profiles ``rescored``.
    """
    conn.execute(query(_SQL, "create_scope"))
    _load_same_groups(conn)
    conn.execute(
        query(_SQL, "create_touched_records"),
        {"change_seq": change_seq, "decision_id": decision_id},
    )
    conn.execute(
        query(_SQL, "reach"), {"rescored": rescored.tolist(), "merge_flagged": merge_flagged}
    )
    conn.execute(query(_SQL, "analyze_scope"))


def _load_same_groups(conn: Connection) -> None:
    rows = conn.execute(query("identity/graph.sql", "select_judgements")).all()
    pairs = [(r.record_id_l, r.record_id_r) for r in rows if r.verdict == "SAME"]
    links = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    records, at = np.unique(links, return_inverse=True)
    at = at.reshape(-1, 2)
    binary_copy.write(
        conn,
        ("pg_temp", "identity_same_groups"),
        {
            "record_id": records,
            "group_no": components(len(records), at[:, 0], at[:, 1]),
        },
    )
