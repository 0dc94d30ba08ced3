"""What NumPy is told of the processor it runs on, where it would choose badly by itself."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Final

_CPUINFO: Final = Path("/proc/cpuinfo")
_FIRST_CORE: Final = 8192
_SWITCH: Final = "NPY_DISABLE_CPU_FEATURES"


def sort_without_avx512() -> None:
    """Has NumPy sort with AVX2 where AVX-512 is slow, unless somebody has told it otherwise.

    AMD's Zen 4 takes over a hundred cycles for the instruction by which NumPy's AVX-512 sorting
    writes each vector; with AVX2 it sorts five times as fast (numpy/x86-simd-sort issue 6, AMD's
    Software Optimization Guide for Zen 4, 2.11.2). NumPy reads the environment when it is loaded:
    behind that nothing is done. (Before 2.4 it knows no such name, and sorts as it likes.)
    """
    if "numpy" in sys.modules or _SWITCH in os.environ:
        return
    try:
        with _CPUINFO.open(encoding="utf-8", errors="replace") as cpuinfo:
            first_core = cpuinfo.read(_FIRST_CORE)
    except OSError:  # no Linux
        return
    if is_zen4(first_core):
        os.environ[_SWITCH] = "X86_V4"


def is_zen4(cpuinfo: str) -> bool:
    """Whether ``/proc/cpuinfo`` begins with a core of Zen 4: the one of its family with AVX-512."""
    return (
        re.search(r"^vendor_id\s*: AuthenticAMD$", cpuinfo, re.MULTILINE) is not None
        and re.search(r"^cpu family\s*: 25$", cpuinfo, re.MULTILINE) is not None
        and re.search(r"^flags\s*:.* avx512f\b", cpuinfo, re.MULTILINE) is not None
    )
