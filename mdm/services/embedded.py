"""Both embedded servers of one home, for `MDM_SERVICES=embedded` and for the tests.

A test session starts one throw-away PostgreSQL with `embedded_postgres.start(folder, port=0,
durable=False)`: several pytest workers may call it, the first starts it and the others find it;
`embedded_postgres.stop(folder)` ends it.
"""

from __future__ import annotations

from mdm.services import embedded_postgres, embedded_s3
from mdm.services.model import Endpoints, ServiceStatus
from mdm.settings import Settings


def up(settings: Settings) -> Endpoints:
    """Return the endpoints of the two running servers, started where needed."""
    database = embedded_postgres.start(settings.home, port=settings.postgres_port)
    lake = embedded_s3.start(settings.home, bucket=settings.s3_bucket, port=settings.s3_port)
    return Endpoints(
        database_url=database.url,
        s3_endpoint=lake.endpoint,
        s3_access_key=lake.access_key,
        s3_secret_key=lake.secret_key,
        s3_region=settings.s3_region,
        s3_secure=False,
        bucket=settings.s3_bucket,
        notes=tuple(note for note in (database.note, lake.note) if note),
    )


def down(settings: Settings) -> None:
    """Stop both servers cleanly, the lake first since nothing waits for it."""
    embedded_s3.stop(settings.home)
    embedded_postgres.stop(settings.home)


def status(settings: Settings) -> list[ServiceStatus]:
    """Return the state of both servers."""
    return [
        embedded_postgres.status(settings.home, port=settings.postgres_port),
        embedded_s3.status(settings.home, port=settings.s3_port),
    ]
