"""What gold no longer needs: changes and touches that every phase behind has consumed."""

from __future__ import annotations

from sqlalchemy import Connection

from db.queries import query


def drop_consumed(conn: Connection) -> dict[str, int]:
    """Rows deleted per table. Phase 7 does the same when it has something to rebuild."""
    counted = query("gold/retention.sql", "count_work")
    before = conn.execute(counted).one()._asdict()
    conn.execute(query("gold/golden.sql", "drop_consumed"))
    after = conn.execute(counted).one()._asdict()
    return {f"gold.{table}": n - after[table] for table, n in before.items()}
