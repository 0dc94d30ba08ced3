"""A home of its own for each test that starts servers, stopped and removed at the end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
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
