"""The settings of this installation: where state lives and which services to talk to.

Read once at start-up from the process environment over the file `.env` of the working directory,
then passed in as one frozen object. What the pipeline does with data is not here: that is
`mdm.toml`. Secrets come from here only, are held as `SecretStr`, and never show in a repr.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import SecretStr

from mdm.errors import ConfigError

ServiceMode = Literal["embedded", "docker", "external"]

DEFAULT_MINIO_IMAGE = "quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z"
DEFAULT_POSTGRES_IMAGE = "postgres:18"
DRIVER = "postgresql+psycopg2"

#: What click and the reader of s3:// addresses take from the environment themselves.
_READ_ELSEWHERE = (
    "MDM_CONFIG", "MDM_LOAD_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION",
    "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3",
)  # fmt: skip
#: Names with one of our prefixes that mean something; one in `.env` that does not is a slip.
_OURS = (
    "MDM_HOME", "MDM_CONFIG", "MDM_SERVICES", "MDM_POSTGRES_PORT", "MDM_S3_PORT",
    "MDM_S3_CONSOLE_PORT", "MDM_LOAD_URL", "MDM_EXPORT_KEY", "S3_ENDPOINT", "S3_ACCESS_KEY",
    "S3_SECRET_KEY", "S3_REGION", "S3_BUCKET",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where this installation keeps its state and what it talks to; see `.env.example`.

    `home` is absolute. `database_url` and the `s3_*` fields are what the user gave, `None` where
    nothing was given: the endpoints really in use are what `mdm.services.up` returns.
    `s3_endpoint` is `host:port` without a scheme, as the MinIO SDK wants it.
    """

    home: Path
    services: ServiceMode = "embedded"
    database_url: SecretStr | None = None
    postgres_port: int = 5433
    postgres_password: SecretStr | None = None
    postgres_image: str = DEFAULT_POSTGRES_IMAGE
    s3_endpoint: str | None = None
    s3_secure: bool = False
    s3_access_key: str | None = None
    s3_secret_key: SecretStr | None = None
    s3_region: str = "us-east-1"
    s3_bucket: str = "customer-lake"
    s3_port: int = 9000
    s3_console_port: int = 9001
    export_key: SecretStr | None = None
    minio_image: str = DEFAULT_MINIO_IMAGE


def load(
    environment: Mapping[str, str] | None = None, *, directory: Path | None = None
) -> Settings:
    """Return the settings of the environment over `.env` in `directory` (working directory).

    An empty value counts as absent, so that `S3_ENDPOINT=` in `.env` means the default.
    Raises `ConfigError` naming file, variable, what was found and what is allowed.
    """
    folder = directory or Path.cwd()
    file = folder / ".env"
    written = _written(file)
    _refuse_unknown(file, written)
    process = os.environ if environment is None else environment
    values = _Values({**written, **process}, file=file, from_file=written.keys() - process.keys())

    mode = values.text("MDM_SERVICES") or "embedded"
    if mode not in get_args(ServiceMode):
        raise values.error("MDM_SERVICES", "no such kind of services", get_args(ServiceMode))
    endpoint, secure = _s3_endpoint(values)
    settings = Settings(
        home=_home(values, folder),
        services=cast(ServiceMode, mode),
        database_url=_database_url(values),
        postgres_port=values.port("MDM_POSTGRES_PORT", 5433),
        postgres_password=values.secret("POSTGRES_PASSWORD"),
        postgres_image=values.text("POSTGRES_IMAGE") or DEFAULT_POSTGRES_IMAGE,
        s3_endpoint=endpoint,
        s3_secure=secure,
        s3_access_key=values.text("S3_ACCESS_KEY"),
        s3_secret_key=values.secret("S3_SECRET_KEY"),
        s3_region=values.text("S3_REGION") or "us-east-1",
        s3_bucket=_bucket(values),
        s3_port=values.port("MDM_S3_PORT", 9000),
        s3_console_port=values.port("MDM_S3_CONSOLE_PORT", 9001),
        export_key=values.secret("MDM_EXPORT_KEY"),
        minio_image=values.text("MINIO_IMAGE") or DEFAULT_MINIO_IMAGE,
    )
    if settings.services == "external":
        _require_external(settings, values)
    return settings


def pass_on(*, directory: Path | None = None) -> None:
    """Put what `.env` says to others into the environment of this process, where it is silent."""
    for name, value in _written((directory or Path.cwd()) / ".env").items():
        if value and name in _READ_ELSEWHERE:
            os.environ.setdefault(name, value)


def _written(file: Path) -> dict[str, str | None]:
    try:
        return dotenv_values(file, interpolate=False) if file.is_file() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error.__class__.__name__}", file=file) from error


def _refuse_unknown(file: Path, names: Iterable[str]) -> None:
    for name in names:
        if name.startswith(("MDM_", "S3_")) and name not in _OURS:
            close = difflib.get_close_matches(name, _OURS, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ConfigError(f"no such setting{hint}", file=file, key=name, allowed=_OURS)


class _Values:
    """The variables as given, able to say of each where it came from."""

    def __init__(
        self, values: Mapping[str, str | None], *, file: Path, from_file: set[str]
    ) -> None:
        self._values = values
        self._file = file
        self._from_file = from_file

    def text(self, name: str) -> str | None:
        return (self._values.get(name) or "").strip() or None

    def secret(self, name: str) -> SecretStr | None:
        value = self.text(name)
        return None if value is None else SecretStr(value)

    def port(self, name: str, default: int) -> int:
        value = self.text(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and 1 <= int(value) <= 65535):
            raise self.error(name, "not a port", "1 to 65535")
        return int(value)

    def error(
        self, name: str, problem: str, allowed: tuple[str, ...] | str, *, hide: bool = False
    ) -> ConfigError:
        found = None if hide else self.text(name)
        file = self._file if name in self._from_file else "environment"
        return ConfigError(problem, file=file, key=name, found=found, allowed=allowed)


def _home(values: _Values, folder: Path) -> Path:
    home = folder / Path(values.text("MDM_HOME") or ".mdm").expanduser()
    if home.exists() and not home.is_dir():
        raise values.error("MDM_HOME", "is a file", "a folder, made if absent")
    return home.resolve()


def _database_url(values: _Values) -> SecretStr | None:
    """Return the URL with the driver spelled out; SQLAlchemy's own default driver changes."""
    name = "DATABASE_URL"
    url = values.text(name)
    if url is None:
        return None
    scheme, separator, rest = url.partition("://")
    allowed = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
    if not separator or scheme not in {"postgres", "postgresql", DRIVER}:
        raise values.error(name, "not a PostgreSQL address", allowed, hide=True)
    try:
        complete = bool(urlsplit(f"//{rest}").hostname) and len(urlsplit(f"//{rest}").path) > 1
    except ValueError:
        complete = False
    if not complete:
        raise values.error(name, "host or database is missing", allowed, hide=True)
    return SecretStr(f"{DRIVER}://{rest}")


def _s3_endpoint(values: _Values) -> tuple[str | None, bool]:
    """Return host:port and whether to use TLS; a bare host:port is plain HTTP."""
    name = "S3_ENDPOINT"
    value = values.text(name)
    if value is None:
        return None, False
    scheme, _, rest = value.rpartition("://")
    host = rest.rstrip("/")
    if scheme not in {"", "http", "https"} or not host or set(host) & set("/?#@ "):
        raise values.error(name, "not an S3 address", "http://HOST:PORT or https://HOST", hide=True)
    return host, scheme == "https"


def _bucket(values: _Values) -> str:
    """Return the bucket name, checked by the part of S3's rules that every server enforces."""
    bucket = values.text("S3_BUCKET") or "customer-lake"
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket, re.ASCII):
        raise values.error("S3_BUCKET", "not a bucket name", "3-63 of a-z, 0-9, '-' and '.'")
    return bucket


def _require_external(settings: Settings, values: _Values) -> None:
    needed = {
        "DATABASE_URL": settings.database_url,
        "S3_ENDPOINT": settings.s3_endpoint,
        "S3_ACCESS_KEY": settings.s3_access_key,
        "S3_SECRET_KEY": settings.s3_secret_key,
    }
    missing = [name for name, value in needed.items() if value is None]
    if missing:
        raise values.error(
            "MDM_SERVICES",
            f"needs {', '.join(missing)} as well",
            "set them in .env or the environment, or use MDM_SERVICES=embedded",
        )
