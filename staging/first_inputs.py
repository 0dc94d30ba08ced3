"""The first identity inputs: all records at once, profiles and inputs side by side.

One parallel scan gives what the register wants to know of a record and its fingerprint. Which
records share a profile, and the ids of profiles, are found in arrays; so the inputs do not wait for
the profiles, and PostgreSQL fills both tables at once, on a connection and a core each.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, CursorResult

from db import binary_copy, bulk
from db.beside import beside
from db.first_load import first_load
from db.queries import load, query
from mdm.phases import Bar, RunContext
from staging import shared_values, value_keys

SQL: Final = "staging/identity_inputs.sql"
_KINDS = (*value_keys.KINDS, ("is_deleted", "?"), ("fingerprint", "V16"))
_CURTAILED = (("record_id", "i8"), ("fingerprint", "V16"))


@dataclass(frozen=True, slots=True)
class _Profiles:
    """The profiles of some records: the number of each record's, and of each the content."""

    of_records: NDArray[np.int64]
    fingerprints: NDArray[Any]
    record_ids: NDArray[np.int64]
    records_n: NDArray[np.int64]
    are_curtailed: NDArray[np.bool_]


def make(conn: Connection, ctx: RunContext, *, bar: Bar) -> tuple[int, dict[str, int]]:
    """How many records were looked at and what came of them; fills the empty layer."""
    with beside(conn) as other:
        _do(conn, "let_workers_help")
        number = _do(conn, "take_change_number").scalar_one()
        fingerprint = load(SQL)["fingerprint"]
        select = load("staging/value_keys.sql")["select_keys"].format(
            consumed=-1, more=f", is_deleted, {fingerprint} AS fingerprint"
        )
        records = binary_copy.read_rows(conn, select, _KINDS)
        bar.update()
        # every record is looked at anyway: none needs to tell that its values count anew
        found = shared_values.suspects(conn, ctx, records, is_whole=True)
        detail = shared_values.update(conn, ctx, found, change_seq=number, has_feed=False)
        is_live = ~records["is_deleted"]
        record_ids = records["record_id"][is_live].astype(np.int64)
        order = np.argsort(record_ids)
        record_ids = record_ids[order]
        curtailed = binary_copy.read_rows(
            conn, load(SQL)["curtailed_fingerprints"].format(fingerprint=fingerprint), _CURTAILED
        )
        profiles = _shared(record_ids, records["fingerprint"][is_live][order], curtailed)
        first_id = 1
        if len(profiles.record_ids):
            ids_n = len(profiles.record_ids)
            first_id = _do(conn, "take_profile_ids", ids_n=ids_n).scalar_one()
        bar.update()
        with ThreadPoolExecutor(1) as thread:
            inputs = (record_ids, first_id + profiles.of_records)
            filling = thread.submit(_fill_inputs, other, *inputs)
            if other is conn:
                filling.result()
            _fill_profiles(conn, profiles, first_id, number)
            bar.update()
            filling.result()
        if other is not conn:
            other.commit()
        bar.update()
    added = len(profiles.record_ids)
    return len(records), detail | {"profiles_added": added, "profiles_retired": 0}


def _shared(
    record_ids: NDArray[np.int64], fingerprints: NDArray[Any], curtailed: NDArray[Any]
) -> _Profiles:
    """Which records, in order, share a profile by what they count for.

    ``curtailed`` are those that may hold a value of the register, with what is left of them. A
    profile is filled from one of its other records if it has one.
    """
    records_n = len(record_ids)
    are_curtailed = np.isin(record_ids, curtailed["record_id"])
    fingerprints[are_curtailed] = curtailed["fingerprint"][np.argsort(curtailed["record_id"])]
    high, low = fingerprints.view(np.uint64).reshape(records_n, 2).T
    order = np.argsort(high)
    if ((high[order[1:]] == high[order[:-1]]) & (low[order[1:]] != low[order[:-1]])).any():
        order = np.lexsort((low, high))  # a chance of one to tens of millions
    is_first = np.ones(records_n, bool)
    is_first[1:] = (high[order[1:]] != high[order[:-1]]) | (low[order[1:]] != low[order[:-1]])
    starts = np.flatnonzero(is_first)
    places = order + records_n * are_curtailed[order]
    chosen = (np.minimum.reduceat(places, starts) if records_n else places) % max(records_n, 1)
    by_record = np.argsort(chosen)
    rank = np.empty_like(by_record)
    rank[by_record] = np.arange(len(starts))
    of_records = np.empty(records_n, np.int64)
    of_records[order] = rank[np.cumsum(is_first) - 1]
    chosen = chosen[by_record]
    return _Profiles(
        of_records,
        fingerprints[chosen],
        record_ids[chosen],
        np.diff(starts, append=records_n)[by_record],
        are_curtailed[chosen],
    )


def _fill_profiles(conn: Connection, profiles: _Profiles, first_id: int, number: int) -> None:
    _do(conn, "empty_profiles")
    with first_load(conn, "staging.profiles"):
        _do(conn, "open_made_profiles")
        profiles_n = len(profiles.record_ids)
        columns = {
            "profile_id": np.arange(first_id, first_id + profiles_n),
            "fingerprint": profiles.fingerprints,
            "record_n": profiles.records_n.astype(np.int32),
            "change_seq": np.full(profiles_n, number),
            "record_id": profiles.record_ids,
            "is_curtailed": profiles.are_curtailed,
        }
        binary_copy.write_columns(conn, ("pg_temp", "made_profiles"), columns)
        _do(conn, "analyze_made_profiles")
        _do(conn, "join_in_order")
        for table, is_curtailed in (("records", False), ("evidence_records", True)):
            records = bulk.identifier("staging", table)
            bulk.execute(conn, load(SQL)["add_profiles"], (is_curtailed,), records=records)
        _do(conn, "join_as_planned")
    _do(conn, "analyze_profiles")


def _fill_inputs(
    conn: Connection, record_ids: NDArray[np.int64], profile_ids: NDArray[np.int64]
) -> None:
    _do(conn, "empty_inputs")
    with first_load(conn, "staging.identity_inputs"):
        _do(conn, "open_first_inputs")
        columns = {"record_id": record_ids, "profile_id": profile_ids}
        binary_copy.write_columns(conn, ("pg_temp", "record_profiles"), columns)
        _do(conn, "join_in_order")
        _do(conn, "add_first_inputs")
        _do(conn, "join_as_planned")
    _do(conn, "analyze_inputs")


def _do(conn: Connection, name: str, **values: object) -> CursorResult[Any]:
    return conn.execute(query(SQL, name), values)
