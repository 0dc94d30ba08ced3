"""What a resolution looks at: all records, or those that a change could have any influence on.

Clusters are a pure function of each connected component of joining pairs and stewards' chains. So
it is enough to look at the components that touched profiles are in now, together with the customers
that any of their records is in so far: nothing outside can come in or go out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from db import binary_copy
from db.arrays import are_in, array_of
from db.beside import Line, line_beside
from db.graphs import components
from db.queries import load, query
from identity.assignment import DECISIONS, MEMBER, NOBODY, Members, numbered
from identity.graph import (
    PROFILE,
    Ints,
    Pairs,
    Profiles,
    is_joining,
    read_pairs,
    read_profiles,
)

_SQL = "identity/scope.sql"
_CHAINED = (("profile", "i8"), ("chain", "i8"))
_MAPPED = (MEMBER[0], MEMBER[1], *MEMBER[4:])
_WORTH_HALVING: Final = 1000  # profiles: a millisecond of searches
T = TypeVar("T")


@dataclass(frozen=True)
class Touched:
    """What a change could have any influence on: profiles, their records, and scored pairs.

    ``pairs`` are those between two of the profiles that are in one group.
    """

    profiles: Profiles
    members: Members
    pairs: Pairs


def look_at_all(conn: Connection, poverty: Mapping[str, object]) -> tuple[Profiles, Pairs]:
    """All profiles and scored pairs; the temporary views of the layers before show everything.

    Both are read at once where they were committed.
    """
    base = _base(conn)
    with line_beside(conn) as other:
        coming = other.begin(read_pairs, base)
        conn.execute(query(_SQL, "create_scope_of_all"))
        return read_profiles(conn, poverty), coming.result()


def read_all_members(conn: Connection) -> Members:
    """Every live record."""
    return Members(**_read(conn, "select_all_members", MEMBER, decisions=DECISIONS))


def look_at_touched(
    conn: Connection,
    *,
    change_seq: int,
    decision_id: int,
    rescored: Ints,
    merge_flagged: bool,
    poverty: Mapping[str, object],
) -> Touched:
    """What changes can have influence on; the temporary views of the layers before show the same.

    What changed: records behind ``change_seq``, stewards' words behind ``decision_id``, and pairs
    with an end in the profiles ``rescored``. From these it goes on to the customers that their
    records are in, to all profiles of these, and to the profiles that a pair or a steward's chain
    could join to any of them, until nothing is new. Each step searches indexes for what the step
    before found, so the cost follows what is touched. A second connection does half of the
    searches: they are of what was committed.

    One record leads to a customer, and the map tells of all records of a customer at once. So of
    profiles that pairs join one is asked whose it is, and the others only where records of them
    are missing when its customer is known.
    """
    base = _base(conn)
    with line_beside(conn) as other:
        coming = other.begin(_read_pairs_of_changes, base, change_seq, rescored)
        conn.execute(query(_SQL, "create_scope"))
        _load_same_groups(conn)
        conn.execute(
            query(_SQL, "create_touched_records"),
            {"change_seq": change_seq, "decision_id": decision_id},
        )
        conn.execute(query(_SQL, "add_touched_customers"))
        chains = binary_copy.read_parts(conn, load(_SQL)["select_chains"], _CHAINED)
        touched = Members(**_read(conn, "select_touched_members", MEMBER, decisions=DECISIONS))
        outdated = _read(conn, "select_touched_map", (("record", "i8"),))["record"]
        members = touched.joined_with(_members(conn, "of_touched_customers", but=outdated))
        found = [rescored, _profiles(conn, "select_chained_profiles"), members.profile]
        profiles: Profiles = {name: np.empty(0, dtype=kind) for name, kind in PROFILE}
        is_found, is_read, is_asked = np.zeros((3, base), dtype=bool)
        of_changes, pairs = coming.result()
        for some in (of_changes[of_changes < base], pairs.left, pairs.right):
            is_read[some] = True
        joined = Pairs.none()
        while True:
            is_new = np.zeros(base, dtype=bool)
            for some in found:
                is_new[some[some < base]] = True  # none of those behind is there any more
            is_new &= ~is_found
            found = []
            if is_new.any():
                read = read_pairs(conn, base, of=(is_new & ~is_read).nonzero()[0])
                pairs = pairs.joined_with(read)
                joined = pairs.where(is_joining(pairs, merge_flagged=merge_flagged))
                is_new |= _joined_to(is_new, joined)
                is_found |= is_new
                for some in (is_new.nonzero()[0], read.left, read.right):
                    is_read[some] = True
                parts = _in_halves(
                    conn, other, lambda c, ids: read_profiles(c, poverty, of=ids), is_new
                )
                profiles = {
                    name: np.concatenate([profiles[name], *(part[name] for part in parts)])
                    for name in profiles
                }
                in_chains = chains["chain"][is_new[chains["profile"]]]
                found.append(chains["profile"][np.isin(chains["chain"], in_chains)])
            record_n = np.zeros(base, dtype=np.int64)
            record_n[profiles["profile"]] = np.abs(profiles["record_n"])
            np.subtract.at(record_n, members.profile, 1)
            asked = _whom_to_ask((record_n > 0) & ~is_asked, is_asked, joined)
            if not (is_new.any() or asked.any()):
                break
            is_asked |= asked
            more = _in_halves(
                conn,
                other,
                lambda c, ids: _members(c, "of_profiles", but=outdated, profiles=array_of(ids)),
                asked,
            )
            members, fresh = members.joined_with(*more).distinct(), len(members.record)
            found.append(members.profile[fresh:])
    met = pairs.where(is_found[pairs.left] & is_found[pairs.right])
    return Touched(profiles, members, met)


def read_clusters(conn: Connection, members: Members) -> None:
    """Makes the temporary view of clusters show those of all customers that were touched."""
    ids, _ = numbered(members.customer[members.customer != NOBODY])
    binary_copy.write_columns(
        conn, ("pg_temp", "identity_scope_customers"), {"global_customer_id": ids}
    )
    conn.execute(query(_SQL, "create_scoped_clusters"))


def _read_pairs_of_changes(
    conn: Connection, base: int, change_seq: int, rescored: Ints
) -> tuple[Ints, Pairs]:
    """Profiles that were ``rescored`` or that changed records show; the pairs of their groups."""
    changed = _profiles(conn, "select_changed_profiles", change_seq=change_seq)
    profiles = np.concatenate([rescored, changed])
    return profiles, read_pairs(conn, base, of=profiles)


def _in_halves(
    conn: Connection,
    other: Line,
    read: Callable[[Connection, Ints], T],
    wanted: NDArray[np.bool_],
) -> list[T]:
    """What is read of the ``wanted`` profiles, on two connections at once where it pays."""
    ids = wanted.nonzero()[0]
    if len(ids) < _WORTH_HALVING:
        return [read(conn, ids)]
    behind = other.begin(read, ids[len(ids) // 2 :])
    return [read(conn, ids[: len(ids) // 2]), behind.result()]


def _base(conn: Connection) -> int:
    return int(conn.execute(query("identity/graph.sql", "last_profile_id")).scalar_one()) + 1


def _joined_to(chosen: NDArray[np.bool_], joined: Pairs) -> NDArray[np.bool_]:
    """The profiles that pairs have ``joined`` to chosen ones, over any number of others."""
    is_end = np.zeros_like(chosen)
    is_end[joined.left] = is_end[joined.right] = True
    ids, place = is_end.nonzero()[0], np.cumsum(is_end) - 1
    label = components(len(ids), place[joined.left], place[joined.right])
    is_met = np.zeros(len(ids), dtype=bool)
    is_met[label[chosen[ids]]] = True
    out = np.zeros_like(chosen)
    out[ids[is_met[label]]] = True
    return out


def _whom_to_ask(
    is_short: NDArray[np.bool_], is_asked: NDArray[np.bool_], joined: Pairs
) -> NDArray[np.bool_]:
    """Of the profiles that miss records, the first of those that pairs have ``joined``.

    Any whose neighbour was asked already: it is another customer's.
    """
    is_later, is_next = np.zeros((2, len(is_short)), dtype=bool)
    is_later[joined.right[is_short[joined.left]]] = True
    is_next[joined.right[is_asked[joined.left]]] = True
    is_next[joined.left[is_asked[joined.right]]] = True
    return is_short & (is_next | ~is_later)


def _members(conn: Connection, whose: str, *, but: Ints, **values: object) -> Members:
    """The records of some customers, as the map has them, without those that have changed since."""
    read = _read(conn, f"select_members_{whose}", _MAPPED, decisions=DECISIONS, **values)
    members = Members(mapped_record=read["record"], mapped_profile=read["profile"], **read)
    return members.where(~are_in(members.record, but))


def _read(
    conn: Connection, name: str, kinds: binary_copy.Kinds, **values: object
) -> dict[str, NDArray[Any]]:
    queries = load(_SQL)
    select = queries[name]
    for columns in ("member", "mapped"):
        select = select.replace(f"{{{columns}}}", queries[columns])
    return binary_copy.read_parts(conn, select, kinds, **values)


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
