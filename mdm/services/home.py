"""The part of MDM_HOME that belongs to the services: credentials, remembered ports, the lock.

MDM_HOME/services/credentials.json   generated passwords, readable by the owner only
MDM_HOME/services/ports.json         the port each embedded server took last
MDM_HOME/services/lock               held while services are started or stopped
MDM_HOME/postgres/                   database files and server.log
MDM_HOME/lake/                       one folder per bucket
MDM_HOME/s3/                         pid file and server.log of the S3 server
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from mdm.errors import ConfigError, LockedError

LOCK_TIMEOUT_S = 180.0


@dataclass(frozen=True)
class Credentials:
    """The generated secrets of one home; `cluster` is no secret but a name for its processes."""

    postgres_password: str = field(repr=False)
    superuser_password: str = field(repr=False)
    s3_access_key: str
    s3_secret_key: str = field(repr=False)
    cluster: str


def folder(home: Path) -> Path:
    """Return the services' folder of `home`, made if absent; the home is its owner's alone to list.

    Raises `ConfigError` where the home cannot be written.
    """
    path = home / "services"
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError
    except (OSError, PermissionError) as error:
        raise ConfigError(
            "cannot be written by this user",
            key="MDM_HOME",
            found=str(home),
            allowed="a folder of yours; one first used as root needs root again",
        ) from error
    return path


@contextlib.contextmanager
def lock(home: Path, *, timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[None]:
    """Hold the right to start and stop the services of `home`; freed even by `kill -9`.

    Raises `LockedError` with the holder's pid after `timeout_s` seconds.
    """
    descriptor = os.open(folder(home) / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + timeout_s
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
                raise LockedError(f"starting and stopping services of {home}", holder=holder)
            time.sleep(0.05)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"pid {os.getpid()}".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def credentials(home: Path) -> Credentials:
    """Return the credentials of `home`, generated at the first call; call it under the lock."""
    file = folder(home) / "credentials.json"
    known = read_credentials(home)
    if known is not None:
        return known
    made = Credentials(
        postgres_password=secrets.token_urlsafe(24),
        superuser_password=secrets.token_urlsafe(24),
        s3_access_key=f"mdm{secrets.token_hex(8)}",
        s3_secret_key=secrets.token_urlsafe(30).replace("-", "x"),
        cluster=f"mdm-{secrets.token_hex(4)}",
    )
    write_private(file, json.dumps(asdict(made), indent=2) + "\n")
    return made


def read_credentials(home: Path) -> Credentials | None:
    """Return the credentials of `home`, or None where it has none yet.

    Raises `ConfigError` for a damaged file: a new password would lock everybody out.
    """
    file = home / "services" / "credentials.json"
    try:
        values = json.loads(file.read_text("utf-8"))
        return Credentials(**{each.name: str(values[each.name]) for each in fields(Credentials)})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise ConfigError("belongs to another user", file=file) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError("is damaged; put back the copy of your backup", file=file) from error


def write_private(file: Path, text: str) -> None:
    """Write `file` whole or not at all, readable by its owner only."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    descriptor = os.open(draft, flags, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)


def remembered_port(home: Path, service: str, *, wanted: int) -> int:
    """Return the port `service` took last time `wanted` was asked for, else `wanted`.

    So the address of a home stays the same over restarts until its settings change.
    """
    return _ports(home).get(f"{service}:{wanted}", wanted)


def remember_port(home: Path, service: str, *, wanted: int, port: int) -> None:
    """Keep `port` as the address of `service` in this home as long as `wanted` is asked for."""
    ports = _ports(home)
    if ports.get(f"{service}:{wanted}") != port:
        others = {key: value for key, value in ports.items() if not key.startswith(f"{service}:")}
        text = json.dumps({**others, f"{service}:{wanted}": port})
        write_private(folder(home) / "ports.json", f"{text}\n")


def _ports(home: Path) -> dict[str, int]:
    """Return the remembered ports; a lost or damaged file only costs the memory."""
    try:
        values = json.loads((home / "services" / "ports.json").read_text("utf-8"))
        return {str(name): int(port) for name, port in values.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def free_port(preferred: int) -> int:
    """Return `preferred`, or the next port above it that nobody listens on at 127.0.0.1.

    `preferred` 0 means any. The port may be taken before it is used, so callers try again.
    """
    for port in (*range(preferred, min(preferred + 50, 65536)), 0) if preferred else (0,):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                probe.listen(1)
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ConfigError("no free port on 127.0.0.1")


def answers(port: int) -> bool:
    """Return whether something accepts connections at 127.0.0.1:`port`."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def keep_log_short(file: Path, *, limit: int = 16 * 2**20) -> None:
    """Move a log that has grown past `limit` bytes aside, over the one moved before."""
    with contextlib.suppress(FileNotFoundError):
        if file.stat().st_size > limit:
            file.replace(file.with_name(f"{file.name}.1"))
