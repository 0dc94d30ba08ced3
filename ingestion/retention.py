"""What raw no longer needs: the rows of objects whose key has long since held other content."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from db import bulk
from db.queries import load, query
from mdm.config import Config

_FILE = "ingestion/retention.sql"


def drop_superseded(conn: Connection, config: Config) -> dict[str, int]:
    """Rows deleted per raw table; nothing where ``superseded_raw_days`` is not set.

    An object must have been superseded that long and staging must have seen it. Its ledger row and
    its quarantined lines stay; retracted objects keep all, because they can be restored.
    """
    days = config.retention.superseded_raw_days
    if days is None:
        return {}
    deleted = {}
    for source in config.sources.values():
        exists = query("ingestion/ingestion.sql", "source_table_exists")
        if conn.execute(exists, {"table": source.table}).scalar_one():
            deleted[f"raw.{source.table}"] = bulk.execute(
                conn,
                load(_FILE)["drop_superseded"],
                (timedelta(days=days),),
                table=bulk.identifier("raw", source.table),
            )
    return deleted
