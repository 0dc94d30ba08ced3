"""Running a server as the right user, and knowing it again among all processes.

PostgreSQL refuses to run as root, so root hands it to a system user. That user may be unable to
walk into the home or the virtual environment (both often under /root, mode 0700). Opening those
folders to everybody would be a hole; instead `setpriv` leaves the server the one capability to
pass through folders, which is void for writing.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import stat
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from mdm.errors import ConfigError, ServiceDown

SYSTEM_USERS = ("postgres", "_postgres", "mdm-postgres")
# Linux capability numbers; the first allows to read and to pass, the second to write as well.
# Containers often grant only the second.
CAPABILITIES = {"dac_read_search": 2, "dac_override": 1}


@dataclass(frozen=True)
class ServerUser:
    """The user a server runs as."""

    name: str
    uid: int
    gid: int

    @property
    def is_me(self) -> bool:
        """Whether no change of user is needed."""
        return self.uid == os.geteuid()


def server_user(existing: Path) -> ServerUser:
    """Return who is to run the server whose data are, or will be, in `existing`.

    The owner of existing data; else oneself; else, for root, a system user: the machine's
    postgres user, a user made for it, or nobody. Raises `ConfigError` when the data belong to
    another user, since neither reading nor repairing them is possible then.
    """
    me = os.geteuid()
    if existing.exists():
        owner = existing.stat().st_uid
        if me not in (0, owner):
            raise ConfigError(
                f"its database belongs to {_name(owner)}",
                key="MDM_HOME",
                found=str(existing.parent.parent),
                allowed="a home of your own, or the user who made this one",
            )
        if owner:
            return ServerUser(_name(owner), owner, existing.stat().st_gid)
    if me:
        return ServerUser(_name(me), me, os.getegid())
    for name in SYSTEM_USERS:
        with contextlib.suppress(KeyError):
            return _user(name)
    useradd = shutil.which("useradd")
    if useradd:
        command = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin"]
        subprocess.run([*command, SYSTEM_USERS[-1]], check=False, capture_output=True)
        with contextlib.suppress(KeyError):
            return _user(SYSTEM_USERS[-1])
    return _user("nobody")


def _user(name: str) -> ServerUser:
    entry = pwd.getpwnam(name)
    return ServerUser(name, entry.pw_uid, entry.pw_gid)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a container may run as a number without a name
        return f"user {uid}"


def run_as(
    user: ServerUser,
    command: Sequence[str | Path],
    *,
    needs: Iterable[Path],
    stdin: str = "",
) -> subprocess.CompletedProcess[str]:
    """Return the finished `command`, run as `user` from `/`; `needs` are paths it must reach.

    Locale and PostgreSQL variables of the caller do not reach it. Raises `ConfigError` where
    `user` cannot reach a path and the machine has no means to let it.
    """
    arguments = [str(part) for part in command]
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "LC_", "LANG"))
    } | {"LC_ALL": "C"}
    if not user.is_me:
        blocked = next((path for path in needs if not _reaches(user, path)), None)
        if blocked is not None:
            arguments = [*_setpriv(user, blocked), *arguments]
    direct = user.is_me or arguments[0] != str(command[0])
    return subprocess.run(
        arguments,
        cwd="/",
        env=environment,
        input=stdin,
        check=False,
        text=True,
        encoding="utf-8",
        errors="replace",
        capture_output=True,
        user=None if direct else user.uid,
        group=None if direct else user.gid,
        extra_groups=None if direct else [],
    )


def _reaches(user: ServerUser, path: Path) -> bool:
    """Whether the permission bits let `user` into `path`; access lists are not looked at."""
    resolved = path.resolve()
    return all(
        _permits(user, step.stat(), stat.S_IXOTH) for step in (*resolved.parents, resolved)
    ) and _permits(user, resolved.stat(), stat.S_IROTH)


def _permits(user: ServerUser, status: os.stat_result, bit: int) -> bool:
    if status.st_uid == user.uid:
        return bool(status.st_mode & (bit << 6))
    if status.st_gid == user.gid:
        return bool(status.st_mode & (bit << 3))
    return bool(status.st_mode & bit)


def _setpriv(user: ServerUser, blocked: Path) -> list[str]:
    """Return the command prefix that changes to `user` and keeps one capability."""
    setpriv = shutil.which("setpriv")
    capability = next((name for name, bit in CAPABILITIES.items() if _may_grant(bit)), None)
    if setpriv is None or capability is None:
        raise ConfigError(
            f"PostgreSQL runs as {user.name}, who cannot reach {blocked}",
            key="MDM_HOME",
            allowed="a checkout and a home outside /root, or setpriv (package util-linux), "
            "or to run as an ordinary user",
        )
    keep = f"+{capability}"
    ids = [f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups"]
    return [setpriv, *ids, f"--inh-caps={keep}", f"--ambient-caps={keep}", "--"]


def _may_grant(bit: int) -> bool:
    try:
        lines = Path("/proc/self/status").read_text("ascii").splitlines()
    except OSError:  # not Linux
        return False
    held = next((line.split()[1] for line in lines if line.startswith("CapPrm:")), "0")
    return bool(int(held, 16) >> bit & 1)


def find(pid: int, *, marks: Sequence[str]) -> psutil.Process | None:
    """Return process `pid` if its command line holds all `marks`, else None.

    A pid alone proves nothing: after a reboot or a long time it is somebody else's. The command
    line is readable for everybody, unlike the working directory.
    """
    try:
        process = psutil.Process(pid)
        line = process.cmdline()
        alive = process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return None
    return process if alive and all(any(mark in part for part in line) for mark in marks) else None


def wait_for(process: psutil.Process, *, timeout_s: float, service: str, address: str) -> None:
    """Wait until `process` has ended; raises `ServiceDown` if it has not after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not _ended(process):
        if time.monotonic() > deadline:
            raise ServiceDown(
                service,
                address=address,
                reason=f"told to stop, still running after {timeout_s:.0f} s as pid {process.pid}",
                hint="See its log; it may be writing its last checkpoint.",
            )
        time.sleep(0.02)


def _ended(process: psutil.Process) -> bool:
    """Whether it is gone or waits as a zombie for a parent that never asks."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def last_lines(text: str) -> str:
    """Return the end of a program's output as one line."""
    return " / ".join(line.strip() for line in text.strip().splitlines()[-3:]) or "no message"
