"""PostgreSQL settings follow the machine, stay safe, and are the same in a container."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import psycopg2
import pytest
from sqlalchemy import make_url

from mdm.services import embedded_postgres, tuning
from mdm.services.tuning import Machine

GIB = 2**30
COMPOSE = Path(__file__).parents[2] / "docker-compose.yml"


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (  # the smallest virtual machine on offer
            Machine(memory=GIB // 2, cores=1, disk_free=2 * GIB),
            ("128MB", "16MB", "64MB", "0", "256MB"),
        ),
        (
            Machine(memory=8 * GIB, cores=4, disk_free=100 * GIB),
            ("2048MB", "128MB", "512MB", "4", "4096MB"),
        ),
        (  # a large server: more would not help a pipeline of few sessions
            Machine(memory=512 * GIB, cores=64, disk_free=9999 * GIB),
            ("4096MB", "256MB", "1024MB", "8", "4096MB"),
        ),
    ],
)
def test_sizes_follow_the_machine_within_bounds(
    machine: Machine, expected: tuple[str, ...]
) -> None:
    values = tuning.settings(machine)
    names = (
        "shared_buffers",
        "work_mem",
        "maintenance_work_mem",
        "max_parallel_workers_per_gather",
        "max_wal_size",
    )
    assert tuple(values[name] for name in names) == expected


def test_safety_is_never_traded_for_speed_outside_of_tests() -> None:
    values = tuning.settings(tuning.this_machine(Path.cwd()))
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        assert values[name] == "on"
    assert tuning.settings(tuning.this_machine(Path.cwd()), durable=False)["fsync"] == "off"


@pytest.mark.parametrize(
    ("mib", "expected"), [(64, {"dynamic_shared_memory_type": "mmap"}), (2048, {})]
)
def test_small_shared_memory_is_not_relied_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mib: int, expected: dict[str, str]
) -> None:
    size = mib * 2**20
    usage = SimpleNamespace(total=size)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert tuning.shared_memory(tmp_path) == expected
    assert tuning.shared_memory(tmp_path / "absent") == {}


def test_the_server_takes_every_setting(home: Path) -> None:
    server = embedded_postgres.start(home, port=0)
    wanted = tuning.settings(tuning.this_machine(server.data_dir))
    url = make_url(server.url.get_secret_value())
    given = url.translate_connect_args(username="user", database="dbname")
    connection = psycopg2.connect(**given)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT lower(name) FROM pg_settings WHERE source = 'configuration file'",
        )
        taken = {name for (name,) in cursor.fetchall()}
    connection.close()
    assert wanted.keys() <= taken


def test_the_container_gets_the_same_settings() -> None:
    text = COMPOSE.read_text("utf-8")
    in_compose = dict(re.findall(r"^\s+- -c(\w+)=(.+)$", text, re.MULTILINE))
    values = tuning.settings(tuning.this_machine(Path.cwd()))
    assert in_compose.keys() - values.keys() == {"default_toast_compression"}
    for name, value in values.items():
        if name in tuning.MACHINE_SIZED:
            assert in_compose[name].startswith(f"${{MDM_PG_{name.upper()}:-")
        elif name != "wal_compression":
            assert in_compose[name] == value
