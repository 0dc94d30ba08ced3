"""The forms of an invariant that the end of a run asks: each still finds what it is there for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import ProgrammingError

from db.queries import query
from mdm import check
from mdm.errors import CheckFailed

#: A run before that was found in order, and the run under way: what both have left behind.
WORLD = """
INSERT INTO ops.runs
    (command, state, as_of, finished_at, config_hash, code_version, host, pid, report)
VALUES ('mdm run', 'DONE', '2026-01-01', now(), '', '', '', 1, '{"invariants": [{"name": "x"}]}'),
       ('mdm run', 'RUNNING', '2026-01-02', NULL, '', '', '', 1, NULL);
INSERT INTO staging.records
    (source, source_record_id, object_id, line_no, event_at, change_seq, run_id, is_deleted)
SELECT 'crm', CAST(n AS text), 1, n, '2026-01-01', CASE WHEN n < 4 THEN 1 ELSE 3 END,
       CASE WHEN n < 4 THEN 1 ELSE 2 END, n = 6
FROM generate_series(1, 6) AS n;
INSERT INTO staging.profiles (fingerprint, record_n, change_seq)
SELECT gen_random_uuid(), 1, CASE WHEN n < 4 THEN 2 ELSE 4 END FROM generate_series(1, 5) AS n;
INSERT INTO staging.identity_inputs
    (record_id, source, source_record_id, profile_id, event_at, change_seq)
SELECT record_id, source, source_record_id, record_id, event_at, change_seq
FROM staging.records WHERE NOT is_deleted;
INSERT INTO staging.volatile_marker (layer, change_seq, run_id)
VALUES ('identity_inputs', 3, 2), ('blocking', 3, 2), ('matching', 3, 2);
INSERT INTO identity.customers (global_customer_id, created_at, created_run_id)
SELECT CAST(lpad(CAST(n AS text), 32, '0') AS uuid), '2026-01-01', CASE WHEN n < 4 THEN 1 ELSE 2 END
FROM generate_series(1, 5) AS n;
INSERT INTO identity.customer_identity_map
    (record_id, profile_id, global_customer_id, first_customer_id, linked_at, run_id,
     match_confidence, decision, source, source_record_id)
SELECT i.record_id, i.profile_id, c.global_customer_id, c.global_customer_id, '2026-01-01',
       c.created_run_id, 1, 'SINGLETON', i.source, i.source_record_id
FROM staging.identity_inputs AS i
JOIN identity.customers AS c ON c.customer_seq = i.record_id;
INSERT INTO identity.consumption
    (change_seq, decision_id, layers, signature, rules, merges_flagged, run_id)
VALUES (3, 0, '', '', '', false, 2);
INSERT INTO ops.match_models (version, kind, code_version, parameters, is_current)
VALUES ('1', 'probabilistic', '', '{}', true);
INSERT INTO staging.identity_match_candidates_blocked VALUES (1, 2, 1), (3, 4, 1);
INSERT INTO staging.identity_match_candidates (profile_id_l, profile_id_r, rule_id, model_id,
    match_weight, match_probability, decision, levels, contributions)
VALUES (1, 2, 1, 1, 0, 0, 'FLAG_REVIEW', '{}', '{}'), (3, 4, 1, 1, 0, 0, 'REJECT', '{}', '{}');
INSERT INTO staging.match_groups VALUES (1, 0, 1, 1000003 # 2, '');
INSERT INTO staging.profile_groups
SELECT 0, string_agg(int8send(CASE WHEN n IN (1, 2) THEN 1 ELSE 0 END), '' ORDER BY n)
FROM generate_series(0, 127) AS n;
INSERT INTO staging.rescored_profiles VALUES (3, 2), (4, 2);
INSERT INTO staging.blocked_pair_changes VALUES (3, 4, 1, 3);
INSERT INTO staging.matching_state (run_id) VALUES (1)
"""

RETIRE = (
    "WITH gone AS (DELETE FROM staging.profiles WHERE profile_id = {} RETURNING profile_id) "
    "INSERT INTO staging.retired_profiles SELECT profile_id, 4 FROM gone"
)

#: What keeps a vetoed pair from being decided as a merge must be gone before one can be.
VETO_BROKEN = (
    "ALTER TABLE staging.identity_match_candidates DROP CONSTRAINT identity_match_candidates_veto; "
    "UPDATE staging.identity_match_candidates SET is_vetoed = true, decision = 'AUTO_MERGE'"
)
MOVED_ON = "UPDATE staging.volatile_marker SET change_seq = 4 WHERE layer = 'blocking'; "

SCORED_ALL = "UPDATE staging.matching_state SET run_id = 2; "

FAULTS = [
    ("records_have_profiles", "DELETE FROM staging.identity_inputs WHERE record_id = 4"),
    ("records_have_profiles", "DELETE FROM staging.profiles WHERE profile_id = 5"),
    ("records_have_profiles", "UPDATE staging.identity_inputs SET change_seq = 1"),
    ("records_have_profiles", RETIRE.format(1)),
    ("inputs_have_records", "UPDATE staging.records SET is_deleted = true WHERE record_id = 5"),
    ("pairs_of_live_profiles", RETIRE.format(1)),
    ("pairs_of_live_profiles", RETIRE.format(2)),
    ("pairs_of_live_profiles", "DELETE FROM staging.profiles WHERE profile_id = 3"),
    ("pairs_of_live_profiles", "DELETE FROM staging.profiles WHERE profile_id = 4"),
    (
        "pairs_of_live_profiles",
        RETIRE.format(5) + "; UPDATE staging.identity_match_candidates SET profile_id_r = 5 "
        "WHERE profile_id_l = 3",
    ),
    (
        "pairs_once",
        "DROP INDEX staging.identity_match_candidates_pair; "
        "INSERT INTO staging.identity_match_candidates "
        "SELECT * FROM staging.identity_match_candidates WHERE profile_id_l = 3",
    ),
    ("candidates_scored", "DELETE FROM staging.identity_match_candidates WHERE profile_id_l = 3"),
    (
        "candidates_scored",
        "WITH told AS (INSERT INTO staging.blocked_pair_changes VALUES (3, 5, 1, 3)) "
        "INSERT INTO staging.identity_match_candidates_blocked VALUES (3, 5, 1)",
    ),
    (
        "candidates_scored",
        "INSERT INTO staging.blocked_pair_changes VALUES (3, 5, 1, 2), (3, 5, 0, 3); "
        "INSERT INTO staging.identity_match_candidates_blocked VALUES (3, 5, 1)",
    ),
    (
        "candidates_scored",
        MOVED_ON + "INSERT INTO staging.identity_match_candidates_blocked VALUES (3, 5, 1)",
    ),
    ("groups_hold_ties", SCORED_ALL + "DELETE FROM staging.match_groups"),
    (
        "groups_hold_ties",
        SCORED_ALL + "UPDATE staging.match_groups SET tie_digest = tie_digest + 1",
    ),
    ("doubt_is_no_merge", VETO_BROKEN),
    (
        "every_record_has_one_customer",
        "DELETE FROM identity.customer_identity_map WHERE record_id = 4",
    ),
    ("every_record_has_one_customer", "DELETE FROM staging.records WHERE record_id = 4"),
    (
        "every_record_has_one_customer",
        "UPDATE staging.records SET is_deleted = true WHERE record_id = 4",
    ),
    (
        "every_record_has_one_customer",
        "UPDATE identity.customer_identity_map SET source = 'web' WHERE record_id = 5",
    ),
    (
        "every_record_has_one_customer",
        "DELETE FROM identity.customers WHERE customer_seq = 4",
    ),
    (
        "every_record_has_one_customer",
        "UPDATE identity.customers SET state = 'DELETED', ended_at = now(), ended_run_id = 2 "
        "WHERE customer_seq = 1",
    ),
    (
        "ids_keep_their_meaning",
        "UPDATE identity.customer_identity_map SET first_customer_id = gen_random_uuid() "
        "WHERE record_id = 4",
    ),
    (
        "doubts_do_not_merge",
        "UPDATE identity.customer_identity_map SET decision = 'FLAG_REVIEW' WHERE record_id = 4",
    ),
    (
        "doubts_do_not_merge",
        "WITH doubt AS (UPDATE identity.customer_identity_map SET decision = 'FLAG_REVIEW' "
        "WHERE record_id = 1) UPDATE ops.runs SET config_hash = 'other' WHERE run_id = 2",
    ),
    (
        "living_customers_have_records",
        "DELETE FROM identity.customer_identity_map WHERE record_id = 5",
    ),
    (
        "living_customers_have_records",
        "WITH gone AS (DELETE FROM identity.customer_identity_map WHERE record_id = 1 RETURNING *) "
        "INSERT INTO identity.retired_records SELECT source, source_record_id, global_customer_id, "
        "first_customer_id, linked_at, 2 FROM gone",
    ),
]


@pytest.fixture
def world(conn: Connection) -> Connection:
    """Five live records and a deleted one, each record a customer; two of them came tonight."""
    conn.execute(text(WORLD.replace(":", r"\:")))
    return conn


@pytest.mark.parametrize("whole", [True, False], ids=["of all", "since the last check"])
@pytest.mark.parametrize(("invariant", "statement"), FAULTS)
def test_an_invariant_sees_what_breaks_it(
    world: Connection, invariant: str, statement: str, whole: bool
) -> None:
    scope = None if whole else scope_of(world)
    assert invariant not in broken(world, scope)
    world.execute(text(statement))
    assert invariant in broken(world, scope)


UNTOUCHED_PAIR_FAULTS = [
    ("pairs_of_live_profiles", "DELETE FROM staging.profiles WHERE profile_id = 1"),
    ("candidates_scored", "INSERT INTO staging.identity_match_candidates_blocked VALUES (2, 5, 1)"),
]


@pytest.mark.parametrize(("invariant", "statement"), UNTOUCHED_PAIR_FAULTS)
def test_pairs_that_matching_left_alone_are_looked_at_when_all_were_scored(
    world: Connection, invariant: str, statement: str
) -> None:
    world.execute(text(statement))
    assert invariant not in broken(world, scope_of(world))
    world.execute(text("UPDATE staging.matching_state SET run_id = 2"))
    assert invariant in broken(world, scope_of(world))


COMMITTED_FAULTS = [
    VETO_BROKEN,
    "DELETE FROM staging.profiles WHERE profile_id = 4",
    "INSERT INTO raw.lake_objects (source, object_key, etag, size_bytes, last_modified, object_at,"
    " state, rows_n, rejected_n, run_id) "
    "VALUES ('crm', 'k', '', 1, now(), now(), 'LOADED', 1, 0, 2)",
]


@pytest.mark.parametrize("statement", COMMITTED_FAULTS)
@pytest.mark.parametrize("anew", [True, False], ids=["of all", "since the last check"])
def test_what_is_found_meanwhile_is_what_would_be_found_at_the_end(
    world: Connection, engine: Engine, statement: str, anew: bool
) -> None:
    world.execute(text(statement))
    world.commit()
    with check.meanwhile(engine, anew=anew) as earlier:
        found = earlier()
    at_the_end = check.run(world, scope=scope_of(world, anew=anew))
    assert found == at_the_end[: len(found)]
    assert not all(finding.holds for finding in found)


@pytest.mark.parametrize("changed", [True, False])
def test_a_fault_found_meanwhile_stops_the_run(
    world: Connection, engine: Engine, changed: bool
) -> None:
    world.execute(text(COMMITTED_FAULTS[0]))
    world.commit()
    with (
        pytest.raises(CheckFailed, match="doubt_is_no_merge"),
        check.meanwhile(engine) as earlier,
    ):
        check.hold(world, changed=changed, earlier=earlier)


def test_what_stops_the_query_is_told_to_who_waits(world: Connection, engine: Engine) -> None:
    world.commit()
    world.execute(text("DROP TABLE staging.rescored_profiles"))
    world.commit()
    with (
        check.meanwhile(engine) as earlier,
        pytest.raises(ProgrammingError, match="rescored_profiles"),
    ):
        earlier()


def test_a_block_that_fails_does_not_wait_for_the_findings(
    world: Connection, engine: Engine
) -> None:
    world.commit()
    world.execute(text("LOCK TABLE raw.lake_objects"))  # the first query can but wait
    with pytest.raises(KeyError, match="elsewhere"), check.meanwhile(engine):
        raise KeyError("elsewhere")


def test_the_scope_begins_behind_the_last_run_in_order(world: Connection) -> None:
    assert scope_of(world) == check.Scope(run_id=2, since_run_id=1, since_change_seq=1)


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE ops.runs SET report = '{}'", id="nobody looked"),
        pytest.param("UPDATE ops.runs SET state = 'FAILED', finished_at = now()", id="it failed"),
        pytest.param("UPDATE staging.profiles SET change_seq = 4", id="profiles after the news"),
        pytest.param(
            "UPDATE staging.records SET change_seq = 1, run_id = 1", id="profiles without news"
        ),
        pytest.param(
            "INSERT INTO gold.touched_customers (run_id) VALUES (2)", id="gold by other rules"
        ),
    ],
)
def test_the_scope_is_everything_where_nothing_can_be_relied_on(
    world: Connection, statement: str
) -> None:
    world.execute(text(statement))
    assert scope_of(world) == check.Scope(run_id=2)


def test_the_scope_is_everything_where_layers_were_made_anew(world: Connection) -> None:
    assert scope_of(world, anew=True) == check.Scope(run_id=2)


def test_a_steward_alone_makes_no_layer_anew(world: Connection) -> None:
    world.execute(text("UPDATE staging.records SET change_seq = 1, run_id = 1"))
    world.execute(text("UPDATE staging.volatile_marker SET run_id = 1"))
    assert scope_of(world).since_run_id == 1


@pytest.mark.parametrize("command", ["run", "plan"], ids=["meanwhile", "at the end of a rehearsal"])
def test_a_fault_in_what_is_committed_keeps_a_run_from_publishing(
    mdm: Any, customers: Callable[..., str], engine: Engine, command: str
) -> None:
    for number in (1, 2):
        record = {"id": str(number), "name": f"Ann {number}", "email": f"a{number}@example.org"}
        mdm.write(f"{number}.jsonl", customers(record))
        assert mdm("load", f"{number}.jsonl", "--source", "crm") == 0, mdm.err
        if number == 1:
            assert mdm("run") == 0, mdm.err
    with engine.begin() as conn:
        conn.execute(text("UPDATE raw.lake_objects SET rejected_n = 7"))
    assert mdm(command) == 1, mdm.err
    assert "raw_object_rows" in mdm.err
    assert mdm.rows("SELECT count(*) FROM gold.dim_customers") == [["1"]]


def scope_of(conn: Connection, *, anew: bool = False) -> check.Scope:
    """What the end of the run under way is asked about."""
    row = conn.execute(query("mdm/check.sql", "scope"), {"anew": anew}).one()
    return check.Scope(**row._mapping)


def broken(conn: Connection, scope: check.Scope | None) -> set[str]:
    """The names of the invariants that do not hold."""
    return {finding.name for finding in check.run(conn, scope=scope) if not finding.holds}
