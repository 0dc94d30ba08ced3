"""Random numbers without a state: the same keys give the same number, whatever was drawn before.

A record's spelling must not depend on the batch or the day it is written in: a correction has to
know what was wrong in the record it corrects, and day 9 must be producible without days 1 to 8. So
choices about one record are hashes of (population, purpose, person, system, ...) rather than draws
from a generator. The mixing function is the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA
2014).
"""

from __future__ import annotations

import hashlib
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Units = NDArray[np.float64]


def seed_key(*parts: object) -> int:
    """A 64-bit key for these parts, the same on every machine and in every process."""
    text = "\x1f".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2s(text, digest_size=8).digest(), "big")


def mix(key: int, purpose: str, *ids: NDArray[np.integer] | int) -> Keys:
    """One 64-bit hash per row of `ids` (broadcast); another `purpose` gives an unrelated one."""
    state = np.asarray(_scramble(np.uint64(key ^ (crc32(purpose.encode()) << 17))))
    for part in ids:
        state = _scramble(state ^ np.asarray(part).astype(np.uint64))
    return np.atleast_1d(state)


def unit(hashes: Keys) -> Units:
    """Uniform numbers in [0, 1), from the upper 53 bits."""
    return (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53


def draw(key: int, purpose: str, *ids: NDArray[np.integer] | int) -> Units:
    """`unit(mix(...))`: one uniform number per row of `ids`."""
    return unit(mix(key, purpose, *ids))


def _scramble(value: Keys | np.uint64) -> Keys:
    with np.errstate(over="ignore"):
        z = np.asarray(value, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
