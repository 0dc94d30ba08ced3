"""The records of touched customers of several, read once for survivorship and for conflicts."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from db import bulk
from db.queries import query
from gold import state, survivorship
from mdm.config import Config

_FILE = "gold/members.sql"


def sources_in_order(conn: Connection, config: Config) -> list[str]:
    """Every source by priority; those that left the configuration last, by name."""
    configured = survivorship.sources_by_priority(config)
    known: Sequence[str] = conn.execute(query(_FILE, "known_sources")).scalars().all()
    return [*configured, *(source for source in known if source not in configured)]


def read(conn: Connection, config: Config) -> list[str]:
    """The order of sources, after the work tables were made for the customers in ``gold_touched``.

    These are ``gold_member`` (their records) and ``gold_winner`` (per customer who wins each part
    and where records disagree). Neither holds customers of one record: nobody disagrees with it.
    """
    drop(conn, "gold_member", "gold_winner")
    sources = sources_in_order(conn, config)
    conn.execute(query(_FILE, "create_member"), {"sources": sources})
    bulk.execute(conn, "ANALYZE pg_temp.gold_member (global_customer_id)")
    conn.execute(query(_FILE, "create_winner"), survivorship.rule_params(config))
    bulk.execute(conn, "ANALYZE pg_temp.gold_winner (global_customer_id, source_set)")
    return sources


def are_read(conn: Connection, *, since: int) -> bool:
    """Whether the work tables hold the customers touched after the touch number ``since``.

    They do when phase 7 has run in this very transaction (the tables go when that ends) and
    nothing older is pending.
    """
    golden = state.marks(conn, "golden")
    exists = conn.execute(query(_FILE, "member_exists")).scalar_one()
    return bool(exists and golden and golden["touched_before"] <= since)


def drop(conn: Connection, *tables: str) -> None:
    """Free work tables: two runs in one transaction are allowed."""
    for table in tables:
        bulk.execute(conn, "DROP TABLE IF EXISTS {table}", table=bulk.identifier("pg_temp", table))
