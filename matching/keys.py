"""Blocking keys as arrays ordered by key, in which a night looks up what it needs.

A profile has a handful of keys, so a million profiles have eight million. Sorted arrays are
searched by bisection; of long ones only the stretches are read in which something is sought.

A key of a rule is the upper half of a number and a profile id the lower half of one, so an entry
can be one number: half to send, to sort and to store. Of a million keys two have one half by
chance in some hundred cases, which gives as many pairs that scoring finds nothing in. (Ids are from
a sequence: none is beyond 32 bits before four billion profiles.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from db.arrays import are_in

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
"""Whether each profile, by its id, is meant."""

_IDS: Final = (1 << 32) - 1
"""The digits of an entry that are the profile id."""


@dataclass(frozen=True)
class Keys:
    """Keys of one rule with the profiles that have them, one entry each, ordered by key."""

    keys: Ints
    profile_ids: Ints

    @classmethod
    def of(cls, keys: Ints, profile_ids: Ints) -> Keys:
        """The entries, put in order."""
        order = np.argsort(keys)
        return cls(keys[order], profile_ids[order])

    @classmethod
    def of_entries(cls, entries: Ints) -> Keys:
        """The entries, of one number each; puts the numbers in order."""
        entries.sort()
        return cls(entries & ~_IDS, entries & _IDS)

    @classmethod
    def of_wire(cls, entries: memoryview) -> Keys:
        """The entries, of one number each as PostgreSQL sends it, put in order."""
        return cls.of_entries(np.frombuffer(entries, dtype=">i8").astype(np.int64))

    @classmethod
    def found(cls, entries: Ints, wanted: Ints) -> Keys:
        """Those entries, of one number each, that are under the keys ``wanted`` (in order)."""
        if not wanted.size:
            return NONE
        at = np.maximum(np.searchsorted(wanted, entries, side="right") - 1, 0)
        return cls.of_entries(entries[wanted[at] == entries & ~_IDS])

    def entries(self) -> Ints:
        """Each entry as one number; for keys that are the upper half of one."""
        return self.keys | self.profile_ids

    def distinct(self) -> Ints:
        """Each key once, in order."""
        first = np.ones(len(self), dtype=bool)
        first[1:] = self.keys[1:] != self.keys[:-1]
        return self.keys[first]

    @classmethod
    def joined(cls, several: Sequence[Keys]) -> Keys:
        """All entries of several together."""
        if len(several) == 1:
            return several[0]
        every = cls.appended(several)
        # Each is in order already: a merge sort only brings them together.
        order = np.argsort(every.keys, kind="stable")
        return every.where(order)

    @classmethod
    def appended(cls, several: Sequence[Keys]) -> Keys:
        """Stretches of one array, in their order, as one."""
        if len(several) == 1:
            return several[0]
        none = [np.empty(0, dtype=np.int64)]
        return cls(
            np.concatenate([one.keys for one in several] or none),
            np.concatenate([one.profile_ids for one in several] or none),
        )

    def __len__(self) -> int:
        return len(self.keys)

    def whole(self) -> Keys:
        """These entries: what :class:`Sought` has to read."""
        return self

    def under(self, wanted: Ints) -> tuple[Ints, Ints]:
        """Position in ``wanted`` (in order), and profile, of each entry under these keys."""
        first = np.searchsorted(self.keys, wanted)
        sizes = np.searchsorted(self.keys, wanted, side="right") - first
        owner = np.repeat(np.arange(len(wanted)), sizes)
        start = np.repeat(first - (np.cumsum(sizes) - sizes), sizes)
        return owner, self.profile_ids[start + np.arange(len(owner))]

    def where(self, chosen: NDArray[np.bool_] | Ints | slice) -> Keys:
        """The chosen entries (boolean mask, ascending positions or a stretch)."""
        return Keys(self.keys[chosen], self.profile_ids[chosen])

    def of_profiles(self, meant: Mask) -> Keys:
        """The entries of the profiles that are meant."""
        return self.where(np.flatnonzero(meant[self.profile_ids]))

    def without(self, others: Keys) -> Keys:
        """These entries but for those that ``others`` has too, however often."""
        at = np.flatnonzero(are_in(self.keys, others.keys))
        gone = set(zip(others.keys.tolist(), others.profile_ids.tolist(), strict=True))
        mine = zip(self.keys[at].tolist(), self.profile_ids[at].tolist(), strict=True)
        keep = np.ones(len(self), dtype=bool)
        keep[at] = [entry not in gone for entry in mine]
        return self.where(keep)


NONE = Keys(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))


class Sought:
    """Entries that stay where they are stored, but for those under keys that were asked for."""

    def __init__(self, find: Callable[[Ints], Ints], whole: Callable[[], Keys]) -> None:
        """``find`` gives the entries under keys (in order) among others, ``whole`` gives all."""
        self._find, self._whole = find, whole
        self._asked, self._found = NONE.keys, NONE
        self._coming: Future[Ints] | None = None

    def look_ahead(self, wanted: Ints, database: Executor) -> None:
        """Has entries found meanwhile that will be asked for first; ``wanted`` as :meth:`under`."""
        self._asked, self._coming = wanted, database.submit(self._find, wanted)

    def under(self, wanted: Ints) -> tuple[Ints, Ints]:
        """As :meth:`Keys.under`."""
        if self._coming is not None:
            # What was found is looked through here, while the database finds for the next rule.
            self._found, self._coming = Keys.found(self._coming.result(), self._asked), None
        new = wanted[~are_in(wanted, self._asked)]
        if new.size:
            self._found = Keys.joined([self._found, Keys.found(self._find(new), new)])
            self._asked = np.sort(np.concatenate([self._asked, new]))
        return self._found.under(wanted)

    def whole(self) -> Keys:
        """All entries."""
        return self._whole()
