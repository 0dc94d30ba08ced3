"""Schema: numbered plain-SQL files in ``db/init``, each applied once and recorded.

Plain SQL rather than a migration framework: the schema is the product's public face, people read it
in psql, and there is one database to support. Each file runs in one transaction together with its
row in ``ops.schema_migrations``; a file that changed after it was applied is refused.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import NamedTuple

from sqlalchemy import Connection, Engine, text

from db import bulk
from mdm.errors import MdmError

_LOCK = 7_202_611  # any fixed number: serialises two processes that set up one database


class Migration(NamedTuple):
    """One file of ``db/init``: its name, its SQL and the checksum that proves it did not change."""

    name: str
    sql: str
    checksum: str


def migrations() -> list[Migration]:
    """All migrations in the order they apply: by number."""
    files = sorted(
        (f for f in resources.files("db").joinpath("init").iterdir() if f.name.endswith(".sql")),
        key=lambda f: f.name,
    )
    return [
        Migration(f.name, sql := f.read_text("utf-8"), hashlib.sha256(sql.encode()).hexdigest())
        for f in files
    ]


def apply(engine: Engine) -> list[str]:
    """The names of the migrations that this call applied; empty when the schema is current.

    Safe to call at every start and from two processes at once. Raises MdmError when an applied file
    was edited since: the fix is a new file, never a change of an old one.
    """
    with engine.connect() as conn:
        conn.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        conn.commit()
        try:
            return _apply(conn)
        finally:
            conn.rollback()
            conn.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
            conn.commit()


def _apply(conn: Connection) -> list[str]:
    known = _applied(conn)
    done = []
    for migration in migrations():
        checksum = known.get(migration.name)
        if checksum == migration.checksum:
            continue
        if checksum is not None:
            raise MdmError(
                f"db/init/{migration.name} was changed after this database had applied it. "
                "Nothing was touched. Put the change into a new numbered file."
            )
        with bulk.cursor(conn) as cur:
            cur.execute(migration.sql)
        conn.execute(
            text("INSERT INTO ops.schema_migrations (name, checksum) VALUES (:name, :checksum)"),
            {"name": migration.name, "checksum": migration.checksum},
        )
        conn.commit()
        done.append(migration.name)
    return done


def _applied(conn: Connection) -> dict[str, str]:
    if conn.execute(text("SELECT to_regclass('ops.schema_migrations')")).scalar() is None:
        return {}
    rows = conn.execute(text("SELECT name, checksum FROM ops.schema_migrations"))
    return {row.name: row.checksum for row in rows}
