"""Where a run that failed stopped, and what the next one does about it."""

from __future__ import annotations

from decimal import Decimal

from mdm.phases import PHASES


def told(finished: Decimal | None) -> str:
    """What stands of a failed run and what the next run does again, in one sentence.

    ``finished`` is the position of the last phase on record, None when there is none. Phases before
    publishing are kept as they end; those that publish are kept together or not at all.
    """
    if finished is None:
        return "stopped before its first phase ended; the next run starts from there"
    later = [phase for phase in PHASES if phase.position > finished]
    last = next(phase for phase in reversed(PHASES) if phase.position <= finished)
    kept = [phase for phase in PHASES if phase.position <= finished and not phase.publishes]
    stopped = f"in phase {later[0].name}" if later else "when it was to be published"
    redone = "identity" if last.publishes else later[0].name
    return (
        f"stopped {stopped}; kept: everything up to {kept[-1].name}; "
        f"the next run goes on with {redone}"
    )
