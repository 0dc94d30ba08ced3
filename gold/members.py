"""The records of touched customers of several, read once for survivorship and for conflicts."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from db.queries import load, query
from gold import state, survivorship
from mdm.config import Config

_FILE, _CONFLICTS = "gold/members.sql", "gold/conflicts.sql"


def sources_in_order(conn: Connection, config: Config) -> list[str]:
    """Every source by priority; those that left the configuration last, by name."""
    configured = survivorship.sources_by_priority(config)
    known: Sequence[str] = conn.execute(query(_FILE, "known_sources")).scalars().all()
    return [*configured, *(source for source in known if source not in configured)]


def read(conn: Connection, config: Config, *, everyone: bool = False) -> list[str]:
    """The order of sources, after work tables were made for the customers in ``work_touched``.

    These are ``work_member`` (their records) and ``work_winner`` (per customer who wins each part
    and where records disagree). Neither holds customers of one record: nobody disagrees with it.
    The caller drops them in its transaction (``drop_work``); what profiles a few touched customers
    have stays for the review queue (``gold_linked``).
    """
    sources = sources_in_order(conn, config)
    links = "identity.customer_identity_map" if everyone else "gold.work_record"
    member = load(_FILE)["create_member"].replace("{links}", links)
    conn.execute(text(member), {"sources": sources})
    if not everyone:
        conn.execute(query(_FILE, "keep_profiles"))
    conn.execute(query(_FILE, "create_winner"), survivorship.rule_params(config))
    return sources


def find_conflicts(conn: Connection, sources: list[str], *, golden: str) -> None:
    """Make ``gold_found``, the conflicts of the customers that were read, with what won.

    ``golden`` is the table of their golden values. Phase 7 leaves the outcome for conflict
    detection in the same transaction, so that nobody reads twice.
    """
    conn.execute(query(_CONFLICTS, "drop_found"))
    found = load(_CONFLICTS)["create_found"].replace("{golden}", golden)
    conn.execute(text(found), {"sources": sources})


def conflicts_are_found(conn: Connection, *, since: int) -> bool:
    """Whether ``gold_found`` is of the customers touched after the touch number ``since``.

    It is when phase 7 has run in this very transaction (the table goes when that ends) and nothing
    older is pending.
    """
    golden = state.marks(conn, "golden")
    exists = conn.execute(query(_CONFLICTS, "found_exists")).scalar_one()
    return bool(exists and golden and golden["touched_before"] <= since)


def drop_work(conn: Connection) -> None:
    """Drop the work tables, where there are any."""
    conn.execute(query(_FILE, "drop_work"))
