"""What was produced before, in `MDM_HOME/demo.json`: the date of day 1 and the objects of each day.

The date of day 1 is chosen once, at the first production, and remembered: a month before (or as
many days as are asked for), so that a month of days can be produced in a row, each after the one
before and none in the future. As object names and contents follow from it, a second production of a
day changes nothing, on the next calendar day neither.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import orjson

from mdm.errors import BadInput, UsageError

DAYS_AT_HAND = 30


@dataclass
class Ledger:
    """The content of `demo.json`."""

    path: Path
    first_day: date
    objects: dict[str, list[str]] = field(default_factory=dict)
    """"population/source/day" -> keys."""

    @classmethod
    def open(cls, home: Path, *, now: datetime, day: int) -> Ledger:
        """The ledger of `home`, or a new one whose day 1 leaves room for `day` days before `now`.

        Raises UsageError when day `day` has not passed yet, BadInput when the file is not a ledger.
        """
        path = home / "demo.json"
        today = now.astimezone(UTC).date()
        try:
            stored = orjson.loads(path.read_bytes())
            ledger = cls(path, date.fromisoformat(stored["first_day"]), stored["objects"])
        except FileNotFoundError:
            ledger = cls(path, today - timedelta(days=max(DAYS_AT_HAND, day)))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise BadInput(
                str(path),
                problem="is not a record of produced demo days",
                hint="Move it away; the days are then produced again, with a new first date.",
            ) from error
        latest = (today - ledger.first_day).days
        if day > latest:
            raise UsageError(
                f"--day {day} is {ledger.first_day + timedelta(days=day - 1)} in this home and has "
                f"not passed yet: day 1 was {ledger.first_day}, the latest is --day {latest}"
            )
        return ledger

    def keys(self, tag: str, source: str, day: int) -> list[str] | None:
        """The objects of that day; None when it was not produced."""
        return self.objects.get(f"{tag}/{source}/{day}")

    def last_day(self, tag: str, source: str) -> int:
        """The newest day produced, 0 before any."""
        days = [
            int(name.rsplit("/", 1)[1])
            for name in self.objects
            if name.startswith(f"{tag}/{source}/")
        ]
        return max(days, default=0)

    def note(self, tag: str, source: str, day: int, keys: list[str]) -> None:
        """Remember a produced day, at once and for good."""
        self.objects[f"{tag}/{source}/{day}"] = keys
        write_atomically(
            self.path,
            orjson.dumps(
                {"first_day": self.first_day.isoformat(), "objects": self.objects},
                option=orjson.OPT_INDENT_2,
            ),
        )


def write_atomically(path: Path, data: bytes) -> None:
    """Write through a neighbour file: a reader sees the old content or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    os.replace(partial, path)
