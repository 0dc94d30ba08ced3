"""PostgreSQL and MinIO in containers, by the `docker-compose.yml` of the checkout.

Compose starts them, waits for their health checks and keeps their data in named volumes. Nothing
here removes a container or a volume: stopping is `docker compose stop`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import URL

from mdm.errors import ConfigError, ServiceDown
from mdm.services import external, processes, tuning
from mdm.services import home as homes
from mdm.services.model import Endpoints, ServiceStatus, State
from mdm.settings import DRIVER, Settings

COMPOSE_FILE = Path(__file__).resolve().parents[2] / "docker-compose.yml"
WAIT_S = 300


def up(settings: Settings) -> Endpoints:
    """Return the endpoints of both containers once their health checks are green."""
    wait = ["--wait", "--wait-timeout", str(WAIT_S)]
    endpoints = endpoints_of(settings)
    _compose(settings, "up", "--detach", "--no-recreate", *wait)
    external.check_database(endpoints)
    external.check_lake(endpoints)
    return endpoints


def down(settings: Settings) -> None:
    """Stop both containers; containers and volumes stay."""
    _compose(settings, "stop")


def status(settings: Settings) -> list[ServiceStatus]:
    """Return the state of both containers."""
    listing = _compose(settings, "ps", "--all", "--format", "json")
    containers = {row["Service"]: row for row in _rows(listing)}
    endpoints = endpoints_of(settings)
    addresses = {
        "postgres": ("PostgreSQL", external.database_address(endpoints)),
        "minio": ("S3 server", external.lake_address(endpoints)),
    }
    return [
        ServiceStatus(
            name=name,
            state=_state(containers.get(service, {})),
            address=address,
            data_dir=f"volume {service}-data",
            log_file=f"docker compose logs {service}",
            note=str(containers.get(service, {}).get("Status", "no container yet")),
        )
        for service, (name, address) in addresses.items()
    ]


def endpoints_of(settings: Settings) -> Endpoints:
    """Return where the containers' published ports answer."""
    password, access_key, secret_key = _secrets(settings)
    url = URL.create(
        DRIVER,
        username="mdm",
        password=password,
        host="127.0.0.1",
        port=settings.postgres_port,
        database="mdm",
    )
    return Endpoints(
        database_url=SecretStr(url.render_as_string(hide_password=False)),
        s3_endpoint=f"127.0.0.1:{settings.s3_port}",
        s3_access_key=access_key,
        s3_secret_key=SecretStr(secret_key),
        s3_region=settings.s3_region,
        s3_secure=False,
        bucket=settings.s3_bucket,
    )


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables that `docker-compose.yml` reads, for this machine and these settings."""
    password, access_key, secret_key = _secrets(settings)
    tuned = tuning.settings(tuning.this_machine(settings.home))
    return {
        "POSTGRES_PASSWORD": password,
        "S3_ACCESS_KEY": access_key,
        "S3_SECRET_KEY": secret_key,
        "POSTGRES_IMAGE": settings.postgres_image,
        "MINIO_IMAGE": settings.minio_image,
        "MDM_POSTGRES_PORT": str(settings.postgres_port),
        "MDM_S3_PORT": str(settings.s3_port),
        "MDM_S3_CONSOLE_PORT": str(settings.s3_console_port),
    } | {f"MDM_PG_{name.upper()}": tuned[name] for name in tuning.MACHINE_SIZED}


def _secrets(settings: Settings) -> tuple[str, str, str]:
    """Return the containers' passwords: the user's where given, else those of this home."""
    with homes.lock(settings.home):
        made = homes.credentials(settings.home)
    given_password, given_key = settings.postgres_password, settings.s3_secret_key
    return (
        given_password.get_secret_value() if given_password else made.postgres_password,
        settings.s3_access_key or made.s3_access_key,
        given_key.get_secret_value() if given_key else made.s3_secret_key,
    )


def _compose(settings: Settings, *arguments: str) -> str:
    """Return what `docker compose ARGUMENTS` printed."""
    docker = shutil.which("docker")
    if docker is None:
        raise _missing("the command docker is not installed")
    command = [docker, "compose", "--file", str(COMPOSE_FILE), *arguments]
    done = subprocess.run(
        command,
        env={**os.environ, **environment(settings)},
        check=False,
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=None if "up" in arguments else WAIT_S,
    )
    if done.returncode:
        if subprocess.run(
            [docker, "compose", "version"], check=False, capture_output=True
        ).returncode:
            raise _missing("docker is installed without its compose plugin")
        raise ServiceDown(
            "Docker",
            address=os.environ.get("DOCKER_HOST", "the local engine"),
            reason=processes.last_lines(done.stderr),
            hint=f"Is the engine running? `docker compose --file {COMPOSE_FILE} logs` shows more.",
        )
    return done.stdout


def _missing(problem: str) -> ConfigError:
    return ConfigError(
        problem,
        key="MDM_SERVICES",
        found="docker",
        allowed="embedded, external, or install Docker with its compose plugin",
    )


def _rows(listing: str) -> list[dict[str, object]]:
    """Return the containers; compose prints a list in older versions, a line each in newer."""
    text = listing.strip()
    if text.startswith("["):
        return list(json.loads(text))
    return [json.loads(line) for line in text.splitlines() if line]


def _state(container: dict[str, object]) -> State:
    if container.get("State") != "running":
        return "stopped"
    return "running" if container.get("Health") in ("healthy", "") else "starting"
