"""The shared-value register: values of many different people are no evidence of who is who.

A switchboard, ``info@``, a block of flats, a placeholder that nobody listed: whatever at least
``[matching] shared_by_names`` different names hold is found from the data, listed in
``identity.shared_values`` and left out of profiles, so that neither blocking nor matching ever sees
it. Golden records keep it. A steward confirms or lifts an entry by a row in
``identity.shared_value_decisions``.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from sqlalchemy import Connection, CursorResult

from db.queries import query
from mdm.config import Config
from mdm.errors import UsageError
from mdm.phases import RunContext

_FILE = "staging/shared_values.sql"
SHAREABLE: Final = {
    "email": "email",
    "phone": "phone",
    "address": "street",
    "tax_id": "tax_id",
    "customer_number": "customer_number",
}
"""What the register may hold, and the attribute that it is made of."""
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
    is one.
    """
    names = ctx.config.matching.shared_by_names
    _do(conn, "drop_temporary")
    _do(conn, "create_suspects")
    if consumed is None:
        for attribute in _in_use(ctx.config):
            _do(conn, f"suspect_{attribute}", names=names)
    else:
        _do(conn, "suspect_changed", consumed=consumed)
    _do(conn, "find_holders")
    _do(conn, "judge", names=names)
    _do(conn, "register", as_of=ctx.as_of, run_id=ctx.run_id)
    touched = 0
    if change_seq is not None:
        touched = _do(conn, "touch_holders", change_seq=change_seq).rowcount
    _do(conn, "drop_temporary")
    ignored = int(_do(conn, "count_ignored").scalar_one())
    return {"shared_values": ignored, "records_moved_by_shared_values": touched}


def _in_use(config: Config) -> list[str]:
    """The attributes of the register that any source has."""
    mapped = {name for source in config.sources.values() for name in source.fields}
    return [name for name, field in SHAREABLE.items() if field in mapped]


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
