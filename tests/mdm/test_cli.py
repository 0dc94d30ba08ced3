"""The command line before and beside its commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_what_loads_slowly_is_loaded_where_an_interruption_is_told() -> None:
    """Ctrl-C while ``import mdm.cli`` runs would be a traceback."""
    loaded = "import sys, mdm.cli; print({'sqlalchemy', 'pydantic', 'minio'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_work_goes_on_when_nobody_reads_any_more(tmp_path: Path) -> None:
    script = (
        "import os; from mdm.app import say\n"
        "reading, writing = os.pipe(); os.dup2(writing, 2); os.close(writing); os.close(reading)\n"
        "say('one'); say('two'); print('done')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "done\n")


def test_a_home_that_cannot_be_is_no_fault_of_the_program(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from mdm.cli import execute

    monkeypatch.setenv("MDM_SERVICES", "embedded")
    monkeypatch.setenv("MDM_HOME", "/dev/null/home")
    assert execute(["sql", "SELECT 1"]) == 2
    assert "MDM_HOME: cannot be written" in capfd.readouterr().err
