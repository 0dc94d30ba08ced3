"""The opened warehouse: services up, schema current, database and lake at hand (phase 0)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from db import engine as db_engine
from db import migrations
from mdm import services
from mdm.lake import Lake
from mdm.phases import PhaseReport, RunContext
from mdm.services import Endpoints
from mdm.settings import Settings


@dataclass(frozen=True)
class Warehouse:
    """Everything a command needs to work: where the services are and open handles on them."""

    settings: Settings
    endpoints: Endpoints
    engine: Engine
    lake: Lake
    migrated: tuple[str, ...]


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[Warehouse]:
    """A warehouse that is ready: services started, bucket there, migrations applied.

    Never destroys anything. Raises ServiceDown when a service cannot be reached.
    """
    endpoints = services.up(settings)
    engine = db_engine.connect(endpoints.database_url.get_secret_value())
    try:
        lake = Lake(endpoints)
        lake.ensure_bucket()
        yield Warehouse(settings, endpoints, engine, lake, migrated=tuple(migrations.apply(engine)))
    finally:
        engine.dispose()


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """Phase 0, on record: the work was done when the warehouse was opened."""
    applied = conn.exec_driver_sql("SELECT count(*) FROM ops.schema_migrations").scalar_one()
    return PhaseReport(rows_in=0, rows_out=0, detail={"migrations": applied})
