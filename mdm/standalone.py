"""Running one phase as a script: ``python -m staging.run_staging``."""

from __future__ import annotations

import sys


def main(phase: str, *, last: str | None = None) -> None:
    """Run ``phase`` (up to ``last``) under the lock and on record; takes what ``mdm run`` takes."""
    from mdm.cli import run_phase

    run_phase(phase, sys.argv[1:], last=last)
