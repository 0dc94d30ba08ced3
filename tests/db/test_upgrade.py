"""A warehouse of the first release, with stewards' words in it, is upgraded without loss."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, make_url, text

from db import bulk, migrations
from db import engine as db_engine
from mdm import check

CONTENT = Path(__file__).parent / "fixtures" / "first_release.sql"
LAST_OF_FIRST_RELEASE = "060_plans.sql"
STEWARDS = ("identity.steward_link_decisions", "gold.customer_steward_overrides")
#: What nobody can make again: ids, stewards' words, history, events, and what came in.
FOR_GOOD = (
    "raw.lake_objects",
    "raw.crm_customers",
    "raw.shop_orders",
    "raw.rejected_lines",
    "identity.customers",
    "identity.customer_identity_map",
    "identity.identity_events",
    "identity.retired_records",
    *STEWARDS,
    "gold.dim_customers",
    "gold.dim_customers_history",
    "gold.customer_change_events",
    "ops.runs",
)


@pytest.fixture
def released(server_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A database as the first release left it."""
    name = f"released_{uuid.uuid4().hex[:16]}"
    admin = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as conn:
        conn.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
    url = make_url(server_url).set(database=name).render_as_string(hide_password=False)
    engine = db_engine.connect(url)
    first = [found for found in migrations.migrations() if found.name <= LAST_OF_FIRST_RELEASE]
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "migrations", lambda: first)
        migrations.apply(engine)
    with engine.begin() as conn, bulk.cursor(conn) as cur:
        # the words of stewards were checked, and dated, when they were written
        for table in STEWARDS:
            cur.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cur.execute(CONTENT.read_text(encoding="utf-8"))
        for table in STEWARDS:
            cur.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    yield engine
    engine.dispose()
    with admin.connect() as conn:
        conn.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


def content(conn: Connection, table: str) -> list[dict[str, Any]]:
    """The rows of a table, in an order that does not depend on its columns' order."""
    found = conn.execute(text(f"SELECT to_jsonb(t) FROM {table} AS t ORDER BY to_jsonb(t)::text"))
    return list(found.scalars())


def test_an_upgrade_loses_nothing(released: Engine) -> None:
    with released.connect() as conn:
        before = {table: content(conn, table) for table in FOR_GOOD}
    assert all(before.values()), "a table without rows shows nothing"
    applied = migrations.apply(released)
    later = [m.name for m in migrations.migrations() if m.name > LAST_OF_FIRST_RELEASE]
    assert applied == later
    with released.connect() as conn:
        for table, rows in before.items():
            kept = [
                {key: row[key] for key in rows[0]}  # columns may have come, none may have gone
                for row in content(conn, table)
            ]
            assert sorted(map(str, kept)) == sorted(map(str, rows)), table
        assert [found.name for found in check.run(conn) if not found.holds] == []
    assert migrations.apply(released) == []


def test_an_upgraded_history_answers_by_two_clocks(released: Engine) -> None:
    migrations.apply(released)
    with released.connect() as conn:
        differences = conn.execute(
            text(
                """
                SELECT h.valid_from
                FROM (SELECT DISTINCT valid_from FROM gold.dim_customers_history) AS h
                WHERE EXISTS (
                    (SELECT history_id FROM gold.customers_as_of(h.valid_from)
                     EXCEPT SELECT history_id FROM gold.customers_as_of('infinity', h.valid_from))
                    UNION ALL
                    (SELECT history_id FROM gold.customers_as_of('infinity', h.valid_from)
                     EXCEPT SELECT history_id FROM gold.customers_as_of(h.valid_from)))
                """
            )
        ).all()
    assert differences == []


def test_decisions_still_stand_and_can_be_added_to(released: Engine) -> None:
    migrations.apply(released)
    with released.begin() as conn:
        conn.execute(
            text(
                "INSERT INTO gold.customer_steward_overrides "
                "(global_customer_id, attribute, value, steward, reason) "
                "SELECT global_customer_id, 'city', 'Hull', 'ada', 'moved' "
                "FROM gold.dim_customers ORDER BY 1 LIMIT 1"
            )
        )
        numbers = conn.execute(
            text("SELECT override_id FROM gold.customer_steward_overrides ORDER BY 1")
        )
        assert list(numbers.scalars()) == [1, 2, 3]
