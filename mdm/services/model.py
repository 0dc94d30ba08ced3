"""What the services hand out: the endpoints to talk to, and the state of each service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

State = Literal["running", "starting", "stopped", "unreachable"]


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Where the warehouse and the lake answer, with what it takes to log in.

    `database_url` is a SQLAlchemy URL with the psycopg2 driver. `s3_endpoint` is `host:port`
    without a scheme. `notes` are sentences for the user, such as a port that was taken.
    """

    database_url: SecretStr
    s3_endpoint: str
    s3_access_key: str
    s3_secret_key: SecretStr
    s3_region: str
    s3_secure: bool
    bucket: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ServiceStatus:
    """One service as it is now; what is not known from here (a foreign server's pid) is None."""

    name: str
    state: State
    address: str
    pid: int | None = None
    data_dir: Path | str | None = None
    log_file: Path | str | None = None
    note: str = ""
