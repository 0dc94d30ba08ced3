"""The container way, as far as it goes without an engine: what is asked of docker, and the file.

`docker` is replaced by a script that records what it is called with; the behaviour of the
engine itself is not claimed here.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mdm import services
from mdm.errors import ConfigError, ServiceDown
from mdm.services import docker
from mdm.settings import Settings

SCRIPT = """#!/bin/sh
printf '%s\\n' "$*" >> "$RECORD"
env > "$RECORD.env"
cat "$RECORD.answer" 2>/dev/null
[ "$*" != "compose version" ] || [ -e "$RECORD.bare" ] || exit 0
exit "$(cat "$RECORD.code" 2>/dev/null || echo 0)"
"""


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that the stand-in for docker writes its arguments to."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(SCRIPT)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setenv("RECORD", str(tmp_path / "record"))
    return tmp_path / "record"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", services="docker", postgres_port=6543, s3_port=9876)


def test_down_only_stops(record: Path, settings: Settings) -> None:
    services.down(settings)
    assert record.read_text() == f"compose --file {docker.COMPOSE_FILE} stop\n"
    source = Path(docker.__file__).read_text("utf-8")
    assert not re.search(r'"(down|rm|kill|--volumes|-v|prune|--force-recreate)"', source)


def test_status_reads_both_listings_of_compose(record: Path, settings: Settings) -> None:
    rows = [
        {"Service": "postgres", "State": "running", "Health": "healthy", "Status": "Up 2 hours"},
        {"Service": "minio", "State": "running", "Health": "starting", "Status": "Up 1 second"},
    ]
    for answer in (json.dumps(rows), "\n".join(json.dumps(row) for row in rows)):
        record.with_suffix(".answer").write_text(answer)
        database, lake = services.status(settings)
        assert (database.state, database.address) == ("running", "127.0.0.1:6543/mdm")
        assert (lake.state, lake.address) == ("starting", "http://127.0.0.1:9876")
    record.with_suffix(".answer").write_text("")
    assert [each.state for each in services.status(settings)] == ["stopped", "stopped"]


def test_secrets_go_by_environment_and_are_those_of_the_endpoints(
    record: Path, settings: Settings
) -> None:
    services.down(settings)
    endpoints = docker.endpoints_of(settings)
    seen = dict(
        line.split("=", 1)
        for line in record.with_suffix(".env").read_text().splitlines()
        if "=" in line
    )
    assert seen["POSTGRES_PASSWORD"] in endpoints.database_url.get_secret_value()
    assert seen["S3_SECRET_KEY"] == endpoints.s3_secret_key.get_secret_value()
    assert seen["S3_ACCESS_KEY"] == endpoints.s3_access_key
    assert seen["POSTGRES_PASSWORD"] not in record.read_text()
    assert seen["S3_SECRET_KEY"] not in f"{endpoints!r}"
    named = re.findall(r"\$\{(\w+)[:}]", docker.COMPOSE_FILE.read_text("utf-8"))
    assert set(named) == docker.environment(settings).keys()


def test_an_engine_that_is_down_is_named(record: Path, settings: Settings) -> None:
    record.with_suffix(".code").write_text("1")
    with pytest.raises(ServiceDown, match="Docker does not answer"):
        services.up(settings)


def test_docker_without_compose_is_told_from_an_engine_that_is_down(
    record: Path, settings: Settings
) -> None:
    record.with_suffix(".code").write_text("1")
    record.with_suffix(".bare").touch()
    with pytest.raises(ConfigError, match=r"without its compose plugin; found 'docker'"):
        services.up(settings)


def test_without_docker_the_other_ways_are_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"found 'docker'; allowed: embedded, external"):
        services.up(settings)


def test_the_file_waits_for_health_keeps_data_and_stays_on_this_machine() -> None:
    text = docker.COMPOSE_FILE.read_text("utf-8")
    assert text.count("healthcheck:") == 2
    assert re.findall(r"^  ([\w-]+-data):$", text, re.MULTILINE) == ["postgres-data", "minio-data"]
    assert ":latest" not in text
    assert "\t" not in text
    ports = re.findall(r'- "(.+):\d+"$', text, re.MULTILINE)
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)
    images = dict(re.findall(r"image: \$\{(\w+):-(.+)\}", text))
    assert images == {
        "POSTGRES_IMAGE": "postgres:18",
        "MINIO_IMAGE": "quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z",
    }
