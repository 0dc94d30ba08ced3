"""SQLAlchemy engines: one place that says how we connect."""

from __future__ import annotations

from typing import Final

import psycopg2
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from mdm.errors import ConfigError, ServiceDown

# Sessions speak UTC whatever the server's zone (a naive timestamp once moved by 5:30 h in a
# pipeline of this kind) and never compile queries just in time (a cost that does not pay for
# statements that run once).
_SESSION = "-c timezone=UTC -c jit=off -c client_min_messages=warning"

# SQLSTATEs of what may pass when it is tried again, from the appendix of the PostgreSQL manual.
_PASSING: Final = {
    "40001": "serialization_failure",
    "40P01": "deadlock_detected",
    "53300": "too_many_connections",
    "57P01": "admin_shutdown",
    "57P02": "crash_shutdown",
    "57P03": "cannot_connect_now",
}
# A refused log-in has no SQLSTATE in the driver, as a lost connection has none; it does not pass.
_FINAL_WORDS: Final = ("authentication failed", "does not exist", "pg_hba.conf")


def connect(database_url: str) -> Engine:
    """An engine for ``database_url``, checked by one connection.

    A server that is just starting is waited for. Raises ConfigError for a URL that is none and
    ServiceDown when nobody answers there.
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
    opening = Retrying(
        stop=stop_after_attempt(5),
        wait=wait_exponential_jitter(multiplier=0.2, max=2.0, jitter=0.2),
        retry=retry_if_exception(is_transient),
        reraise=True,
    )
    try:
        opening(lambda: engine.connect().close())
    except OperationalError as error:
        raise ServiceDown(
            "PostgreSQL",
            address=f"{url.host or 'local socket'}:{url.port or 5432}",
            hint="Start it with `mdm services up`, or correct DATABASE_URL.",
            reason=str(error.orig).strip().splitlines()[-1],
        ) from error
    return engine


def is_lost(error: BaseException | None) -> bool:
    """Whether ``error`` says that the session is gone (as opposed to: refused what was asked)."""
    if isinstance(error, DBAPIError):
        return bool(error.connection_invalidated) or is_lost(error.orig)
    if not isinstance(error, psycopg2.Error):
        return False
    if error.pgcode is not None:
        return str(error.pgcode).startswith(("57P", "08"))
    # COPY goes through the driver itself, which tells of a lost connection without an SQLSTATE
    said_by_driver = type(error) is psycopg2.DatabaseError or isinstance(
        error, (psycopg2.OperationalError, psycopg2.InterfaceError)
    )
    return said_by_driver and not any(words in str(error) for words in _FINAL_WORDS)


def is_transient(error: BaseException | None) -> bool:
    """Whether the same work may succeed when it is tried again.

    True for a lost or refused connection, a deadlock and a serialization failure; false for what is
    wrong with the work itself (syntax, constraints) or stays until somebody acts (a full disk).
    """
    raw = error.orig if isinstance(error, DBAPIError) else error
    return is_lost(error) or (isinstance(raw, psycopg2.Error) and raw.pgcode in _PASSING)
