"""The shared-value register: values of many different people are no evidence of who is who.

A switchboard, ``info@``, a block of flats, a placeholder that nobody listed: whatever at least
``[matching] shared_by_names`` different names hold is found from the data, listed in
``identity.shared_values`` and left out of profiles, so that neither blocking nor matching ever sees
it. Golden records keep it. A steward confirms or lifts an entry by a row in
``identity.shared_value_decisions``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, CursorResult

from db.arrays import distinct
from db.queries import query
from mdm.errors import UsageError
from mdm.phases import RunContext
from staging import value_keys
from staging.value_keys import Entries, Ints, Stored

_FILE = "staging/shared_values.sql"
Verdict = Literal["CONFIRM", "LIFT", "UNDO"]


def words_are_waiting(conn: Connection) -> bool:
    """Whether a steward has judged a value since the register was last brought up to date."""
    return bool(_do(conn, "words_are_waiting").scalar_one())


@dataclass(frozen=True, slots=True)
class Suspects:
    """What may be shared now or was: keys of values, and the records that may hold one."""

    keys: Ints
    record_ids: Ints
    #: Who holds which value of the records that were looked at, and what runs before have stored.
    fresh: Entries
    stored: Stored
    is_whole: bool


def suspects(
    conn: Connection, ctx: RunContext, changed: NDArray[Any], *, is_whole: bool
) -> Suspects:
    """What is to be judged anew; reads alone, on any connection that sees the records.

    ``changed`` are rows of ``value_keys.select_keys``: all records if it ``is_whole``. Else only
    their values are looked at, and the registered ones that a changed record has or had: the
    outcome is the same, because no other value can have got or lost a holder.
    """
    fresh, stored = Entries.of(changed), Stored.none() if is_whole else Stored.read(conn)
    known = _known(conn, stored, fresh, None if is_whole else changed["record_id"])
    keys = np.union1d(known, _held_by_many(stored, fresh, ctx.config.matching.shared_by_names))
    record_ids = np.union1d(stored.among(keys).record_ids, fresh.among(keys).record_ids)
    return Suspects(keys, record_ids, fresh, stored, is_whole)


def update(
    conn: Connection, ctx: RunContext, found: Suspects, *, change_seq: int, has_feed: bool
) -> dict[str, int]:
    """How many values are ignored, and how many records that touched; writes the register.

    Records that hold a value whose state changed take ``change_seq`` in the change feed, where it
    ``has_feed``. ``pg_temp.value_holders`` is left behind: all records that hold a value looked at.
    """
    _do(conn, "drop_temporary")
    if found.is_whole:
        value_keys.clear(conn)
    found.stored.add(conn, found.fresh, change_seq=change_seq)
    _do(conn, "suspect", keys=found.keys.tolist(), record_ids=found.record_ids.tolist())
    _do(conn, "judge", names=ctx.config.matching.shared_by_names)
    _do(conn, "register", as_of=ctx.as_of, run_id=ctx.run_id)
    touched = 0
    if has_feed:
        touched = _do(conn, "touch_holders", change_seq=change_seq).rowcount
    ignored = int(_do(conn, "count_ignored").scalar_one())
    return {"shared_values": ignored, "records_moved_by_shared_values": touched}


def _held_by_many(stored: Stored, fresh: Entries, names: int) -> Ints:
    """The values in ``fresh`` that may have ``names`` different names."""
    keys, n = fresh.counted()
    keys = keys[n + stored.count(keys) >= names]
    of_stored, of_fresh = stored.names(keys), fresh.among(keys)
    keys = np.concatenate([of_stored[0], of_fresh.keys])
    named = np.concatenate([of_stored[1], of_fresh.names])
    order = np.lexsort((named, keys))
    keys, named = keys[order], named[order]
    is_new = (np.diff(keys, prepend=0) != 0) | (np.diff(named, prepend=0) != 0)
    keys, n = np.unique_counts(keys[is_new & (named != 0)])
    return keys[n >= names]


def _known(conn: Connection, stored: Stored, fresh: Entries, changed: Ints | None) -> Ints:
    """The values that the register or a steward knows, as far as they must be judged again.

    Without ``changed`` these are all. Else those that a changed record has or had, and those of
    which a steward has said something since.
    """
    rows = _do(conn, "known_values").all()
    keys = np.array([row.key for row in rows], np.int32)
    if changed is None:
        return keys
    held = stored.among(distinct(keys))
    moved = held.keys[np.isin(held.record_ids, changed)]
    is_waiting = np.array([row.is_waiting for row in rows], bool)
    return keys[is_waiting | np.isin(keys, moved) | np.isin(keys, fresh.keys)]


def decide(
    conn: Connection,
    verdict: Verdict,
    attribute: str,
    value: str,
    *,
    steward: str,
    reason: str,
) -> int:
    """The number of a steward's decision on a value; phase 4 of the next run follows it.

    Raises UsageError when no record and no entry of the register has the value.
    """
    decision = _do(
        conn,
        "insert_decision",
        verdict=verdict,
        attribute=attribute,
        value=value,
        steward=steward,
        reason=reason,
    ).scalar_one_or_none()
    if decision is None:
        raise UsageError(
            f"No record has the {attribute} {value!r} (standardised values count, as "
            "`mdm shared-values list` and staging.shareable_values show them)."
        )
    return int(decision)


def _do(conn: Connection, name: str, **values: object) -> CursorResult[Any]:
    return conn.execute(query(_FILE, name), values)
