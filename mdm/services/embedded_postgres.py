"""A real PostgreSQL 18 under MDM_HOME: started, found again, stopped.

The server is detached and stays up between runs. After a `kill -9` or a power cut the next start
recovers by itself: a leftover `postmaster.pid` is trusted only if that process carries the name of
this cluster. How its files are made: `postgres_files`.
"""

from __future__ import annotations

import re
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from pydantic import SecretStr
from sqlalchemy import URL

from mdm.errors import ConfigError, ServiceDown
from mdm.services import home as homes
from mdm.services import postgres_files as files
from mdm.services import processes, tuning
from mdm.services.home import Credentials
from mdm.services.model import ServiceStatus, State

START_TIMEOUT_S = 300  # crash recovery replays up to `max_wal_size`
STOP_TIMEOUT_S = 300.0
_PAUSES_S = (0.1, 0.2, 0.4, 0.8, 1.6)  # between launches
# What the log says where the next attempt may do: the port went to somebody between its choice and
# its use, or processes of a killed server still let go of its memory or its lock file. Or these
# took an UNLOGGED table back that they had begun and left its file, empty: the log makes the table
# again, recovery cannot fill it where a file lies, and when it begins anew it removes this one.
_PASSING = re.compile(
    "could not create any TCP/IP sockets|is still in use|lock file .* exists"
    '|could not create file "base/[0-9]+/[0-9_a-z]+": File exists'
)


@dataclass(frozen=True)
class Server:
    """A running server of ours: enough to connect, nothing secret in its repr."""

    url: SecretStr
    port: int
    pid: int
    data_dir: Path
    note: str = ""


def start(home: Path, *, port: int = 5433, durable: bool = True) -> Server:
    """Return the running server of `home`, starting or first making it where needed.

    Safe to call at any time and by several processes at once; a running server is found within
    milliseconds and left as it is. A `port` taken by others is replaced by the next free one,
    which the home remembers and this call tells; 0 means any. `durable=False`, for tests, trades
    crash safety for speed. Raises `ServiceDown` with the log's place, `ConfigError` where the home
    cannot work.
    """
    home = home.resolve()
    known = homes.read_credentials(home)
    if known is not None:
        running = _running(home, known)
        if running is not None:
            return running
    with homes.lock(home):
        secrets = homes.credentials(home)
        running = _running(home, secrets, wait_s=START_TIMEOUT_S)
        if running is not None:
            return running
        user = processes.server_user(files.data_dir(home))
        if not files.data_dir(home).exists():
            files.create(home, user, secrets, durable=durable)
        files.require_version(home)
        return _launch(home, user, secrets, wanted=port, durable=durable)


def stop(home: Path) -> bool:
    """Stop the server cleanly and wait for it; returns whether one was running."""
    home = home.resolve()
    secrets = homes.read_credentials(home)
    if secrets is None:
        return False
    with homes.lock(home):
        found = _postmaster(home, secrets)
        if found is None:
            return False
        found.process.send_signal(signal.SIGINT)  # "fast": sessions end, data are written
        processes.wait_for(
            found.process,
            timeout_s=STOP_TIMEOUT_S,
            service=files.SERVICE,
            address=files.address(found.port),
        )
        return True


def status(home: Path, *, port: int = 5433) -> ServiceStatus:
    """Return the state of the server of `home`; starts nothing."""
    home = home.resolve()
    secrets = homes.read_credentials(home)
    found = _postmaster(home, secrets) if secrets else None
    state: State = "stopped"
    if found is not None:
        state = "running" if found.ready else "starting"
    shown = found.port if found else homes.remembered_port(home, "postgres", wanted=port)
    return ServiceStatus(
        name=files.SERVICE,
        state=state,
        address=files.address(shown),
        pid=found.process.pid if found else None,
        data_dir=files.data_dir(home),
        log_file=files.log_file(home),
        note=_moved(port, shown),
    )


@dataclass(frozen=True)
class _Postmaster:
    """Our server process, as its pid file and the process table agree on it."""

    process: psutil.Process
    port: int
    ready: bool


def _postmaster(home: Path, secrets: Credentials) -> _Postmaster | None:
    """Return our server process; the pid file's lines are those of PostgreSQL's `pidfile.h`."""
    try:
        lines = (files.data_dir(home) / "postmaster.pid").read_text("utf-8").splitlines()
        pid, port = int(lines[0]), int(lines[3])
    except PermissionError as error:
        raise ConfigError("belongs to another user", file=files.data_dir(home)) from error
    except (OSError, ValueError, IndexError):
        return None
    process = processes.find(pid, marks=[_mark(secrets)])
    if process is None:
        return None
    ready = len(lines) > 7 and lines[7].strip() == "ready"
    return _Postmaster(process, port, ready)


def _mark(secrets: Credentials) -> str:
    """Return the words of the command line that only this cluster's server has."""
    return f"cluster_name={secrets.cluster}"


def _running(home: Path, secrets: Credentials, *, wait_s: float = 0.0) -> Server | None:
    """Return our server if it accepts connections, waiting `wait_s` for one that is recovering."""
    deadline = time.monotonic() + wait_s
    while True:
        found = _postmaster(home, secrets)
        if found is None:
            return None
        if found.ready and _serves(found.port):
            return _server(home, secrets, found)
        if time.monotonic() >= deadline:
            if wait_s:
                raise files.down(home, found.port, "alive, but not ready")
            return None
        time.sleep(0.05)


def _serves(port: int) -> bool:
    """Whether a live PostgreSQL serves `port`: it answers an SSLRequest with one letter.

    A connection alone is no proof: the kernel accepts it for a server that was just killed.
    """
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5.0) as probe:
            probe.sendall(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
            return probe.recv(1) in {b"N", b"S"}
    except OSError:
        return False


def _server(home: Path, secrets: Credentials, found: _Postmaster, *, note: str = "") -> Server:
    url = URL.create(
        "postgresql+psycopg2",
        username="mdm",
        password=secrets.postgres_password,
        host="127.0.0.1",
        port=found.port,
        database="mdm",
    )
    shown = SecretStr(url.render_as_string(hide_password=False))
    return Server(shown, found.port, found.process.pid, files.data_dir(home), note)


def _clear_leftovers(home: Path, secrets: Credentials) -> None:
    """Make way for a start after a crash; call it when no server of ours is running.

    Sessions that outlive a killed server notice by themselves, unless deep in a computation:
    they must be gone before the files are opened again. The pid file goes last, since PostgreSQL
    refuses to start while its pid, reused meanwhile by anything of the same user, is alive.
    """
    title = f"postgres: {secrets.cluster}: "
    deadline = time.monotonic() + 3.0
    while orphans := _titled(title, files.data_dir(home).resolve()):
        if time.monotonic() > deadline:
            for orphan in orphans:
                orphan.send_signal(signal.SIGQUIT)
            for orphan in orphans:
                processes.wait_for(orphan, timeout_s=30, service=files.SERVICE, address=str(home))
        time.sleep(0.05)
    (files.data_dir(home) / "postmaster.pid").unlink(missing_ok=True)


def _titled(title: str, folder: Path) -> list[psutil.Process]:
    """Return the processes in `folder` whose title starts so; a copied home has others."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                line = process.cmdline()
                if line and line[0].startswith(title) and Path(process.cwd()) == folder:
                    found.append(process)
        except psutil.Error:
            continue
    return found


def _launch(
    home: Path,
    user: processes.ServerUser,
    secrets: Credentials,
    *,
    wanted: int,
    durable: bool,
) -> Server:
    """Start the server on the remembered or wanted port, or on a free one near it."""
    log = files.log_file(home)
    homes.keep_log_short(log)
    values = tuning.settings(tuning.this_machine(files.data_dir(home)), durable=durable)
    values |= tuning.shared_memory()
    preferred = homes.remembered_port(home, "postgres", wanted=wanted)
    pauses = iter(_PAUSES_S)
    while True:
        _clear_leftovers(home, secrets)
        port = homes.free_port(preferred)
        values |= {
            "port": str(port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
        }
        conf = files.data_dir(home) / "mdm.conf"
        homes.write_private(conf, tuning.as_config(values))
        files.give(conf, user)
        program = files.binaries() / "pg_ctl"
        command: list[str | Path] = [program, "start", "-w", "-s", "-t", str(START_TIMEOUT_S)]
        options: list[str | Path] = ["-D", files.data_dir(home), "-l", log, "-o"]
        said = log.stat().st_size if log.exists() else 0
        try:
            files.run(home, user, [*command, *options, f"-c {_mark(secrets)}"])
        except ServiceDown:
            with log.open("rb") as stream:
                stream.seek(said)
                reason = stream.read().decode("utf-8", "replace")
            pause = next(pauses, None)
            if pause and _PASSING.search(reason):
                time.sleep(pause)
                continue
            raise files.down(home, port, processes.last_lines(reason)) from None
        found = _postmaster(home, secrets)
        if found is None:
            raise files.down(home, port, "ended right after its start")
        homes.remember_port(home, "postgres", wanted=wanted, port=port)
        return _server(home, secrets, found, note=_moved(wanted, found.port))


def _moved(wanted: int, port: int) -> str:
    """Return the sentence for the user about a port that is not the wanted one."""
    return (
        f"{files.SERVICE} uses port {port} instead of {wanted}" if wanted not in (0, port) else ""
    )
