"""Work that is done in order by another thread, while this one prepares what comes next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

_WAITING = 2


class Background:
    """Runs what it is given, one after the other, in a thread of its own.

    At most two pieces of work wait; who brings another waits too, so memory stays bounded. After a
    fault nothing else is run: each later piece meets the same fault, which surfaces in
    ``submit`` or at the end of the context, whichever comes first.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._pending: deque[Future[None]] = deque()
        self._fault: BaseException | None = None

    def submit(self, work: Callable[[], None]) -> None:
        """Have ``work`` done behind all that was submitted before. Raises an earlier fault."""
        while len(self._pending) >= _WAITING:
            self._pending.popleft().result()
        self._pending.append(self._thread.submit(self._run, work))

    def _run(self, work: Callable[[], None]) -> None:
        if self._fault is not None:
            raise self._fault
        try:
            work()
        except BaseException as fault:
            self._fault = fault
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.shutdown(wait=True)
        if error is None and self._fault is not None:
            raise self._fault
