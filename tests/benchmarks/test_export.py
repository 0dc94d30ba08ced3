"""The export benchmark ends with a line of JSON that says what was asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_export_ends_with_a_line_of_json() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.export", "--records", "2000"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["records"] == 2000
    assert set(result["formats"]) == {"parquet", "csv", "duckdb"}
    assert result["seconds"] == result["formats"]["parquet"]["seconds"] > 0
    assert result["peak_rss_mib"] > 0
