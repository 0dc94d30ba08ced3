"""How scored pairs are distributed: followed through whatever moves them, it is what they show."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from db.queries import query

_FILE = "gold/metrics.sql"
_COLUMNS = (
    "profile_id_l, profile_id_r, rule_id, model_id, match_weight, match_probability, decision"
)
#: Few values, so that pairs share the edges of bands and go from them.
_PROBABILITIES = st.sampled_from([0.0, 0.05, 0.2, 0.3, 0.96, 0.97, 1.0])

#: Of pairs that are told apart by a number: scored, gone, scored otherwise, all scored anew.
moves = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sets(st.integers(1, 6), min_size=1), _PROBABILITIES),
        st.tuples(st.just("drop"), st.sets(st.integers(1, 6), min_size=1), st.none()),
        st.tuples(st.just("alter"), st.sets(st.integers(1, 6), min_size=1), _PROBABILITIES),
        st.tuples(st.just("clear"), st.just(set()), st.none()),
        st.tuples(st.just("measure"), st.just(set()), st.none()),
    ),
    max_size=12,
)


def put(conn: Connection, pairs: set[int], probability: float | None) -> None:
    drop(conn, pairs)
    conn.execute(
        text(
            f"INSERT INTO staging.identity_match_candidates ({_COLUMNS}, levels, contributions) "
            "SELECT n, 100 + n, 1, 1, 10 * :p, :p, "
            "CASE WHEN :p < 0.5 THEN 'REJECT' ELSE 'AUTO_MERGE' END, '{}', '{}' "
            "FROM unnest(CAST(:pairs AS bigint[])) AS n"
        ),
        {"pairs": list(pairs), "p": probability},
    )


def drop(conn: Connection, pairs: set[int], _: float | None = None) -> None:
    conn.execute(
        text("DELETE FROM staging.identity_match_candidates WHERE profile_id_l = ANY (:pairs)"),
        {"pairs": list(pairs)},
    )


def alter(conn: Connection, pairs: set[int], probability: float | None) -> None:
    conn.execute(
        text(
            "UPDATE staging.identity_match_candidates SET match_probability = :p "
            "WHERE profile_id_l = ANY (:pairs)"
        ),
        {"pairs": list(pairs), "p": probability},
    )


def clear(conn: Connection, *_: Any) -> None:
    conn.execute(text("TRUNCATE staging.identity_match_candidates"))


def measure(conn: Connection, *_: Any) -> bool:
    """Whether the figures of a run could be had without a look at the pairs."""
    followed: bool = conn.execute(query(_FILE, "put_counts_together")).scalar_one()
    if not followed:
        conn.execute(query(_FILE, "count_pairs"))
    conn.execute(query(_FILE, "measure_matches"), {"run_id": 1, "as_of": "2026-01-01"})
    return followed


def figures(conn: Connection) -> list[Any]:
    return [
        pytest.approx(tuple(row), rel=1e-6)
        for row in conn.execute(
            text(
                "SELECT ascii(decision), CAST(substr(band, 1, 4) AS real), pair_n, "
                "mean_probability, min_probability, max_probability, mean_weight "
                "FROM gold.match_confidence_metrics WHERE run_id = 1 ORDER BY decision, band"
            )
        )
    ]


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(story=moves)
def test_counts_that_follow_are_those_counted(conn: Connection, story: list[Any]) -> None:
    with conn.begin_nested() as everything:
        put(conn, {1, 2}, 0.2)
        measure(conn)
        for name, pairs, probability in story:
            {"put": put, "drop": drop, "alter": alter, "clear": clear, "measure": measure}[name](
                conn, pairs, probability
            )
            if name == "measure":
                conn.execute(text("DELETE FROM gold.match_confidence_metrics"))
        conn.execute(text("DELETE FROM gold.match_confidence_metrics"))
        measure(conn)
        followed = figures(conn)
        conn.execute(text("DELETE FROM gold.match_confidence_metrics"))
        conn.execute(query(_FILE, "count_pairs"))
        conn.execute(query(_FILE, "measure_matches"), {"run_id": 1, "as_of": "2026-01-01"})
        assert [found.expected for found in followed] == figures(conn)
        everything.rollback()


def test_a_night_need_not_look_at_the_pairs(conn: Connection) -> None:
    put(conn, {1, 2, 3}, 0.2)
    put(conn, {4}, 0.3)
    assert not measure(conn)  # the first time
    put(conn, {5}, 0.25)
    drop(conn, {5})
    assert measure(conn)
    drop(conn, {4})  # the only highest of its band
    assert not measure(conn)
    drop(conn, {1})  # one of the lowest: others are left
    assert measure(conn)
    put(conn, {4}, 0.995)
    put(conn, {5, 6}, 1.0)
    drop(conn, {5})  # many pairs are that sure
    assert measure(conn)
