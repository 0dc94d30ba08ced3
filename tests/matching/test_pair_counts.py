"""How scored pairs are distributed: followed through whatever moves them, it is what they show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from matching import pair_counts
from matching.pair_counts import Counts

#: Few values, so that pairs share the edges of bands and go from them.
PROBABILITIES = (0.0, 0.05, 0.2, 0.3, 0.96, 0.97, 1.0)
pairs = st.lists(
    st.tuples(st.sampled_from(PROBABILITIES), st.sampled_from([-1, 0, 1, 2])), max_size=12
)


def counts_of(some: list[tuple[float, int]]) -> Counts:
    probability = np.array([p for p, _ in some], dtype=np.float32)
    return Counts.of(np.array([d for _, d in some], dtype=np.int8), probability, 10 * probability)


def cells(counts: Counts) -> list[Any]:
    """All that is said of the cells that have pairs."""
    return [
        pytest.approx([getattr(counts, name)[cell] for name in Counts.__dataclass_fields__])
        for cell in counts.pair_n.nonzero()[0]
    ]


@settings(deadline=None, derandomize=True)
@given(pairs, pairs)
def test_pairs_that_come_add_to_the_counts(old: list[Any], new: list[Any]) -> None:
    together = counts_of(old).plus(counts_of(new))
    assert cells(together) == [found.expected for found in cells(counts_of(old + new))]


@settings(deadline=None, derandomize=True)
@given(pairs, pairs)
def test_what_is_left_is_counted_or_its_edge_is_unknown(stay: list[Any], went: list[Any]) -> None:
    left = counts_of(stay + went).minus(counts_of(went))
    expected = counts_of(stay)
    assert left.pair_n.tolist() == expected.pair_n.tolist()
    assert left.weight_sum == pytest.approx(expected.weight_sum)
    for edge in ("lowest", "highest"):
        known = (getattr(left, f"{edge}_n") > 0) & (left.pair_n > 0)
        for name in (edge, f"{edge}_n"):
            assert getattr(left, name)[known] == pytest.approx(getattr(expected, name)[known])


def put(conn: Connection, some: dict[int, float]) -> None:
    conn.execute(
        text(
            "INSERT INTO staging.identity_match_candidates (profile_id_l, profile_id_r, rule_id,"
            " model_id, match_weight, match_probability, decision)"
            " VALUES (:pair, 100 + :pair, 1, 1, 10 * :p, :p, 'REJECT')"
        ),
        [{"pair": pair, "p": p} for pair, p in some.items()],
    )


def test_an_edge_that_went_is_sought_among_the_pairs(conn: Connection) -> None:
    put(conn, {1: 0.2, 2: 0.3, 3: 0.3, 4: 0.4})
    stored = counts_of([(0.2, 0), (0.3, 0), (0.3, 0), (0.4, 0)])
    pair_counts.write(conn, stored)
    assert cells(pair_counts.read(conn)) == [found.expected for found in cells(stored)]
    conn.execute(text("DELETE FROM staging.identity_match_candidates WHERE profile_id_l IN (1, 4)"))
    pair_counts.write(conn, stored.minus(counts_of([(0.2, 0), (0.4, 0)])))
    left = pair_counts.read(conn)
    assert cells(left) == [found.expected for found in cells(counts_of([(0.3, 0), (0.3, 0)]))]
    conn.execute(text("TRUNCATE staging.identity_match_candidates"))
    pair_counts.write(conn, left.minus(left))
    assert pair_counts.read(conn).pair_n.sum() == 0


@pytest.mark.parametrize("probability", [0.0, 0.0999, 0.1, 0.5, 0.8, 0.9, 0.95, 0.99, 1.0])
def test_bands_are_those_of_the_database(conn: Connection, probability: float) -> None:
    pair_counts.write(conn, counts_of([(probability, 0)]))
    band = (
        "SELECT band = staging.probability_band(CAST(:p AS real)) FROM staging.scored_pair_counts"
    )
    assert conn.execute(text(band), {"p": probability}).scalar_one()
