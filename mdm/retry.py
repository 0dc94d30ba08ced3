"""What may pass is tried again: lost connections, deadlocks, a lake that goes away for a moment.

Retried is what owns its transaction and can be repeated: a phase before publishing, or the
publishing transaction as a whole. What is wrong with the work itself fails at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential_jitter,
)

from db.engine import is_transient
from mdm.lake import StreamBroken

#: Six attempts with 0.25, 0.5, 1, 2 and 4 seconds between them: a server's restart fits in.
ATTEMPTS: Final = 6
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 8.0


def may_pass(error: BaseException) -> bool:
    """Whether a phase that ended in ``error`` may succeed when it is repeated."""
    return isinstance(error, StreamBroken) or is_transient(error) or is_transient(error.__cause__)


def retrying(on_retry: Callable[[BaseException], None]) -> Retrying:
    """Repeats what may pass, with exponential back-off and jitter; ``on_retry`` hears each time.

    The error of the last attempt is raised as it is.
    """

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        if error is not None:
            on_retry(error)

    return Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential_jitter(
            multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE, jitter=_FIRST_PAUSE
        ),
        retry=retry_if_exception(may_pass),
        before_sleep=tell,
        reraise=True,
    )
