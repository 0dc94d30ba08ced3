"""Where a run that failed stopped, what of it stands, and what the next one does about it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from decimal import Decimal

import psycopg2
from sqlalchemy.exc import DBAPIError

from db.engine import is_lost
from mdm.errors import MdmError, PhaseFailed, ServiceDown
from mdm.phases import PHASES, Phase
from mdm.runs import Run


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


def left(phase: Phase) -> str:
    """What a run leaves behind that stops in ``phase``, and how to go on, in two sentences."""
    kept = [p for p in PHASES if p.position < phase.position and not p.publishes]
    undone = (
        "Nothing of this run was published"
        if phase.publishes
        else "What this phase had not finished was rolled back"
    )
    stands = f"; kept: everything up to {kept[-1].name}" if kept else ""
    first = "identity" if phase.publishes else phase.name
    return f"{undone}{stands}. `mdm run` goes on with {first}."


@contextlib.contextmanager
def telling(phase: Phase, run: Run) -> Iterator[None]:
    """Turns what the database driver says into what happened, what is left and what to do.

    Raises ServiceDown for a lost connection and PhaseFailed for everything else it is told.
    """
    try:
        yield
    except MdmError:
        raise
    except (DBAPIError, psycopg2.Error) as error:
        if is_lost(error):
            raise ServiceDown(
                "PostgreSQL",
                address="the address it had",
                hint="Its log says why (`mdm services status` names the file; a full disk, say). "
                f"Start it with `mdm services up`. {left(phase)}",
                reason=f"connection lost in phase {phase.name}",
            ) from error
        raise PhaseFailed(
            phase.name, run_id=run.run_id, problem=_first_line(error), left=left(phase)
        ) from error


def _first_line(error: Exception) -> str:
    told = error.orig if isinstance(error, DBAPIError) else error
    return (str(told).strip().splitlines() or [type(told).__name__])[0].rstrip(".")
