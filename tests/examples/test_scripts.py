"""The commands of the examples: sound, executable, and clear about how they are called."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize("name", ["capstone", "seven_sources"])
def test_a_command_is_sound_and_says_how_it_is_called(name: str, tmp_path: Path) -> None:
    script = EXAMPLES / name / "run.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
    content = script.read_text("utf-8")
    assert os.access(script, os.X_OK)
    assert not re.search(r"\b(declare -A|mapfile|readarray)\b|\$\{\w+[,^]", content), "bash 3.2"
    done = subprocess.run(
        [str(script)], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert "OUT_DIR" in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []
    readme = (EXAMPLES / name / "README.md").read_text("utf-8")
    assert f"examples/{name}/run.sh" in readme
