"""What a publication leaves to do for those who read after it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine

from db import bulk
from db.queries import query


def tidy(engine: Engine) -> None:
    """Vacuums what a first load has filled, two tables at a time.

    Otherwise the first night marks each row it reads as committed, and the log takes in each page
    so marked: two thirds of that night's log. Autovacuum may come too late for it.
    """
    with engine.connect() as conn:
        tables = conn.execute(query("mdm/tidying.sql", "never_vacuumed")).scalars().all()
    if tables:
        with ThreadPoolExecutor(2, "tidying") as pool:
            list(pool.map(lambda table: _vacuum(engine, table), tables))


def _vacuum(engine: Engine, table: str) -> None:
    with engine.connect() as connected:
        conn = connected.execution_options(isolation_level="AUTOCOMMIT")
        # in the buffers where the rows still are, and without workers: both cores are busy
        bulk.execute(
            conn,
            "VACUUM (BUFFER_USAGE_LIMIT 0, PARALLEL 0) {table}",
            table=bulk.identifier(*table.split(".", 1)),
        )
