"""The two servers the pipeline stands on, PostgreSQL and an S3 lake, in three ways.

`MDM_SERVICES` chooses: `embedded` (default) runs real servers out of pip packages under
MDM_HOME, `docker` uses docker-compose.yml, `external` uses what the user already runs. Callers see
only `up`, `down`, `status` and the `Endpoints`, which are the same for all three.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from mdm.errors import ConfigError
from mdm.services import docker, embedded, embedded_postgres, external
from mdm.services.model import Endpoints, ServiceStatus
from mdm.settings import ServiceMode, Settings

__all__ = ["Endpoints", "ServiceStatus", "down", "psql", "status", "up"]


@dataclass(frozen=True)
class _Way:
    up: Callable[[Settings], Endpoints]
    down: Callable[[Settings], None]
    status: Callable[[Settings], list[ServiceStatus]]


_WAYS: dict[ServiceMode, _Way] = {
    "embedded": _Way(embedded.up, embedded.down, embedded.status),
    "docker": _Way(docker.up, docker.down, docker.status),
    "external": _Way(external.up, external.down, external.status),
}


def up(settings: Settings) -> Endpoints:
    """Return the endpoints of both services, started where needed and answering.

    Idempotent, never destructive, and quick when they already run. Raises `ServiceDown` or
    `ConfigError`.
    """
    return _WAYS[settings.services].up(settings)


def down(settings: Settings) -> None:
    """Stop the services that are ours to stop, cleanly, and wait; data stay."""
    _WAYS[settings.services].down(settings)


def status(settings: Settings) -> list[ServiceStatus]:
    """Return the state of each service without starting anything."""
    return _WAYS[settings.services].status(settings)


def psql(endpoints: Endpoints) -> tuple[list[str], dict[str, str]]:
    """Return command and environment of a psql session on the warehouse.

    The password goes by environment, where `ps` does not show it. The psql on the path is
    preferred, since it knows the user's terminal; the embedded one has no line editing.
    """
    url = make_url(endpoints.database_url.get_secret_value())
    program = shutil.which("psql")
    if program is None:
        own = embedded_postgres.binaries() / "psql"
        if not Path(own).is_file():
            raise ConfigError("psql is not installed", key="PATH", allowed="a PostgreSQL client")
        program = str(own)
    variables = {
        "PGHOST": url.host,
        "PGPORT": str(url.port or 5432),
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
        "PGSSLMODE": str(url.query["sslmode"]) if "sslmode" in url.query else None,
    }
    given = {name: value for name, value in variables.items() if value}
    return [program], {**os.environ, **given}
