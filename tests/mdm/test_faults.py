"""Services that go away for a moment, disks that fill up, clocks that run backwards."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from db import bulk
from db.engine import is_lost, is_transient
from mdm.config import Config
from mdm.config import load as load_config
from mdm.errors import PhaseFailed, ServiceDown
from mdm.lake import Lake
from mdm.phases import Phase, PhaseReport, between
from mdm.pipeline import Pipeline, RunReport
from mdm.runs import RunLedger
from mdm.services import embedded_s3
from mdm.services import home as homes
from mdm.services.model import Endpoints
from mdm.settings import Settings
from mdm.warehouse import Warehouse

ANNA = {"id": "1", "name": "Anna Keller", "email": "anna@keller.example", "dob": "03/04/1981"}
BEN = {"id": "2", "name": "Ben Okafor", "email": "ben@okafor.example", "dob": "11/12/1990"}
OBJECT = "crm/dt=2026-01-01/hr=08/crm_1.jsonl"
#: Ends the session that is in phase work, as an administrator or a proxy does.
TERMINATE = """
SELECT count(*) FILTER (WHERE pg_terminate_backend(pid))
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE :like
"""


@pytest.fixture
def crm(mdm: Any) -> Config:
    """The configuration of the user's folder."""
    return load_config(mdm.folder / "mdm.toml")


@pytest.fixture
def warehouse(endpoints: Endpoints, engine: Engine, lake: Lake, tmp_path: Path) -> Warehouse:
    """The test's own database and bucket, opened, with two customers waiting in the lake."""
    lake.put(OBJECT, b"".join(json.dumps(record).encode() + b"\n" for record in (ANNA, BEN)))
    return Warehouse(Settings(home=tmp_path), endpoints, engine, lake, migrated=())


def run(
    warehouse: Warehouse,
    config: Config,
    listener: Callable[[Phase, PhaseReport | None, float], None] = lambda *told: None,
) -> RunReport:
    """A whole run behind production."""
    pipeline = Pipeline(warehouse, config, listener=listener)
    return pipeline.run(between("ingestion", None), command="test")


def retries(report: RunReport) -> dict[str, int]:
    """Retries by phase, as the JSON report tells them."""
    return {
        phase["name"]: phase["retries"] for phase in report.as_json()["phases"] if phase["retries"]
    }


def customers(engine: Engine) -> int:
    with engine.connect() as conn:
        return int(conn.execute(text("SELECT count(*) FROM gold.dim_customers")).scalar_one())


def driver_error(pgcode: str | None, words: str = "gone") -> psycopg2.Error:
    """An error as the driver raises it, with or without an SQLSTATE."""
    error = (errors.lookup(pgcode) if pgcode else psycopg2.OperationalError)(words)
    if pgcode:
        error.__setstate__({"pgcode": pgcode})
    return error


@pytest.mark.parametrize(
    ("error", "lost", "transient"),
    [
        (driver_error(None, "server closed the connection unexpectedly"), True, True),
        (psycopg2.InterfaceError("connection already closed"), True, True),
        (psycopg2.DatabaseError("error with status PGRES_COPY_IN"), True, True),
        (driver_error("57P01"), True, True),
        (driver_error("08006"), True, True),
        (driver_error("40P01"), False, True),
        (driver_error("40001"), False, True),
        (driver_error("53300"), False, True),
        (driver_error(None, 'FATAL: password authentication failed for user "x"'), False, False),
        (driver_error(None, 'FATAL: database "x" does not exist'), False, False),
        (driver_error("42601"), False, False),
        (driver_error("23505"), False, False),
        (driver_error("53100"), False, False),
        (driver_error("57014"), False, False),
        (psycopg2.ProgrammingError("no results to fetch"), False, False),
        (ValueError("gone"), False, False),
        (None, False, False),
    ],
)
def test_what_may_pass_is_told_from_what_will_not(
    error: BaseException | None, lost: bool, transient: bool
) -> None:
    assert (is_lost(error), is_transient(error)) == (lost, transient)
    if isinstance(error, psycopg2.Error):
        wrapped = DBAPIError("SELECT 1", {}, error)
        assert (is_lost(wrapped), is_transient(wrapped)) == (lost, transient)


def test_a_session_that_ends_in_mid_copy_is_retried(
    warehouse: Warehouse, crm: Config, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """COPY goes through the driver itself; the retry starts the object anew and loads it once."""
    copy_in, broken = bulk.copy_in, []

    class Slow:
        """A source of COPY that is cut off once, in the middle of its bytes."""

        def __init__(self, data: Any) -> None:
            self._data = data

        def read(self, size: int) -> bytes:
            if not broken:
                with engine.connect() as conn:
                    broken.append(
                        conn.execute(text(TERMINATE), {"like": 'COPY "raw"%'}).scalar_one()
                    )
                return bytes(self._data.read(40))
            return bytes(self._data.read(size))

    def cut_off(conn: Any, table: Any, columns: Any, data: Any, **options: Any) -> int:
        return copy_in(conn, table, columns, Slow(data), **options)  # type: ignore[arg-type]

    monkeypatch.setattr(bulk, "copy_in", cut_off)
    report = run(warehouse, crm)
    assert broken == [1]
    assert retries(report) == {"ingestion": 1}
    with engine.connect() as conn:
        assert conn.execute(text("SELECT count(*) FROM raw.crm_customers")).scalar_one() == 2
        recorded = conn.execute(
            text("SELECT detail ->> 'retries' FROM ops.phase_runs WHERE phase = 'ingestion'")
        )
        assert recorded.scalar_one() == "1"
    assert customers(engine) == 2


def test_publishing_is_retried_as_a_whole(
    warehouse: Warehouse, crm: Config, engine: Engine
) -> None:
    """The session is lost after history was written: nothing of the first attempt is kept."""
    ended = []

    def listener(phase: Phase, report: PhaseReport | None, seconds: float) -> None:
        if phase.name == "events" and report is None and not ended:
            with engine.connect() as conn:
                like = {"like": "%INTO gold.layer_state%"}
                ended.append(conn.execute(text(TERMINATE), like).scalar_one())

    report = run(warehouse, crm, listener)
    assert ended == [1]
    assert retries(report) == {"events": 1}
    with engine.connect() as conn:
        history = text("SELECT count(*) FROM gold.dim_customers_history")
        events = text("SELECT count(*) FROM gold.customer_change_events")
        assert (conn.execute(history).scalar_one(), conn.execute(events).scalar_one()) == (2, 2)
    assert all(finding.holds for finding in report.invariants)


def test_a_breach_of_a_constraint_is_not_retried(
    warehouse: Warehouse, crm: Config, engine: Engine
) -> None:
    with engine.begin() as conn:
        conn.execute(text("ALTER TABLE staging.records ADD CONSTRAINT nobody CHECK (false)"))
    started = []

    def listener(phase: Phase, report: PhaseReport | None, seconds: float) -> None:
        started.append(phase.name)

    with pytest.raises(PhaseFailed, match="staging") as caught:
        run(warehouse, crm, listener)
    assert isinstance(caught.value.__cause__, (IntegrityError, psycopg2.IntegrityError))
    assert started.count("staging") == 1


def test_retries_end(warehouse: Warehouse, crm: Config, engine: Engine,
                     monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """A fault that does not pass within the attempts is told as what it is."""
    monkeypatch.setattr("mdm.retry._FIRST_PAUSE", 0.01)
    like = {"like": "%staging.staged_objects%"}
    started = []

    def listener(phase: Phase, report: PhaseReport | None, seconds: float) -> None:
        if phase.name == "staging" and report is None:
            started.append(phase.name)

    def dying(conn: Any, ctx: Any) -> PhaseReport:
        conn.execute(text("SELECT FROM staging.staged_objects"))
        with engine.connect() as other:
            other.execute(text(TERMINATE), like)
        conn.execute(text("SELECT 1"))
        raise AssertionError("the session should be gone")

    monkeypatch.setattr("staging.run_staging.run", dying)
    with pytest.raises(ServiceDown, match="connection lost in phase staging"):
        run(warehouse, crm, listener)
    assert len(started) == 6
    with engine.connect() as conn:
        assert conn.execute(text("SELECT state FROM ops.runs")).scalar_one() == "FAILED"


@contextlib.contextmanager
def own_lake(
    warehouse: Warehouse, home: Path, data: bytes
) -> Iterator[tuple[Warehouse, Callable[[], threading.Timer]]]:
    """The warehouse on a lake server of its own that holds one object, and what makes that server
    go away at once and come back on the same address two seconds later."""
    home.chmod(0o755)
    server = embedded_s3.start(home, bucket="lake", port=0)
    port = int(server.endpoint.rpartition(":")[2])
    own = replace(
        warehouse.endpoints,
        s3_endpoint=server.endpoint,
        s3_access_key=server.access_key,
        s3_secret_key=server.secret_key,
        bucket="lake",
    )
    lake = Lake(own)
    lake.ensure_bucket()
    lake.put(OBJECT, data)

    def go_away() -> threading.Timer:
        embedded_s3.stop(home)
        back = threading.Timer(2.0, embedded_s3.start, (home,), {"bucket": "lake", "port": port})
        back.start()
        return back

    try:
        yield replace(warehouse, endpoints=own, lake=lake), go_away
    finally:
        embedded_s3.stop(home)


def test_a_lake_that_goes_away_for_two_seconds_is_waited_for(
    warehouse: Warehouse, crm: Config, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The server is stopped when ingestion begins and started again on the same address."""
    data = json.dumps(ANNA).encode() + b"\n"
    with own_lake(warehouse, tmp_path_factory.mktemp("lake"), data) as (own, go_away):
        back = go_away()
        report = run(own, crm)
        back.join()
    ingestion = report.as_json()["phases"][0]
    assert ingestion["rows_out"] == 1
    assert ingestion["lake_retries"] > 0
    assert report.as_json()["totals"]["retries"] >= ingestion["lake_retries"]


def test_a_lake_that_breaks_in_the_middle_of_an_object_is_read_again(
    warehouse: Warehouse,
    crm: Config,
    engine: Engine,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server is stopped when the first lines go to raw; each is there once after all.

    The object is larger than what the kernel takes in on the way, 32 MiB on many machines.
    """
    copy_in, stopped = bulk.copy_in, []
    chance = random.Random(20_261_121)
    data = b"".join(
        json.dumps({"id": str(n), "name": f"{chance.getrandbits(40_000):x}"}).encode() + b"\n"
        for n in range(5_000)
    )
    with own_lake(warehouse, tmp_path_factory.mktemp("lake"), data) as (own, go_away):

        def broken(conn: Any, table: Any, columns: Any, data: Any, **options: Any) -> int:
            if not stopped:
                stopped.append(go_away())
            return copy_in(conn, table, columns, data, **options)

        monkeypatch.setattr(bulk, "copy_in", broken)
        pipeline = Pipeline(own, crm)
        report = pipeline.run(between("ingestion", "ingestion"), command="test")
        stopped[0].join()
    assert retries(report)["ingestion"] >= 1
    with engine.connect() as conn:
        loaded = "SELECT count(*), count(DISTINCT source_record_id) FROM raw.crm_customers"
        assert tuple(conn.execute(text(loaded)).one()) == (5_000, 5_000)
        objects = conn.execute(text("SELECT state, rows_n FROM raw.lake_objects")).all()
    assert [tuple(one) for one in objects] == [("LOADED", 5_000)]


def test_a_clock_that_is_set_back_does_not_turn_time(engine: Engine) -> None:
    """The boundary instant of a run follows that of the run before, whatever the clock says."""
    ledger = RunLedger(engine)
    first = ledger.start("test", config_hash="x")
    with engine.begin() as conn:
        conn.execute(text("UPDATE ops.runs SET as_of = as_of + interval '1 year'"))
    second = ledger.start("test", config_hash="x")
    third = ledger.start("test", config_hash="x")
    assert (second.as_of - first.as_of).days == 365
    assert second.as_of < third.as_of


def test_a_second_run_waits_for_nobody_and_says_who_holds_the_lock(
    warehouse: Warehouse, crm: Config, mdm: Any
) -> None:
    """A run started while another one works gives up at once, names it and harms nothing."""
    said = []

    def listener(phase: Phase, report: PhaseReport | None, seconds: float) -> None:
        if phase.name == "blocking" and report is None:
            said.append((mdm("run"), mdm.err))

    report = run(warehouse, crm, listener)
    assert [code for code, _ in said] == [1]
    assert f"run {report.run_id} (process " in said[0][1]
    assert customers(warehouse.engine) == 2


def test_a_disk_that_is_full_in_mid_copy(
    warehouse: Warehouse, crm: Config, engine: Engine, session_home: Path
) -> None:
    """The table of the source is on a disk of 2 MiB; nothing is kept of what did not fit."""
    with small_disk(engine, session_home) as space:
        # random digits, so that nothing is saved by compression
        chance = random.Random(20_261_121)
        lines = [
            json.dumps(ANNA | {"id": str(n), "note": f"{chance.getrandbits(40_000):x}"}).encode()
            for n in range(3000)
        ]
        run(warehouse, crm)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            conn.execute(text(f"ALTER TABLE raw.crm_customers SET TABLESPACE {space}"))
        warehouse.lake.put(OBJECT.replace("crm_1", "crm_2"), b"\n".join(lines))
        with pytest.raises(PhaseFailed, match="No space left on device") as caught:
            run(warehouse, crm)
        assert "rolled back" in str(caught.value)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            assert conn.execute(text("SELECT count(*) FROM raw.crm_customers")).scalar_one() == 2
            assert conn.execute(text("SELECT count(*) FROM raw.lake_objects")).scalar_one() == 1
            recorded = conn.execute(text("SELECT max(detail ->> 'retries') FROM ops.phase_runs"))
            assert recorded.scalar_one() is None
            conn.execute(text("ALTER TABLE raw.crm_customers SET TABLESPACE pg_default"))
        assert run(warehouse, crm).phases[0].report.rows_out == 3000


@contextlib.contextmanager
def small_disk(engine: Engine, session_home: Path) -> Iterator[str]:
    """A tablespace on a file system of 2 MiB; the test is skipped where none can be mounted."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("needs root and mount for a disk of its own")
    name = f"small_{uuid.uuid4().hex[:8]}"
    place = Path(tempfile.mkdtemp(prefix="mdm-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if mounted.returncode != 0:
        place.rmdir()
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    secrets = homes.read_credentials(session_home)
    assert secrets is not None
    superuser = engine.url.set(username="postgres", password=secrets.superuser_password)
    admin = create_engine(superuser, isolation_level="AUTOCOMMIT")
    try:
        with admin.connect() as conn:
            data = Path(conn.execute(text("SHOW data_directory")).scalar_one()).stat()
            os.chown(place, data.st_uid, data.st_gid)
            conn.execute(text(f"CREATE TABLESPACE {name} OWNER mdm LOCATION '{place}'"))
        yield name
        with admin.connect() as conn:
            conn.execute(text(f"DROP TABLESPACE {name}"))
    finally:
        admin.dispose()
        subprocess.run(["umount", "-l", str(place)], check=False)
        place.rmdir()


def test_a_lost_lock_is_taken_again_and_rebuildable_layers_are_rebuilt(
    warehouse: Warehouse, crm: Config, engine: Engine
) -> None:
    """All sessions end in matching, as when the server restarts: the run goes on from staging."""
    started = []

    def listener(phase: Phase, report: PhaseReport | None, seconds: float) -> None:
        if report is None:
            started.append(phase.name)
            if started.count("matching") == 1 and phase.name == "matching":
                with engine.connect() as conn:
                    conn.execute(text(TERMINATE), {"like": "%"})

    report = run(warehouse, crm, listener)
    assert retries(report) == {"matching": 1}
    at = started.index("matching")
    assert started[at + 1 : at + 3] == ["staging", "identity_inputs"]
    assert customers(engine) == 2
