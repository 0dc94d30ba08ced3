"""What ops no longer needs: decided plans and the phase figures of runs long past."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from db.queries import query
from mdm.config import Retention

_FILE = "mdm/retention.sql"


def drop_old(conn: Connection, limits: Retention) -> dict[str, int]:
    """Rows deleted per table. Runs themselves stay: history and events name them."""
    deleted = {}
    for table, name, days in (
        ("ops.plans", "drop_plans", limits.plans_days),
        ("ops.phase_runs", "drop_phase_runs", limits.phase_runs_days),
    ):
        if days is not None:
            older = {"older_than": timedelta(days=days)}
            deleted[table] = conn.execute(query(_FILE, name), older).rowcount
    return deleted
