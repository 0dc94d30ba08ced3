"""What a run leaves in order for the next: indexes that only nights need, and vacuumed tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from mdm import check, tidying
from mdm.tidying import tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

INDEXES = ("identity_match_candidates_blocked_l", "identity_match_candidates_pair")


def without_indexes(conn: Connection) -> None:
    for index in INDEXES:
        conn.execute(text(f"DROP INDEX staging.{index}"))
    conn.commit()


def indexes(conn: Connection) -> Sequence[str]:
    found = text("SELECT indexname FROM pg_indexes WHERE indexname = ANY (:names) ORDER BY 1")
    return conn.execute(found, {"names": list(INDEXES)}).scalars().all()


def test_indexes_that_are_missing_are_made_beside_what_publishes(
    conn: Connection, engine: Engine
) -> None:
    without_indexes(conn)
    with check.meanwhile(engine) as earlier:
        earlier()
    assert indexes(conn) == list(INDEXES)
    conn.commit()
    with check.meanwhile(engine) as earlier:  # they stay
        earlier()
    assert indexes(conn) == list(INDEXES)


def test_a_pair_that_is_there_twice_stops_the_run(conn: Connection, engine: Engine) -> None:
    without_indexes(conn)
    conn.execute(
        text(
            "INSERT INTO ops.match_models (version, kind, code_version, parameters, is_current) "
            "VALUES ('1', 'probabilistic', '', '{}', true); "
            "INSERT INTO staging.identity_match_candidates (profile_id_l, profile_id_r, rule_id, "
            "model_id, match_weight, match_probability, decision, is_vetoed) "
            "SELECT 1, 2, 1, model_id, 0, .5, 'REJECT', false "
            "FROM ops.match_models CROSS JOIN generate_series(1, 2)"
        )
    )
    conn.commit()
    with (
        check.meanwhile(engine) as earlier,
        pytest.raises(IntegrityError, match="identity_match_candidates_pair"),
    ):
        earlier()


def test_what_a_first_load_has_filled_is_vacuumed_once(conn: Connection, engine: Engine) -> None:
    """So that the first night need not mark every row it reads as committed."""
    conn.execute(
        text(
            # flushed at once, or a vacuum does not yet take it for committed
            "SET LOCAL synchronous_commit = on; "
            "INSERT INTO identity.customers (global_customer_id, created_at, created_run_id) "
            "SELECT gen_random_uuid(), now(), 1 FROM generate_series(1, 150000)"
        )
    )
    conn.commit()
    assert pages_for_all(conn) == 0
    tidy(engine)
    vacuumed = pages_for_all(conn)
    assert vacuumed > 1000
    conn.execute(text("DELETE FROM identity.customers"))
    conn.commit()
    tidy(engine)
    assert pages_for_all(conn) == vacuumed  # that is autovacuum's work


def pages_for_all(conn: Connection) -> int:
    of = "SELECT relallvisible FROM pg_class WHERE oid = CAST('identity.customers' AS regclass)"
    return int(conn.execute(text(of)).scalar_one())


def test_who_could_not_vacuum_says_so_as_the_database_does(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run goes on behind that error and no other: what it published stays published."""
    monkeypatch.setattr(
        tidying, "query", lambda *_: text("SELECT 'VACUUM nowhere.at_all' WHERE true")
    )
    with pytest.raises(DBAPIError, match="nowhere"):
        tidy(engine)
