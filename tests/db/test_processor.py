from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from db import processor

ZEN_4 = (
    "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\n"
    "model name\t: AMD EPYC 9R14\nflags\t\t: fpu vme avx2 avx512f avx512dq vaes\n"
)
SHOW = "import os; print(os.environ.get('NPY_DISABLE_CPU_FEATURES'))"


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("AuthenticAMD", "GenuineIntel"),
        ("family\t: 25", "family\t: 26"),  # Zen 5
        ("avx512f avx512dq ", ""),  # Zen 3
    ],
)
def test_only_zen_4_is_taken_for_it(was: str, now: str) -> None:
    assert processor.is_zen4(ZEN_4)
    assert not processor.is_zen4(ZEN_4.replace(was, now))


def test_numpy_is_told_before_it_is_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(sys, "modules", {})
    processor.sort_without_avx512()  # no such file, as on other systems
    assert "NPY_DISABLE_CPU_FEATURES" not in os.environ
    (tmp_path / "cpuinfo").write_text(ZEN_4)
    monkeypatch.setattr(sys, "modules", {"numpy": None})
    processor.sort_without_avx512()
    assert "NPY_DISABLE_CPU_FEATURES" not in os.environ
    monkeypatch.setattr(sys, "modules", {})
    processor.sort_without_avx512()
    assert os.environ["NPY_DISABLE_CPU_FEATURES"] == "X86_V4"


def test_what_somebody_chose_stays() -> None:
    chosen = {**os.environ, "NPY_DISABLE_CPU_FEATURES": "X86_V3"}
    shown = subprocess.run(
        [sys.executable, "-c", f"import db; {SHOW}"],
        env=chosen, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout.strip() == "X86_V3"


def test_a_run_does_not_load_numpy_first() -> None:
    probe = (
        "import sys, mdm.commands.run, mdm.app; print([m in sys.modules for m in ('db', 'numpy')])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "[True, False]"
