"""The same records in any batches come to the same customers, whatever was done when.

From staged records to gold on a real warehouse: nights with new, corrected and deleted records, and
then everything anew as after a crash, with other profile ids.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from matching import model_store, run_blocking
from mdm import check
from mdm.config import Config
from mdm.phases import PhaseReport, RunContext, between

VALUES = {
    "given_name": ["ann", "anna", "bob", "lee"],
    "family_name": ["lee", "reed", "ashworth"],
    "email": ["a@x.de", "b@x.de", "ann.lee@firm.com"],
    "phone": ["+4930123456", "+4930123457"],
    "date_of_birth": ["1980-01-01", "1980-01-02", "1975-05-05"],
    "street": ["12 plum street", "12 plume street"],
}
Values = dict[str, str]
contents = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(some) for name, some in VALUES.items()}
)
# What a night brings: the new state of some records; None deletes.
lives = st.lists(
    st.dictionaries(st.integers(1, 12), st.one_of(contents, contents, st.none()), max_size=7),
    min_size=2,
    max_size=4,
)
_NAMES = {"given_name": "std_given_name", "family_name": "std_family_name"}
_COLUMNS = [*VALUES, *(f"std_{name}" for name in VALUES)]
_PUT = text(
    "INSERT INTO staging.records AS r (source, source_record_id, object_id, line_no, event_at,"
    f" is_deleted, change_seq, run_id, {', '.join(_COLUMNS)})"
    " VALUES ('crm', :record, 1, 1, '2025-01-01', :is_deleted, nextval('staging.change_seq'), 1, "
    + ", ".join(
        f"CAST(:{name} AS {'date' if name == 'std_date_of_birth' else 'text'})" for name in _COLUMNS
    )
    + ") ON CONFLICT (source, source_record_id) DO UPDATE SET is_deleted = excluded.is_deleted,"
    f" change_seq = excluded.change_seq, {', '.join(f'{n} = excluded.{n}' for n in _COLUMNS)}"
)
_CRASH = text(
    "TRUNCATE staging.volatile_marker, staging.profiles, staging.retired_profiles,"
    " staging.identity_inputs, staging.blocking_rules, staging.oversized_blocks,"
    " staging.blocking_state, staging.blocking_keys, staging.blocked_pair_changes,"
    " staging.rescored_profiles, staging.matching_state, staging.identity_match_candidates,"
    " staging.identity_match_candidates_blocked, staging.match_groups, staging.profile_groups"
)
_OUTCOME = {
    "blocked": "SELECT least(l.fingerprint, r.fingerprint), greatest(l.fingerprint, r.fingerprint),"
    " b.rule_id FROM staging.identity_match_candidates_blocked AS b"
    " JOIN staging.profiles AS l ON l.profile_id = b.profile_id_l"
    " JOIN staging.profiles AS r ON r.profile_id = b.profile_id_r ORDER BY 1, 2",
    "scores": "SELECT least(l.fingerprint, r.fingerprint), greatest(l.fingerprint, r.fingerprint),"
    " p.rule_id, p.match_weight, p.match_probability, p.decision, p.is_vetoed, p.levels,"
    " p.contributions FROM staging.identity_match_candidates AS p"
    " JOIN staging.profiles AS l ON l.profile_id = p.profile_id_l"
    " JOIN staging.profiles AS r ON r.profile_id = p.profile_id_r ORDER BY 1, 2",
    "customers": "SELECT global_customer_id, string_agg(source_record_id, ' '"
    " ORDER BY source_record_id) FROM identity.customer_identity_map GROUP BY 1 ORDER BY 1",
    "gold": "SELECT to_jsonb(d) - 'run_id' - 'updated_at' FROM gold.dim_customers AS d"
    " ORDER BY global_customer_id",
}


class Warehouse:
    """Staged records and the phases behind them."""

    def __init__(self, conn: Connection, context: Callable[..., RunContext]) -> None:
        self.conn = conn
        self.context = context
        crm = {"table": "crm", "record_id": "id", "fields": {"full_name": "name"}}
        matching = {"max_block_size": 4}
        self.config = Config.model_validate({"sources": {"crm": crm}, "matching": matching})

    def put(self, states: dict[int, Values | None]) -> None:
        """New states of records."""
        for record, values in states.items():
            row: dict[str, Any] = dict.fromkeys(_COLUMNS)
            row |= values or {}
            row |= {f"std_{name}": value for name, value in (values or {}).items()}
            row |= {"record": f"r{record}", "is_deleted": values is None}
            self.conn.execute(_PUT, row)

    def run(self) -> dict[str, PhaseReport]:
        """Runs the phases behind staging; what must hold does."""
        context = self.context(self.config)
        seen = self.conn.execute(text("SELECT coalesce(max(change_seq), 0) FROM staging.records"))
        reports = {}
        for phase in between("identity_inputs", "quality"):
            reports[phase.name] = importlib.import_module(phase.module).run(self.conn, context)
        since = check.Scope(context.run_id, context.run_id - 1, int(seen.scalar_one()))
        for scope in (None, since):
            found = check.run(self.conn, scope=scope)
            assert [f.name for f in found if not f.holds and not f.name.startswith("raw")] == []
        return reports

    def outcome(self) -> dict[str, list[tuple[Any, ...]]]:
        """Pairs, scores, customers and golden values, told apart by content."""
        return {
            name: [tuple(row) for row in self.conn.execute(text(sql))]
            for name, sql in _OUTCOME.items()
        }


@pytest.fixture
def warehouse(
    conn: Connection, make_context: Callable[..., RunContext], monkeypatch: pytest.MonkeyPatch
) -> Warehouse:
    """A few records, from which a model was learnt for good."""
    monkeypatch.setattr(model_store, "MATURE_PROFILES", 1)
    monkeypatch.setattr(run_blocking, "LARGEST_DELTA", 9.0)
    warehouse = Warehouse(conn, make_context)
    first = {name: some[0] for name, some in VALUES.items()}
    warehouse.put({100 + n: {**first, "given_name": name} for n, name in enumerate("xyz")})
    warehouse.run()
    return warehouse


@settings(
    derandomize=True,
    deadline=None,
    max_examples=8,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(lives)
def test_nights_come_to_what_one_run_comes_to(
    warehouse: Warehouse, nights: list[dict[int, Values | None]]
) -> None:
    savepoint = warehouse.conn.begin_nested()
    for states in nights:
        warehouse.put(states)
        reports = warehouse.run()
        for phase in ("blocking", "matching"):
            detail = reports[phase].detail
            assert detail.get("incremental") or detail == {"unchanged": True}
    found = warehouse.outcome()
    warehouse.conn.execute(_CRASH)
    reports = warehouse.run()
    assert "incremental" not in reports["matching"].detail
    assert found == warehouse.outcome()
    savepoint.rollback()
