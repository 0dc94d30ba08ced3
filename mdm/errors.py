"""Every error a user of the pipeline can meet, with what to do next and the exit code it ends in.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 held back for a decision.
Messages name things (a file, a key, a service, an id, a count); they never hold a secret and
never a customer's data. The facts are attributes too, so that callers need not parse the text.
"""

# Names say what happened; an "Error" behind each would add nothing.

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class MdmError(Exception):
    """The pipeline could not do what was asked; base of all errors it raises on purpose."""

    exit_code = 1
    retryable = False


class UsageError(MdmError):
    """The command was called in a way that cannot work."""

    exit_code = 2


class ConfigError(MdmError):
    """A setting is missing or wrong: says where, which key, what was found, what is allowed."""

    exit_code = 2

    def __init__(
        self,
        problem: str,
        *,
        file: Path | str | None = None,
        key: str | None = None,
        found: object = None,
        allowed: Sequence[str] | str | None = None,
    ) -> None:
        self.problem = problem
        self.file = file
        self.key = key
        self.found = found
        self.allowed = allowed
        where = ": ".join(str(part) for part in (file, key) if part is not None)
        message = f"{where}: {problem}" if where else problem
        if found is not None:
            message += f"; found {found!r}"
        if allowed:
            listed = allowed if isinstance(allowed, str) else ", ".join(allowed)
            message += f"; allowed: {listed}"
        super().__init__(message)


class ServiceDown(MdmError):
    """A service does not answer: says which one, where it was looked for, how to start it."""

    retryable = True

    def __init__(self, service: str, *, address: str, hint: str, reason: str = "") -> None:
        self.service = service
        self.address = address
        self.hint = hint
        self.reason = reason
        because = f" ({reason})" if reason else ""
        super().__init__(f"{service} does not answer at {address}{because}. {hint}")


class LockedError(MdmError):
    """Somebody else is doing this already: says what is locked and who holds it."""

    retryable = True

    def __init__(self, what: str, *, holder: str, hint: str = "Wait for it to end.") -> None:
        self.what = what
        self.holder = holder
        super().__init__(f"{what} is locked by {holder}. {hint}")


class BadInput(MdmError):
    """A file or an object cannot be read as what it claims to be; nothing of it was loaded."""

    def __init__(self, source: str, *, problem: str, hint: str = "") -> None:
        self.source = source
        self.problem = problem
        super().__init__(f"{source}: {problem}." + (f" {hint}" if hint else ""))


class PhaseFailed(MdmError):
    """A phase stopped: says which one, of which run, and what state it left behind."""

    def __init__(self, phase: str, *, run_id: object, problem: str, left: str) -> None:
        self.phase = phase
        self.run_id = run_id
        self.problem = problem
        self.left = left
        super().__init__(f"Phase {phase} of run {run_id} failed: {problem}. {left}")


class CheckFailed(MdmError):
    """One or more invariants of the warehouse do not hold."""

    def __init__(self, broken: Sequence[str]) -> None:
        self.broken = tuple(broken)
        super().__init__(
            f"{len(self.broken)} invariant(s) broken: {', '.join(self.broken)}. "
            "`mdm check` shows each; gold was left as it was before the run."
        )


class PublishHeld(MdmError):
    """A run passed a limit of `[publish]`: nothing was published, a person has to decide."""

    exit_code = 3

    def __init__(self, reasons: Sequence[str], *, hint: str) -> None:
        self.reasons = tuple(reasons)
        super().__init__(f"Not published: {'; '.join(self.reasons)}. {hint}")
