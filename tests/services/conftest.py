"""A home of its own for each test that starts servers, stopped and removed at the end."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mdm.services import embedded_postgres, embedded_s3


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that a system user can reach too, with a space in its path."""
    parent = Path(tempfile.mkdtemp(prefix="mdm services "))
    parent.chmod(0o755)
    yield parent / "home"
    embedded_s3.stop(parent / "home")
    embedded_postgres.stop(parent / "home")
    shutil.rmtree(parent)


@pytest.fixture
def quiet_port() -> Callable[[], int]:
    """Gives a free port that no outgoing connection takes while a server is down for a moment.

    Systems hand out ports from 32768 on to connections.
    """
    ports = iter(range(12_000 + os.getpid() * 20 % 18_000, 32_000))

    def next_port() -> int:
        for port in ports:
            with suppress(OSError), socket.create_server(("127.0.0.1", port)):
                return port
        raise OSError("no free port below 32000")

    return next_port
