"""One real PostgreSQL and one real S3 server per session; a fresh database and bucket per test.

The schema is built once into a template database that each test clones (the idea is that of
procrastinate's test-suite). With pytest-xdist all workers share the two servers.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from pydantic import SecretStr
from sqlalchemy import Connection, Engine, create_engine, make_url, text

from db import engine as db_engine
from db import migrations
from mdm.config import Config
from mdm.lake import Lake
from mdm.phases import RunContext
from mdm.progress import silent
from mdm.services import embedded_postgres, embedded_s3
from mdm.services.model import Endpoints

TEMPLATE = "mdm_template"

# The same examples each time, however slow the machine is today.
settings.register_profile("everywhere", derandomize=True, deadline=None)
settings.load_profile("everywhere")


@pytest.fixture(scope="session")
def session_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home that all workers of this session share; the last one to leave removes it."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex
    home = Path(tempfile.gettempdir()) / f"mdm-tests-{run[:12]}"
    home.mkdir(mode=0o755, exist_ok=True)
    mine = home / f"worker-{worker or 'only'}"
    mine.touch()
    yield home
    mine.unlink(missing_ok=True)
    if not list(home.glob("worker-*")):
        embedded_s3.stop(home)
        embedded_postgres.stop(home)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def server_url(session_home: Path) -> str:
    """The URL of the session's PostgreSQL, with the template database made."""
    server = embedded_postgres.start(session_home, port=0, durable=False)
    url = server.url.get_secret_value()
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as conn:
        conn.execute(text("SELECT pg_advisory_lock(1)"))  # workers build one template, not four
        names = conn.execute(text("SELECT datname FROM pg_database")).scalars().all()
        if TEMPLATE not in names:
            conn.execute(text(f"CREATE DATABASE {TEMPLATE}_new"))
            template = create_engine(make_url(url).set(database=f"{TEMPLATE}_new"))
            migrations.apply(template)
            template.dispose()
            conn.execute(text(f"ALTER DATABASE {TEMPLATE}_new RENAME TO {TEMPLATE}"))
        conn.execute(text("SELECT pg_advisory_unlock(1)"))
    admin.dispose()
    return url


@pytest.fixture
def database_url(server_url: str) -> Iterator[str]:
    """A database of this test's own, with the current schema and nothing in it."""
    name = f"test_{uuid.uuid4().hex[:16]}"
    admin = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as conn:
        conn.execute(text(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))
    yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as conn:
        conn.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on the test's database."""
    engine = db_engine.connect(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def conn(engine: Engine) -> Iterator[Connection]:
    """A connection on the test's database; the test commits where it wants others to see."""
    with engine.connect() as conn:
        yield conn


@pytest.fixture
def endpoints(database_url: str, session_home: Path) -> Endpoints:
    """The test's database and a bucket of its own on the session's S3 server."""
    bucket = f"lake-{uuid.uuid4().hex[:16]}"
    lake = embedded_s3.start(session_home, bucket=bucket, port=0)
    return Endpoints(
        database_url=SecretStr(database_url),
        s3_endpoint=lake.endpoint,
        s3_access_key=lake.access_key,
        s3_secret_key=lake.secret_key,
        s3_region="us-east-1",
        s3_secure=False,
        bucket=bucket,
    )


@pytest.fixture
def services(tmp_path: Path, endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a user whose services somebody else runs."""
    for name, value in {
        "MDM_SERVICES": "external",
        "MDM_HOME": str(tmp_path / "home"),
        "DATABASE_URL": endpoints.database_url.get_secret_value(),
        "S3_ENDPOINT": f"http://{endpoints.s3_endpoint}",
        "S3_ACCESS_KEY": endpoints.s3_access_key,
        "S3_SECRET_KEY": endpoints.s3_secret_key.get_secret_value(),
        "S3_BUCKET": endpoints.bucket,
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def lake(endpoints: Endpoints) -> Lake:
    """The test's own bucket."""
    lake = Lake(endpoints)
    lake.ensure_bucket()
    return lake


@dataclass
class Clock:
    """The boundary instants of a test's runs: each context is a run of its own, an hour later."""

    home: Path
    lake: Lake
    run_id: int = 0
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def context(self, config: Config, *, full: bool = False) -> RunContext:
        """The context of the next run."""
        self.run_id += 1
        self.now += timedelta(hours=1)
        return RunContext(
            run_id=self.run_id,
            as_of=self.now,
            config=config,
            home=self.home,
            progress=silent,
            lake=self.lake,
            full=full,
        )


@pytest.fixture
def clock(tmp_path: Path, lake: Lake) -> Clock:
    """Makes the contexts of successive runs."""
    return Clock(tmp_path, lake)


@pytest.fixture
def make_context(clock: Clock) -> Callable[..., RunContext]:
    """``make_context(config, full=False)``: the context of the next run, an hour later."""
    return clock.context


@pytest.fixture
def config() -> Config:
    """One source with a few fields; tests that need more validate their own."""
    return Config.model_validate(
        {
            "sources": {
                "crm": {
                    "table": "crm_customers",
                    "record_id": "id",
                    "event_time": "updated_at",
                    "phone_region": "GB",
                    "fields": {
                        "full_name": "name",
                        "email": "contact.email",
                        "phone": "contact.phone",
                        "date_of_birth": "dob",
                        "street": "street",
                        "city": "city",
                        "postcode": "postcode",
                    },
                }
            }
        }
    )


SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of labelled data beside the project; the test is skipped where it is not."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the labelled data that is kept outside the project (../shared/data)")
    return SHARED_DATA
