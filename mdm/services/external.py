"""Servers that the user runs: nothing is started or stopped, both are asked whether they answer."""

from __future__ import annotations

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from mdm.errors import ConfigError, ServiceDown
from mdm.services.model import Endpoints, ServiceStatus
from mdm.settings import Settings

OLDEST = 180000  # `MERGE … RETURNING` with OLD and NEW, uuidv7()


def up(settings: Settings) -> Endpoints:
    """Return the endpoints of the settings once both answered; the bucket is made if absent.

    Raises `ServiceDown` for a server that does not answer after four attempts, `ConfigError` for
    one that refuses us or is too old.
    """
    endpoints = endpoints_of(settings)
    for check in (check_database, check_lake):
        for attempt in Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, ServiceDown)),
            wait=wait_random_exponential(multiplier=0.5, max=4),
            stop=stop_after_attempt(4),
            reraise=True,
        ):
            with attempt:
                check(endpoints)
    return endpoints


def down(settings: Settings) -> None:
    """Leave the user's servers alone."""


def status(settings: Settings) -> list[ServiceStatus]:
    """Return whether each server answers, with its reason if not."""
    endpoints = endpoints_of(settings)
    states = []
    for name, address, check in (
        ("PostgreSQL", database_address(endpoints), check_database),
        ("S3 server", lake_address(endpoints), check_lake),
    ):
        try:
            check(endpoints)
        except (ServiceDown, ConfigError) as error:
            states.append(
                ServiceStatus(name=name, state="unreachable", address=address, note=str(error))
            )
        else:
            states.append(ServiceStatus(name=name, state="running", address=address))
    return states


def endpoints_of(settings: Settings) -> Endpoints:
    """Return the endpoints the settings name; `Settings` made sure that none is missing."""
    if not (
        settings.database_url
        and settings.s3_endpoint
        and settings.s3_access_key
        and settings.s3_secret_key
    ):
        raise ConfigError(
            "a server is not named",
            key="MDM_SERVICES",
            found="external",
            allowed="with DATABASE_URL, S3_ENDPOINT, S3_ACCESS_KEY and S3_SECRET_KEY",
        )
    return Endpoints(
        database_url=settings.database_url,
        s3_endpoint=settings.s3_endpoint,
        s3_access_key=settings.s3_access_key,
        s3_secret_key=settings.s3_secret_key,
        s3_region=settings.s3_region,
        s3_secure=settings.s3_secure,
        bucket=settings.s3_bucket,
    )


def database_address(endpoints: Endpoints) -> str:
    """Return host, port and database of the warehouse, without user and password."""
    url = make_url(endpoints.database_url.get_secret_value())
    return f"{url.host}:{url.port or 5432}/{url.database}"


def lake_address(endpoints: Endpoints) -> str:
    """Return the lake's address as people write it."""
    return f"{'https' if endpoints.s3_secure else 'http'}://{endpoints.s3_endpoint}"


def check_database(endpoints: Endpoints) -> None:
    """Ask the database for its version.

    The driver's own words are not passed on: they may quote the connection string.
    """
    address = database_address(endpoints)
    engine = create_engine(
        endpoints.database_url.get_secret_value(),
        poolclass=NullPool,
        connect_args={"connect_timeout": 5},
    )
    try:
        with engine.connect() as connection:
            version = int(connection.execute(text("SHOW server_version_num")).scalar_one())
    except OperationalError as error:
        words = str(error.orig)
        if any(hint in words for hint in ("authentication failed", "does not exist", "pg_hba")):
            raise ConfigError(
                f"PostgreSQL at {address} refuses the login, or has no such user or database",
                key="DATABASE_URL",
            ) from None
        raise ServiceDown(
            "PostgreSQL", address=address, hint="Start it, or correct DATABASE_URL."
        ) from None
    except DBAPIError:
        raise ServiceDown(
            "PostgreSQL", address=address, hint="Something else may be listening there."
        ) from None
    finally:
        engine.dispose()
    if version < OLDEST:
        raise ConfigError(
            "PostgreSQL is too old",
            key="DATABASE_URL",
            found=f"version {version // 10000}",
            allowed=f"version {OLDEST // 10000} or newer",
        )


def check_lake(endpoints: Endpoints) -> None:
    """Make sure that the bucket exists and our keys may use it."""
    address = lake_address(endpoints)
    client = Minio(
        endpoints.s3_endpoint,
        access_key=endpoints.s3_access_key,
        secret_key=endpoints.s3_secret_key.get_secret_value(),
        region=endpoints.s3_region,
        secure=endpoints.s3_secure,
        http_client=urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=5, read=20), retries=False, maxsize=1
        ),
    )
    try:
        if not client.bucket_exists(endpoints.bucket):
            client.make_bucket(endpoints.bucket)
    except S3Error as error:
        raise ConfigError(
            f"the S3 server at {address} refuses bucket {endpoints.bucket!r}",
            key="S3_ACCESS_KEY, S3_SECRET_KEY or S3_BUCKET",
            found=error.code,
        ) from None
    except (MinioException, urllib3.exceptions.HTTPError) as error:
        raise ServiceDown(
            "S3 server",
            address=address,
            reason=error.__class__.__name__,
            hint="Start it, or correct S3_ENDPOINT.",
        ) from None
