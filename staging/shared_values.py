"""The shared-value register: values of many different people are no evidence of who is who.

A switchboard, ``info@``, a block of flats, a placeholder that nobody listed: whatever at least
``[matching] shared_by_names`` different names hold is found from the data, listed in
``identity.shared_values`` and left out of profiles, so that neither blocking nor matching ever sees
it. Golden records keep it. A steward confirms or lifts an entry by a row in
``identity.shared_value_decisions``.
"""

from __future__ import annotations

import io
from typing import Any, Final, Literal

import polars as pl
from sqlalchemy import Connection, CursorResult

from db import bulk
from db.queries import load, query
from mdm.errors import UsageError
from mdm.phases import RunContext

_FILE = "staging/shared_values.sql"
# Clean values hold no control character: nothing in them needs quotes.
_SEPARATOR = "\x01"
_COPY = "FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02'"
SHAREABLE: Final = ("email", "phone", "address", "tax_id", "customer_number")
"""What the register may hold."""
Verdict = Literal["CONFIRM", "LIFT", "UNDO"]


def words_are_waiting(conn: Connection) -> bool:
    """Whether a steward has judged a value since the register was last brought up to date."""
    return bool(_do(conn, "words_are_waiting").scalar_one())


def update(
    conn: Connection, ctx: RunContext, *, consumed: int | None, change_seq: int | None
) -> dict[str, int]:
    """How many values are ignored, and how many records that touched; writes the register.

    With ``consumed`` only the values of records that changed after that number, and the registered
    ones, are looked at: the outcome is the same, because no other value can have got new holders.
    Records that hold a value whose state changed take ``change_seq`` in the change feed, if there
    is one. ``pg_temp.value_holders`` is left behind: all records looked at that hold a value which
    the register knows are in it.
    """
    names = ctx.config.matching.shared_by_names
    _do(conn, "drop_temporary")
    _do(conn, "suspect_known")
    if consumed is None:
        _suspect_any(conn, names)
    else:
        _do(conn, "suspect_changed", consumed=consumed)
        _do(conn, "find_holders")
    _do(conn, "judge", names=names)
    _do(conn, "register", as_of=ctx.as_of, run_id=ctx.run_id)
    touched = 0
    if change_seq is not None:
        touched = _do(conn, "touch_holders", change_seq=change_seq).rowcount
    _do(conn, "forget_suspects")
    ignored = int(_do(conn, "count_ignored").scalar_one())
    return {"shared_values": ignored, "records_moved_by_shared_values": touched}


def _suspect_any(conn: Connection, names: int) -> None:
    """Suspects every value that ``names`` different names hold, and finds who holds suspects.

    Whole columns are counted at once by polars, in a fraction of the time of as many aggregates.
    """
    sink = io.BytesIO()
    bulk.copy_out(conn, load(_FILE)["select_values"], sink, options=_COPY)
    if not sink.tell():
        _do(conn, "hold", record_ids=[])
        return
    sink.seek(0)
    columns = ["record_id", "initials", *SHAREABLE]
    records = pl.read_csv(
        sink,
        has_header=False,
        new_columns=columns,
        separator=_SEPARATOR,
        quote_char=None,
        schema_overrides=dict.fromkeys(columns, pl.String) | {"record_id": pl.Int64},
    )
    known = pl.DataFrame(
        _do(conn, "suspects").all(),
        schema={"attribute": pl.String, "value": pl.String},
        orient="row",
    )
    holders = []
    for attribute in SHAREABLE:
        held = records.select("record_id", "initials", value=attribute).drop_nulls("value")
        often = held.group_by("value").len().filter(pl.col("len") >= names)
        by_names = held.join(often, on="value", how="semi").unique(["value", "initials"])
        shared = (
            by_names.drop_nulls("initials")
            .group_by("value")
            .len()
            .filter(pl.col("len") >= names)["value"]
        )
        if len(shared):
            _do(conn, "suspect", attribute=attribute, values=shared.to_list())
        suspects = pl.concat([shared, known.filter(attribute=attribute)["value"]]).to_frame()
        holders.append(held.join(suspects, on="value", how="semi")["record_id"])
    _do(conn, "hold", record_ids=pl.concat(holders).to_list())


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
