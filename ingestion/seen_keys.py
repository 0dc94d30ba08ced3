"""Which keys were seen before, by the millions: eight bytes each, in sorted runs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]


class SeenKeys:
    """The hashes of the keys of a delivery.

    Two different keys share 64 bits once in 37 million deliveries of a million keys; the later line
    of the two would then wait in quarantine.
    """

    def __init__(self) -> None:
        # Runs shrink to the right by at least half, so there are few: the merging of an LSM tree.
        self._runs: list[Hashes] = []

    def are_new(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Which of ``hashes`` are met for the first time; of equal ones only the first is."""
        distinct, first = np.unique(hashes, return_index=True)
        for run in self._runs:
            at = np.searchsorted(run, distinct)
            known = run[np.minimum(at, len(run) - 1)] == distinct
            distinct, first = distinct[~known], first[~known]
        new = np.zeros(len(hashes), dtype=np.bool_)
        new[first] = True
        if len(distinct):
            self._runs.append(distinct)
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            self._runs[-2:] = [np.sort(np.concatenate(self._runs[-2:]), kind="stable")]
        return new
