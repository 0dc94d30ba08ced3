"""What a publication leaves to do for those who read after it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine, text

from db.queries import query


def tidy(engine: Engine) -> None:
    """Vacuums what a first load has filled, two tables at a time.

    Otherwise the first night marks each row it reads as committed, and the log takes in each page
    so marked: two thirds of that night's log. Autovacuum may come too late for it.

    Raises SQLAlchemy's DBAPIError, by which nothing is lost.
    """
    with engine.connect() as conn:
        statements = conn.execute(query("mdm/tidying.sql", "vacuum_statements")).scalars().all()
    if statements:
        with ThreadPoolExecutor(2, "tidying") as pool:
            list(pool.map(lambda statement: _execute(engine, statement), statements))


def _execute(engine: Engine, statement: str) -> None:
    with engine.connect() as conn:
        conn.execution_options(isolation_level="AUTOCOMMIT").execute(text(statement))
