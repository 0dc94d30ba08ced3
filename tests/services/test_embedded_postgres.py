"""The embedded PostgreSQL: starts once, survives what happens to servers, lets nobody in."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg2
import pytest
from psycopg2 import extensions
from sqlalchemy import make_url

from mdm.errors import ConfigError, LockedError, ServiceDown
from mdm.services import embedded_postgres, postgres_files, processes
from mdm.services import home as homes
from mdm.services.embedded_postgres import Server

as_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="changes users; owner: services, run as root"
)


def start(home: Path, *, port: int = 0, durable: bool = False) -> Server:
    return embedded_postgres.start(home, port=port, durable=durable)


def connect(server: Server, **changed: str | int) -> extensions.connection:
    url = make_url(server.url.get_secret_value())
    given = url.translate_connect_args(username="user", database="dbname")
    connection = psycopg2.connect(**{**given, "connect_timeout": 5, **changed})
    connection.autocommit = True
    return connection


def ask(server: Server, query: str) -> list[tuple[object, ...]]:
    connection = connect(server)
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def test_starts_once_keeps_data_over_a_restart_and_stops_cleanly(
    home: Path, quiet_port: Callable[[], int]
) -> None:
    port = quiet_port()
    first = start(home, port=port)
    ask(first, "CREATE TABLE kept AS SELECT 7 AS x")
    began = time.perf_counter()
    assert start(home, port=port) == first
    assert time.perf_counter() - began < 0.5  # 1 ms on an idle machine; CI shares its cores

    assert embedded_postgres.stop(home) is True
    assert not psutil.pid_exists(first.pid) or processes.find(first.pid, marks=["postgres"]) is None
    assert embedded_postgres.stop(home) is False
    assert embedded_postgres.status(home).state == "stopped"

    again = start(home, port=port)
    assert again.pid != first.pid
    assert again.port == first.port, "the address of a home stays"
    assert ask(again, "SELECT x FROM kept") == [(7,)]
    assert "was not properly shut down" not in postgres_files.log_file(home).read_text()


def test_status_names_address_process_and_files(home: Path) -> None:
    before = embedded_postgres.status(home, port=5433)
    assert (before.state, before.pid, before.address) == ("stopped", None, "127.0.0.1:5433")
    assert not home.exists(), "asking for the state makes nothing"
    server = start(home)
    now = embedded_postgres.status(home)
    assert (now.state, now.pid) == ("running", server.pid)
    assert now.address == f"127.0.0.1:{server.port}"
    assert now.data_dir == server.data_dir
    assert Path(str(now.log_file)).is_file()


def test_a_killed_server_comes_back_with_all_that_was_committed(home: Path) -> None:
    server = start(home, durable=True)
    ask(server, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS x")
    os.kill(server.pid, signal.SIGKILL)
    again = start(home, durable=True)
    assert again.pid != server.pid
    assert ask(again, "SELECT count(*) FROM kept") == [(1000,)]


def test_a_session_deep_in_a_computation_does_not_outlive_its_killed_server(home: Path) -> None:
    server = start(home)
    connection = connect(server)
    pid = connection.info.backend_pid

    def compute() -> None:
        with pytest.raises(psycopg2.OperationalError), connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM generate_series(1, 1000000000)")

    thread = threading.Thread(target=compute)
    thread.start()
    while not ask(server, f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid} AND state = 'active'"):
        time.sleep(0.02)
    os.kill(server.pid, signal.SIGKILL)
    again = start(home)
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert processes.find(pid, marks=["postgres"]) is None
    assert ask(again, "SELECT 1") == [(1,)]
    connection.close()


def test_a_killed_server_comes_back_while_something_still_holds_its_memory(home: Path) -> None:
    """Processes of a killed server take a moment to let go, longer on a busy machine."""
    server = start(home)
    segment = int((server.data_dir / "postmaster.pid").read_text().splitlines()[6].split()[1])
    libc = ctypes.CDLL(None)
    libc.shmat.restype = ctypes.c_void_p
    held = libc.shmat(segment, None, 0)
    assert held != ctypes.c_void_p(-1).value
    os.kill(server.pid, signal.SIGKILL)
    release = threading.Timer(0.5, libc.shmdt, [ctypes.c_void_p(held)])
    release.start()
    again = start(home)
    release.join()
    assert ask(again, "SELECT 1") == [(1,)]
    assert "is still in use" in postgres_files.log_file(home).read_text(), "nothing was held"


def test_a_killed_server_comes_back_where_a_session_had_begun_a_table_without_log(
    home: Path,
) -> None:
    """The session takes it back when the server is gone, and recovery finds what that left."""
    server = start(home, durable=True)
    ask(server, "CREATE UNLOGGED TABLE volatile AS SELECT 1 AS number")
    ask(server, "CREATE TABLE lasting AS SELECT 1 AS number")
    ask(server, "CHECKPOINT")
    session = connect(server)
    session.autocommit = False
    with session.cursor() as cursor:
        cursor.execute("TRUNCATE volatile; INSERT INTO volatile VALUES (2)")
        ask(server, "UPDATE lasting SET number = 2")  # and with it the log so far is on disk
        os.kill(server.pid, signal.SIGKILL)
    again = start(home, durable=True)
    assert "File exists" in (home / "postgres" / "server.log").read_text()
    assert ask(again, "SELECT number FROM lasting") == [(2,)]
    assert ask(again, "SELECT count(*) FROM volatile") == [(0,)]


def test_a_copied_home_starts_beside_the_one_it_was_copied_from(home: Path) -> None:
    """It has the same passwords and the same name; the sessions of the other are not its own."""
    start(home)
    embedded_postgres.stop(home)
    copy = home.with_name("copy")
    shutil.copytree(home, copy)
    if os.geteuid() == 0:
        for path in (copy / "postgres", *(copy / "postgres").rglob("*")):
            owner = (home / path.relative_to(copy)).stat()
            os.chown(path, owner.st_uid, owner.st_gid)
    first = start(home)
    try:
        began = time.perf_counter()
        assert start(copy).port != first.port
        assert time.perf_counter() - began < 3, "it waited for sessions that are not its own"
        assert ask(first, "SELECT 1") == [(1,)]
    finally:
        embedded_postgres.stop(copy)


def test_a_port_taken_between_its_choice_and_its_use_gives_another(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        connection = socket.create_connection(other.getsockname())  # holds a port, answers nobody
        taken = connection.getsockname()[1]
        choices = iter([taken])
        choose = homes.free_port
        monkeypatch.setattr(homes, "free_port", lambda port: next(choices, None) or choose(port))
        server = start(home)
        connection.close()
    assert server.port != taken
    assert ask(server, "SELECT 1") == [(1,)]


def test_a_pid_file_that_names_a_living_stranger_is_not_believed(home: Path) -> None:
    """After a reboot the pid of the server may be anybody's; here it is this test's own."""
    server = start(home)
    embedded_postgres.stop(home)
    pid_file = server.data_dir / "postmaster.pid"
    lines = [str(os.getpid()), str(server.data_dir), "1", str(server.port), "", "127.0.0.1", "1 1"]
    pid_file.write_text("\n".join([*lines, "ready", ""]))
    assert embedded_postgres.status(home).state == "stopped"
    assert embedded_postgres.stop(home) is False
    again = start(home)
    assert again.pid != os.getpid()
    assert ask(again, "SELECT 1") == [(1,)]


def test_a_taken_port_gives_another_that_is_remembered_and_told(
    home: Path, quiet_port: Callable[[], int]
) -> None:
    wanted = quiet_port()
    with socket.create_server(("127.0.0.1", wanted)):
        server = start(home, port=wanted)
        assert server.port != wanted
        assert str(wanted) in server.note
        assert not start(home, port=wanted).note, "told once, by the start"
        assert str(server.port) in server.note
        assert embedded_postgres.status(home, port=wanted).note == server.note
    embedded_postgres.stop(home)
    assert start(home, port=wanted).port == server.port
    embedded_postgres.stop(home)
    asked = quiet_port()
    assert start(home, port=asked).port == asked, "a changed setting counts"


def test_two_homes_side_by_side_do_not_touch_each_other(home: Path) -> None:
    other = home.parent / "other"
    mine, theirs = start(home), start(other)
    try:
        assert mine.port != theirs.port
        ask(mine, "CREATE TABLE only_here (x int)")
        assert ask(theirs, "SELECT to_regclass('only_here') IS NULL") == [(True,)]
        password = make_url(mine.url.get_secret_value()).password
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            connect(theirs, password=str(password))
        embedded_postgres.stop(home)
        assert ask(theirs, "SELECT 1") == [(1,)]
    finally:
        embedded_postgres.stop(other)


def test_nobody_gets_in_without_the_password(home: Path) -> None:
    server = start(home)
    for user in ("mdm", "postgres"):
        with pytest.raises(psycopg2.OperationalError, match="password"):
            connect(server, user=user, password="guess")
        with pytest.raises(psycopg2.OperationalError, match="no password supplied"):
            connect(server, user=user, password="", passfile="/dev/null")
    assert ask(server, "SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = 'mdm'") == [
        (False, True)
    ]
    secret = homes.folder(home) / "credentials.json"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    password = str(make_url(server.url.get_secret_value()).password)
    assert password not in repr(server)
    assert password not in repr(homes.read_credentials(home))
    assert password not in " ".join(psutil.Process(server.pid).cmdline())
    written = [path for path in home.rglob("*") if path.is_file() and path != secret]
    assert not [path for path in written if password.encode() in path.read_bytes()]


def test_the_database_is_made_for_any_text_and_the_same_on_every_machine(home: Path) -> None:
    server = start(home)
    query = """
        SELECT current_setting('server_version_num')::int / 10000,
               pg_encoding_to_char(encoding), datlocprovider::text, datlocale, datcollate
        FROM pg_database WHERE datname = current_database()
    """
    assert ask(server, query) == [(18, "UTF8", "b", "C.UTF-8", "C")]
    assert ask(server, "SELECT upper('é'), 'Z' < 'a', 'z' < 'é'") == [("É", True, True)]


def test_statements_that_fail_leave_no_customer_in_the_log(home: Path) -> None:
    server = start(home)
    ask(server, "CREATE TABLE people (email text PRIMARY KEY)")
    ask(server, "INSERT INTO people VALUES ('ann@example.org')")
    with pytest.raises(psycopg2.errors.UniqueViolation):
        ask(server, "INSERT INTO people VALUES ('ann@example.org')")
    log = postgres_files.log_file(home).read_text()
    assert "duplicate key" in log
    assert "ann@example.org" not in log


def test_many_starters_at_once_get_one_server(home: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        servers = set(pool.map(lambda _: start(home).pid, range(6)))
    assert len(servers) == 1


def test_the_lock_tells_who_holds_it(home: Path) -> None:
    with (
        homes.lock(home),
        pytest.raises(LockedError, match=f"pid {os.getpid()}"),
        homes.lock(home, timeout_s=0.1),
    ):
        pass
    with homes.lock(home, timeout_s=0.1):
        pass


def test_an_interrupted_first_start_is_begun_anew(home: Path) -> None:
    draft = postgres_files.data_dir(home).with_name("data.new")
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("half made")
    assert ask(start(home), "SELECT 1") == [(1,)]
    assert not draft.exists()


def test_files_of_another_version_are_left_alone(home: Path) -> None:
    server = start(home)
    embedded_postgres.stop(home)
    (server.data_dir / "PG_VERSION").write_text("17\n")
    with pytest.raises(ConfigError, match=r"found '17'; allowed: 18"):
        start(home)
    (server.data_dir / "PG_VERSION").write_text("18\n")


def test_a_server_that_cannot_start_says_why_and_where_its_log_is(home: Path) -> None:
    server = start(home)
    embedded_postgres.stop(home)
    (server.data_dir / "postgresql.auto.conf").write_text("shared_buffers = 'lots'\n")
    with pytest.raises(ServiceDown, match=r"server\.log.*mdm services up"):
        start(home)


def test_damaged_credentials_are_reported_not_replaced(home: Path) -> None:
    secret = homes.folder(home) / "credentials.json"
    secret.write_text("{")
    with pytest.raises(ConfigError, match=r"credentials\.json: is damaged"):
        start(home)
    assert secret.read_text() == "{"
    secret.unlink()


def _run_as_nobody(home: Path, code: str) -> subprocess.CompletedProcess[str]:
    nobody = processes.ServerUser("nobody", 65534, 65534)
    script = f"from pathlib import Path\nhome = Path({str(home)!r})\n{code}"
    needs = [Path(sys.executable), Path(sys.prefix), Path(processes.__file__)]
    return processes.run_as(nobody, [sys.executable, "-c", script], needs=needs)


@as_root
def test_root_gives_the_server_to_a_system_user(home: Path) -> None:
    server = start(home)
    assert psutil.Process(server.pid).uids().effective != 0
    assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700


@as_root
def test_root_may_keep_its_home_where_nobody_else_can_go(home: Path) -> None:
    """As below /root: the server passes through, and the folder stays shut."""
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv (util-linux); owner: services")
    home.parent.chmod(0o700)
    server = start(home)
    assert psutil.Process(server.pid).uids().effective != 0
    assert stat.S_IMODE(home.parent.stat().st_mode) == 0o700
    assert ask(server, "SELECT 1") == [(1,)]


@as_root
def test_an_ordinary_user_runs_the_server_as_oneself(home: Path) -> None:
    home.mkdir()
    os.chown(home, 65534, 65534)
    code = """
from mdm.services import embedded_postgres
print(embedded_postgres.start(home, port=0, durable=False).pid)
"""
    done = _run_as_nobody(home, code)
    assert done.returncode == 0, done.stderr
    pid = int(done.stdout)
    assert psutil.Process(pid).uids().effective == 65534
    assert start(home).pid == pid, "root finds the same server"
    stopped = _run_as_nobody(
        home, "from mdm.services import embedded_postgres\nprint(embedded_postgres.stop(home))"
    )
    assert stopped.stdout.strip() == "True", stopped.stderr


@as_root
def test_the_home_of_another_user_is_refused_with_its_owner(home: Path) -> None:
    start(home)
    code = """
from mdm.errors import ConfigError
from mdm.services import postgres_files, processes
try:
    processes.server_user(postgres_files.data_dir(home))
except ConfigError as error:
    print(error)
"""
    done = _run_as_nobody(home, code)
    assert "its database belongs to" in done.stdout, done.stderr
