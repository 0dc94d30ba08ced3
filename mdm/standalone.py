"""Running one phase as a script: ``python -m staging.run_staging``."""

from __future__ import annotations

import sys


def main(phase: str) -> None:
    """Run ``phase`` alone, under the lock and on record, with the options of ``mdm run``."""
    from mdm.cli import run_phase

    run_phase(phase, sys.argv[1:])
