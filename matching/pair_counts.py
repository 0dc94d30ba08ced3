"""How scored pairs are distributed, by decision and band of probability, as matching moves them.

Counted once when all pairs are scored; a night adds what came and takes off what went. Only the
lowest and the highest probability of a band cannot always be had so: when the last pair that has it
goes, the next is sought.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from db.queries import query
from matching.engine import DECISIONS

_SQL = "matching/pair_counts.sql"
_BANDS: Final = np.array([0.0, 0.1, 0.5, 0.8, 0.9, 0.95, 0.99], dtype=np.float32)
"""Where each band begins: those of ``staging.probability_band``, which numbers them from 1."""
_CELLS: Final = len(DECISIONS) * len(_BANDS)


@dataclass(frozen=True)
class Counts:
    """Per decision and band, in this order: how many pairs there are, their sums, and the edges."""

    pair_n: NDArray[np.int64]
    probability_sum: NDArray[np.float64]
    weight_sum: NDArray[np.float64]
    lowest: NDArray[np.float32]
    lowest_n: NDArray[np.int64]
    highest: NDArray[np.float32]
    highest_n: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        decision: NDArray[np.int8],
        probability: NDArray[np.float32],
        weight: NDArray[np.float32],
    ) -> Counts:
        """The counts of some pairs; ``decision`` indexes DECISIONS, below 0 it is a rejection."""
        band = np.searchsorted(_BANDS, probability, side="right") - 1
        cell = np.maximum(decision, 0) * len(_BANDS) + band
        lowest = np.full(_CELLS, np.inf, dtype=np.float32)
        highest = np.full(_CELLS, -np.inf, dtype=np.float32)
        np.minimum.at(lowest, cell, probability)
        np.maximum.at(highest, cell, probability)
        return cls(
            np.bincount(cell, minlength=_CELLS),
            # (of nothing, bincount gives integers)
            np.bincount(cell, weights=probability, minlength=_CELLS).astype(np.float64),
            np.bincount(cell, weights=weight, minlength=_CELLS).astype(np.float64),
            lowest,
            np.bincount(cell[probability == lowest[cell]], minlength=_CELLS),
            highest,
            np.bincount(cell[probability == highest[cell]], minlength=_CELLS),
        )

    @classmethod
    def none(cls) -> Counts:
        """The counts of no pairs."""
        nothing = np.empty(0, dtype=np.float32)
        return cls.of(np.empty(0, dtype=np.int8), nothing, nothing)

    def plus(self, more: Counts) -> Counts:
        """The counts of these pairs and others together."""
        lowest, highest = (
            np.minimum(self.lowest, more.lowest),
            np.maximum(self.highest, more.highest),
        )
        return Counts(
            self.pair_n + more.pair_n,
            self.probability_sum + more.probability_sum,
            self.weight_sum + more.weight_sum,
            lowest,
            self.lowest_n * (self.lowest == lowest) + more.lowest_n * (more.lowest == lowest),
            highest,
            self.highest_n * (self.highest == highest) + more.highest_n * (more.highest == highest),
        )

    def minus(self, some: Counts) -> Counts:
        """The counts without some of these pairs; a ``lowest_n`` or ``highest_n`` of 0 where pairs
        are left says that the edge is not known any more."""
        return Counts(
            self.pair_n - some.pair_n,
            self.probability_sum - some.probability_sum,
            self.weight_sum - some.weight_sum,
            self.lowest,
            self.lowest_n - some.lowest_n * (some.lowest == self.lowest),
            self.highest,
            self.highest_n - some.highest_n * (some.highest == self.highest),
        )


def read(conn: Connection) -> Counts:
    """The counts as they were left."""
    counts = Counts.none()
    for row in conn.execute(query(_SQL, "select_counts")):
        cell = DECISIONS.index(row.decision) * len(_BANDS) + row.band - 1
        for name in Counts.__dataclass_fields__:
            getattr(counts, name)[cell] = getattr(row, name)
    return counts


def write(conn: Connection, counts: Counts) -> None:
    """Leaves the counts of the pairs that are stored; edges that are not known are sought there."""
    rows = []
    for cell in counts.pair_n.nonzero()[0].tolist():
        row = {name: getattr(counts, name)[cell].item() for name in Counts.__dataclass_fields__}
        place = {
            "decision": DECISIONS[cell // len(_BANDS)],
            "band": cell % len(_BANDS) + 1,
        }
        if not (row["lowest_n"] and row["highest_n"]):
            row |= conn.execute(query(_SQL, "select_edges"), place).one()._mapping
        rows.append(place | row)
    conn.execute(query(_SQL, "forget_counts"))
    if rows:
        conn.execute(query(_SQL, "insert_count"), rows)
