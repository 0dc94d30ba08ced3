"""The two servers the pipeline stands on, PostgreSQL and an S3 lake, in three ways.

`MDM_SERVICES` chooses: `embedded` (default) runs real servers out of pip packages under
MDM_HOME, `docker` uses docker-compose.yml, `external` uses what the user already runs. Callers see
only `up`, `down`, `status` and the `Endpoints`, which are the same for all three.
"""

from __future__ import annotations

import importlib
import os
import shutil
from typing import Protocol, cast

from sqlalchemy import make_url

from mdm.errors import ConfigError
from mdm.services import postgres_files
from mdm.services.model import Endpoints, ServiceStatus
from mdm.settings import Settings

__all__ = ["Endpoints", "ServiceStatus", "down", "psql", "status", "up"]

# Where a Debian, a Red Hat and a macOS keep what terminals can do; the embedded psql, built
# elsewhere, looks at one of these only and would go without line editing.
TERMINFO = "/etc/terminfo:/lib/terminfo:/usr/share/terminfo"


class _Way(Protocol):
    """What `embedded`, `docker` and `external` have in common."""

    def up(self, settings: Settings) -> Endpoints: ...
    def down(self, settings: Settings) -> None: ...
    def status(self, settings: Settings) -> list[ServiceStatus]: ...


def _way(settings: Settings) -> _Way:
    """Return the module of the chosen way, loaded only now: each brings libraries of its own."""
    return cast(_Way, importlib.import_module(f"{__name__}.{settings.services}"))


def up(settings: Settings) -> Endpoints:
    """Return the endpoints of both services, started where needed and answering.

    Idempotent, never destructive, and quick when they already run. Raises `ServiceDown` or
    `ConfigError`.
    """
    return _way(settings).up(settings)


def down(settings: Settings) -> None:
    """Stop the services that are ours to stop, cleanly, and wait; data stay."""
    _way(settings).down(settings)


def status(settings: Settings) -> list[ServiceStatus]:
    """Return the state of each service without starting anything."""
    return _way(settings).status(settings)


def psql(endpoints: Endpoints) -> tuple[list[str], dict[str, str]]:
    """Return command and environment of a psql session on the warehouse.

    The password goes by environment, where `ps` does not show it. The embedded psql fits the
    server's version; where its package is missing, the one on the path does. Raises `ConfigError`
    where there is neither.
    """
    try:
        program = str(postgres_files.binaries() / "psql")
    except ConfigError:
        program = shutil.which("psql") or ""
    if not program:
        raise ConfigError("psql is not installed", key="PATH", allowed="a PostgreSQL client")
    url = make_url(endpoints.database_url.get_secret_value())
    sslmode = url.query.get("sslmode")
    variables = {
        "TERMINFO_DIRS": os.environ.get("TERMINFO_DIRS", TERMINFO),
        "PGHOST": url.host,
        "PGPORT": str(url.port or 5432),
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
        "PGSSLMODE": sslmode if isinstance(sslmode, str) else None,
    }
    given = {name: str(value) for name, value in variables.items() if value}
    return [program], {**os.environ, **given}
