"""A run that is killed at any moment, and run again, ends where an undisturbed one ends.

The process is killed with SIGKILL at each phase boundary and at random moments. Each trial starts
from a clone of one database that has lived through day 1, with day 2 waiting in the lake.
"""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import os
import random
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, create_engine, make_url, text

from db import engine as db_engine
from db import migrations
from mdm import check
from mdm.config import Config, load
from mdm.lake import Lake
from mdm.phases import PHASES, Phase, PhaseReport, between
from mdm.pipeline import Pipeline
from mdm.services import embedded_postgres
from mdm.services.model import Endpoints
from mdm.settings import Settings
from mdm.warehouse import Warehouse
from producers.demo import produce
from producers.registry import SYSTEMS

ROOT = Path(__file__).resolve().parents[2]
SEED = 20_261_120
RANDOM_MOMENTS = 50
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["mdm.pipeline", *(phase.module for phase in PHASES)],
)


def warehouse_of(endpoints: Endpoints, home: Path) -> Warehouse:
    return Warehouse(
        Settings(home=home),
        endpoints,
        db_engine.connect(endpoints.database_url.get_secret_value()),
        Lake(endpoints),
        migrated=(),
    )


def run_all(
    endpoints: Endpoints, home: Path, config: Config, tell: Callable[[str], object]
) -> None:
    """A whole run behind production; ``tell`` hears each phase as it ends."""

    def listener(phase: Phase, report: PhaseReport | None, seconds: float) -> None:
        if report is not None:
            tell(phase.name)

    warehouse = warehouse_of(endpoints, home)
    Pipeline(warehouse, config, listener=listener).run(between("ingestion", None), command="test")
    warehouse.engine.dispose()


def child(endpoints: Endpoints, home: Path, config: Config, pipe: Pipe) -> None:
    pipe.send("ready")
    run_all(endpoints, home, config, pipe.send)
    pipe.send("done")


@dataclass
class World:
    """Day 1 in a database to clone, day 2 in the lake, and how an undisturbed run ends."""

    endpoints: Endpoints
    home: Path
    config: Config
    base: str
    calm: str
    expected: str
    seconds: float

    def trial(self) -> Endpoints:
        """The endpoints of a fresh clone of day 1."""
        name = f"trial_{uuid.uuid4().hex[:16]}"
        clone(self.endpoints, self.base, name)
        return on(self.endpoints, name)


def on(endpoints: Endpoints, database: str) -> Endpoints:
    url = make_url(endpoints.database_url.get_secret_value()).set(database=database)
    return replace(endpoints, database_url=SecretStr(url.render_as_string(hide_password=False)))


def clone(endpoints: Endpoints, template: str, name: str) -> None:
    administer(endpoints, f"CREATE DATABASE {name} TEMPLATE {template}")


def administer(endpoints: Endpoints, statement: str) -> None:
    admin = create_engine(
        make_url(endpoints.database_url.get_secret_value()).set(database="postgres"),
        isolation_level="AUTOCOMMIT",
    )
    with admin.connect() as conn:
        conn.execute(text(statement))
    admin.dispose()


STATE = """
SELECT 'raw', objects.object_key, lines.line_no::text, lines.payload::text
FROM raw.lake_objects AS objects
JOIN (SELECT object_id, line_no, payload FROM raw.sales_orders
      UNION ALL SELECT object_id, line_no, payload FROM raw.support_tickets
      UNION ALL SELECT object_id, line_no, payload FROM raw.marketing_leads) AS lines
     USING (object_id)
WHERE objects.state = 'LOADED'
UNION ALL
SELECT 'rejected', objects.object_key, lines.line_no::text, lines.reason
FROM raw.rejected_lines AS lines JOIN raw.lake_objects AS objects USING (object_id)
UNION ALL
SELECT 'customer',
       string_agg(source || ':' || source_record_id, ' ' ORDER BY source, source_record_id), '',
       min(gold.meaning(customers)::text)
FROM identity.customer_identity_map
JOIN gold.dim_customers AS customers USING (global_customer_id)
GROUP BY global_customer_id
UNION ALL
SELECT 'events', event_type, '', count(*)::text
FROM gold.customer_change_events GROUP BY event_type
UNION ALL
SELECT 'versions', version::text, '', count(*)::text
FROM gold.dim_customers_history GROUP BY version
"""


# What databases with different histories of runs agree on: who is one customer, with what values.
OUTCOME = """
SELECT string_agg(source || ':' || source_record_id, ' '
                  ORDER BY source, source_record_id) AS members,
       min(gold.meaning(customers)::text) AS meaning
FROM identity.customer_identity_map
JOIN gold.dim_customers AS customers USING (global_customer_id)
GROUP BY global_customer_id
ORDER BY 1
"""


def state(conn: Connection) -> str:
    """Everything that matters about the outcome, without ids and times, as one digest."""
    rows = sorted("\x1f".join(row) for row in conn.execute(text(STATE)))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


@pytest.fixture
def world(endpoints: Endpoints, lake: Lake, tmp_path: Path) -> World:
    config = load(ROOT / "mdm.toml")
    for day in (1, 2):
        produce(lake, tmp_path, dict(SYSTEMS), records=240, seed=7, day=day)
        if day == 1:
            run_all(endpoints, tmp_path, config, lambda name: None)
    base = str(make_url(endpoints.database_url.get_secret_value()).database)
    calm = f"calm_{uuid.uuid4().hex[:16]}"
    clone(endpoints, base, calm)
    undisturbed = on(endpoints, calm)
    started = time.monotonic()
    run_all(undisturbed, tmp_path, config, lambda name: None)
    seconds = time.monotonic() - started
    with warehouse_of(undisturbed, tmp_path).engine.connect() as conn:
        expected = state(conn)
    return World(endpoints, tmp_path, config, base, calm, expected, seconds)


def start(world: World, trial: Endpoints) -> tuple[multiprocessing.process.BaseProcess, Pipe]:
    """A run in a process of its own, and the pipe on which it tells its phases."""
    mine, theirs = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=child, args=(trial, world.home, world.config, theirs))
    process.start()
    theirs.close()
    assert mine.recv() == "ready"
    return process, mine


def kill(process: multiprocessing.process.BaseProcess) -> None:
    assert process.pid is not None
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    process.join()


def assert_recovers(world: World, trial: Endpoints, moment: str) -> None:
    """A second run ends where the undisturbed one ended, and everything holds."""
    run_all(trial, world.home, world.config, lambda name: None)
    warehouse = warehouse_of(trial, world.home)
    with warehouse.engine.connect() as conn:
        broken = [f.title for f in check.run(conn) if not f.holds]
        assert broken == [], moment
        assert state(conn) == world.expected, moment
    warehouse.engine.dispose()
    administer(trial, f"DROP DATABASE {warehouse.engine.url.database} WITH (FORCE)")


def test_killed_at_each_phase_boundary(world: World) -> None:
    for phase in between("ingestion", "events"):
        trial = world.trial()
        process, pipe = start(world, trial)
        while pipe.recv() != phase.name:
            pass
        kill(process)
        assert_recovers(world, trial, f"killed after {phase.name}")


def test_killed_at_random_moments(world: World) -> None:
    chance = random.Random(SEED)
    killed = 0
    for number in range(RANDOM_MOMENTS):
        moment = chance.uniform(0.0, 1.1) * world.seconds
        trial = world.trial()
        process, _ = start(world, trial)
        process.join(moment)
        killed += process.is_alive()
        kill(process)
        assert_recovers(world, trial, f"trial {number}, killed after {moment:.3f} s")
    assert killed > RANDOM_MOMENTS // 2, "most runs ended before they could be killed"


def test_the_database_server_is_killed_under_a_run(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Rebuildable layers are emptied by the crash; the next run makes them anew."""
    home = tmp_path_factory.mktemp("crashing")
    home.chmod(0o755)
    server = embedded_postgres.start(home, port=0)
    try:
        trial = replace(world.endpoints, database_url=server.url)
        warehouse = warehouse_of(trial, world.home)
        migrations.apply(warehouse.engine)
        warehouse.engine.dispose()
        chance = random.Random(SEED)
        for _ in range(3):
            process, _pipe = start(world, trial)
            process.join(chance.uniform(0.2, 0.9) * world.seconds)
            os.kill(server.pid, signal.SIGKILL)
            process.join()
            server = embedded_postgres.start(home, port=0)
            trial = replace(world.endpoints, database_url=server.url)
        run_all(trial, world.home, world.config, lambda name: None)
        warehouse = warehouse_of(trial, world.home)
        with warehouse.engine.connect() as conn:
            assert [f.title for f in check.run(conn) if not f.holds] == []
            outcome = conn.execute(text(OUTCOME)).all()
        warehouse.engine.dispose()
    finally:
        embedded_postgres.stop(home)
    calm = warehouse_of(on(world.endpoints, world.calm), world.home)
    with calm.engine.connect() as conn:
        assert conn.execute(text(OUTCOME)).all() == outcome
    calm.engine.dispose()
