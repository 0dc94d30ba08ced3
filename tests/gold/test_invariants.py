"""A check that cannot fail is worse than none: each invariant of gold is broken once."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from mdm import check

from .conftest import World

BREAKS = [
    ("nobody_is_lost", "UPDATE gold.dim_customers SET record_count = record_count + 1"),
    ("nobody_is_lost", "DELETE FROM gold.dim_customers"),
    ("one_open_version", "UPDATE gold.dim_customers SET canonical_city = 'Hull'"),
    (
        "one_open_version",
        "UPDATE gold.dim_customers_history SET valid_to = now() WHERE valid_to IS NULL",
    ),
    ("history_has_no_gaps", "UPDATE gold.dim_customers_history SET version = version + 1"),
    ("events_replay", "DELETE FROM gold.customer_change_events WHERE event_type = 'UPDATE'"),
    ("events_replay", "UPDATE gold.dim_customers SET updated_at = now()"),
    (
        "events_replay",
        "UPDATE gold.customer_change_events SET new_values = new_values - 'canonical_city'",
    ),
    ("every_value_has_a_reason", "DELETE FROM gold.customer_lineage"),
    ("every_value_has_a_reason", "UPDATE gold.customer_lineage SET record_ids[10] = NULL"),
    ("winners_are_members", "UPDATE gold.customer_lineage SET record_ids[1] = 999"),
    ("no_lineage_without_customer", "DELETE FROM gold.dim_customers"),
    ("the_steward_wins", "UPDATE gold.customer_lineage SET overrides = NULL"),
    ("the_steward_wins", "UPDATE gold.dim_customers SET canonical_email = 'x@x.com'"),
]


@pytest.mark.parametrize("asked", ["of all", "of the run", "since the last check"])
@pytest.mark.parametrize(("invariant", "statement"), BREAKS)
def test_an_invariant_sees_what_breaks_it(
    world: World, invariant: str, statement: str, asked: str
) -> None:
    world.put("sales:1", "ann", full_name="Ann Lee", email="a@a.com", street="1 High", city="York")
    world.run()
    world.put("sales:1", full_name="Ann Ray", email="a@a.com", street="1 High", city="York")
    world.override("ann", "email", "b@b.com")
    world.run()
    run_id = newest_run(world)
    scope = {
        "of all": None,
        "of the run": check.Scope(run_id),
        "since the last check": check.Scope(run_id, since_run_id=run_id - 1),
    }[asked]
    assert invariant not in broken(world, scope)
    world.conn.execute(text(statement))
    assert invariant in broken(world, scope)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM gold.customer_change_events",
        "UPDATE gold.customer_change_events SET event_type = 'DELETE', "
        "old_values = new_values, new_values = NULL",
        "UPDATE gold.customer_change_events SET new_values = new_values - 'canonical_city'",
        "UPDATE gold.dim_customers SET canonical_date_of_birth = '1980-01-02'",
        "UPDATE gold.dim_customers SET source_systems = '{sales,web}'",
        "DELETE FROM gold.dim_customers",
    ],
)
def test_a_first_run_sees_an_event_that_does_not_tell_the_customer(
    world: World, statement: str
) -> None:
    world.put("sales:1", "ann", full_name="Ann Lee", date_of_birth="1980-01-01", city="York")
    world.run()
    world.conn.execute(text(statement))
    assert "events_replay" in broken(world, check.Scope(newest_run(world)))


def test_a_run_sees_a_customer_that_stayed_behind_its_end(world: World) -> None:
    world.put("sales:1", "ann", full_name="Ann Lee")
    world.put("sales:2", "bob", full_name="Bob Ray")
    world.run()
    world.delete("sales:2")
    world.run()
    assert "events_replay" not in broken(world, check.Scope(newest_run(world)))
    world.conn.execute(text("UPDATE gold.dim_customers SET global_customer_id = :id"),
                       {"id": world.customer("bob")})  # fmt: skip
    assert "events_replay" in broken(world, check.Scope(newest_run(world)))


def broken(world: World, scope: check.Scope | None) -> set[str]:
    """The names of the invariants that do not hold, of all customers or of those of a run."""
    return {finding.name for finding in check.run(world.conn, scope=scope) if not finding.holds}


def newest_run(world: World) -> int:
    """The run that last published gold."""
    found = text("SELECT run_id FROM gold.layer_state WHERE layer = 'golden'")
    return int(world.conn.execute(found).scalar_one())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE gold.dim_customers_history SET valid_to = valid_from WHERE version = 2",
        "UPDATE gold.dim_customers_history SET valid_to = NULL WHERE version = 1",
        "UPDATE gold.dim_customers_history SET valid_from = valid_from - interval '1 minute' "
        "WHERE version = 2",
        "DELETE FROM gold.dim_customers_history WHERE version = 1",
        "UPDATE gold.dim_customers_history SET previous_valid_to = NULL WHERE version = 2",
    ],
)
def test_the_table_refuses_overlapping_versions(world: World, statement: str) -> None:
    world.put("sales:1", "ann", full_name="Ann Lee")
    world.run()
    world.put("sales:1", full_name="Ann Ray")
    world.run()
    with pytest.raises(IntegrityError):
        world.conn.execute(text(statement))
