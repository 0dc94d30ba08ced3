"""Progress bars on stderr for people; silence for cron, pipes and tests."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from tqdm import tqdm

from mdm.phases import Bar


class _Silent:
    def update(self, n: int = 1, /) -> None:
        """Nothing to show."""


@contextlib.contextmanager
def silent(description: str, total: int | None, unit: str = "rows") -> Iterator[Bar]:
    """A bar that shows nothing."""
    yield _Silent()


@contextlib.contextmanager
def bars(description: str, total: int | None, unit: str = "rows") -> Iterator[Bar]:
    """A tqdm bar on stderr, gone when done; shown only to a terminal and only after a second."""
    with tqdm(
        desc=f"  {description}",
        total=total,
        unit=f" {unit}",
        unit_scale=True,
        leave=False,
        delay=1.0,
        disable=not sys.stderr.isatty(),
        file=sys.stderr,
    ) as bar:
        yield bar
