"""SQLAlchemy engines: one place that says how we connect."""

from __future__ import annotations

from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from mdm.errors import ConfigError, ServiceDown

# Sessions speak UTC whatever the server's zone (a naive timestamp once moved by 5:30 h in a
# pipeline of this kind) and never compile queries just in time (a cost that does not pay for
# statements that run once).
_SESSION = "-c timezone=UTC -c jit=off -c client_min_messages=warning"


def connect(database_url: str) -> Engine:
    """An engine for ``database_url``, checked by one connection.

    Raises ConfigError for a URL that is none and ServiceDown when nobody answers there.
    """
    try:
        url = make_url(database_url).set(drivername="postgresql+psycopg2")
    except ArgumentError as error:
        raise ConfigError(
            "not a database URL", key="DATABASE_URL", allowed="postgresql://…"
        ) from error
    engine = create_engine(
        url,
        connect_args={"options": _SESSION, "application_name": "mdm", "connect_timeout": 10},
        pool_pre_ping=True,
        pool_size=4,
    )
    try:
        with engine.connect():
            pass
    except OperationalError as error:
        raise ServiceDown(
            "PostgreSQL",
            address=f"{url.host or 'local socket'}:{url.port or 5432}",
            hint="Start it with `mdm services up`, or correct DATABASE_URL.",
            reason=str(error.orig).strip().splitlines()[-1],
        ) from error
    return engine
