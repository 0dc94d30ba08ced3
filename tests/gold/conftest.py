"""A small world to tell stories in: the tables gold reads, filled by hand, and its phases run.

Tables are the interface between phases, so gold is tested from the tables of staging and identity
without running either.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import Connection, text

from gold import run_golden_cdc, run_golden_customers, run_golden_history, run_quality
from mdm import check
from mdm.config import Config
from mdm.phases import PhaseReport, RunContext

SOURCES = ("sales", "support", "marketing")
#: Standardised column of staging.records -> original column it comes from.
_STANDARD = {
    "std_name": "full_name",
    "std_given_name": "given_name",
    "std_middle_name": "middle_name",
    "std_family_name": "family_name",
    "std_email": "email",
    "std_phone": "phone",
    "std_date_of_birth": "date_of_birth",
    "std_gender": "gender",
    "std_street": "street",
    "std_city": "city",
    "std_region": "region",
    "std_postcode": "postcode",
    "std_country": "country",
    "std_tax_id": "tax_id",
    "std_customer_number": "customer_number",
    "std_organisation": "organisation",
}
_VERBATIM = {"std_phone", "std_date_of_birth", "std_postcode", "std_country"}


def make_config(**sections: Any) -> Config:
    """A configuration of three sources, with sections of its own."""
    sources = {
        name: {"table": name, "record_id": "id", "fields": {"email": "email"}} for name in SOURCES
    }
    return Config.model_validate({"sources": sources} | sections)


def standardised(values: dict[str, Any]) -> dict[str, Any]:
    """The columns of a staged record: originals, and a plain stand-in for standardising."""
    row = dict(values)
    if "full_name" not in row:
        parts = [row.get(part) for part in ("given_name", "middle_name", "family_name")]
        row_name = " ".join(part for part in parts if part).lower() or None
        row.setdefault("std_name", row_name)
    elif row["full_name"]:
        words = row["full_name"].lower().split()
        row.setdefault("std_given_name", words[0])
        row.setdefault("std_family_name", words[-1] if len(words) > 1 else None)
    for column, original in _STANDARD.items():
        value = values.get(original)
        if value is not None:
            row.setdefault(column, value if column in _VERBATIM else value.lower())
    if "extra" in row:
        standard = {key: str(value).lower() for key, value in row["extra"].items()}
        row.setdefault("std_extra", orjson.dumps(standard).decode())
        row["extra"] = orjson.dumps(row["extra"]).decode()
    return row


class World:
    """Records, customers and runs of one test."""

    def __init__(self, conn: Connection, make_context: Callable[..., RunContext]) -> None:
        self.conn = conn
        self.config = make_config()
        self.start = datetime(2025, 12, 1, tzinfo=UTC)
        self._make_context = make_context
        self._identity_run = 0
        self._customers: dict[str, uuid.UUID] = {}
        self._sql(
            "INSERT INTO identity.consumption (change_seq, decision_id, merges_flagged, layers, "
            "signature, rules, run_id) VALUES (0, 0, false, '', '', '', 0)"
        )

    # records ------------------------------------------------------------------------------------

    def put(
        self, record: str, customer: str | None = None, *, day: float = 0, **values: Any
    ) -> None:
        """Stage ``source:id`` in its new state; a new record joins ``customer`` (by nickname)."""
        source, record_id = record.split(":")
        row = standardised(values) | {
            "source": source,
            "source_record_id": record_id,
            "event_at": self.start + timedelta(days=day),
        }
        columns = list(row)
        names = ", ".join(columns)
        binds = ", ".join(f":{column}" for column in columns)
        blank = [c for c in (*_STANDARD, *_STANDARD.values()) if c not in row]
        renewed = ", ".join(
            [f"{c} = excluded.{c}" for c in columns] + [f"{c} = NULL" for c in blank]
        )
        staged = self._sql(
            f"INSERT INTO staging.records ({names}, object_id, line_no, change_seq, run_id) "
            f"VALUES ({binds}, 1, 1, nextval('staging.change_seq'), 1) "
            f"ON CONFLICT (source, source_record_id) DO UPDATE SET {renewed}, "
            "is_deleted = false, change_seq = excluded.change_seq RETURNING record_id",
            **row,
        ).scalar_one()
        if customer is not None:
            self._link(staged, source, record_id, self.customer(customer))

    def delete(self, record: str) -> None:
        """Turn a record into a tombstone; the customer goes with its last one."""
        source, record_id = record.split(":")
        key = {"source": source, "id": record_id}
        owner = self._sql(
            "UPDATE staging.records SET is_deleted = true, "
            "change_seq = nextval('staging.change_seq') "
            "WHERE source = :source AND source_record_id = :id RETURNING record_id",
            **key,
        ).scalar_one()
        customer = self._sql(
            "DELETE FROM identity.customer_identity_map WHERE record_id = :r "
            "RETURNING global_customer_id", r=owner
        ).scalar_one()  # fmt: skip
        self._identity_run += 1
        self._sql(
            "INSERT INTO identity.retired_records VALUES (:source, :id, :c, :c, now(), :run) "
            "ON CONFLICT (source, source_record_id) DO UPDATE SET run_id = excluded.run_id",
            **key, c=customer, run=self._identity_run,
        )  # fmt: skip
        if not self._members(customer):
            self._end(customer, "DELETED", None)
            self._event("DELETE", customer, None)

    # identity -----------------------------------------------------------------------------------

    def customer(self, nickname: str) -> uuid.UUID:
        """The id of a customer, made when first named."""
        if nickname not in self._customers:
            self._customers[nickname] = self._sql(
                "INSERT INTO identity.customers (created_at, created_run_id) VALUES (now(), 1) "
                "RETURNING global_customer_id"
            ).scalar_one()
        return self._customers[nickname]

    def merge(self, loser: str, survivor: str) -> None:
        """All records of one customer go to another, and the id redirects."""
        gone, stays = self.customer(loser), self.customer(survivor)
        self._move(self._members(gone), stays)
        self._end(gone, "MERGED", stays)
        self._event("MERGE", gone, stays)

    def split(self, origin: str, part: str, *records: str) -> None:
        """Some records of a customer leave it under another id (new, or one that was merged)."""
        new = self.customer(part)
        self._revive(new)
        self._move([self._record(r) for r in records], new)
        self._event("SPLIT", self.customer(origin), new)

    def move(self, record: str, origin: str, target: str) -> None:
        """One record leaves a customer for another that is there already."""
        self._move([self._record(record)], self.customer(target))
        self._event("MOVE", self.customer(origin), self.customer(target))

    def resurrect(self, nickname: str) -> None:
        """A deleted customer is alive again."""
        self._revive(self.customer(nickname))
        self._event("RESURRECT", self.customer(nickname), None)

    def _link(self, record: int, source: str, record_id: str, customer: uuid.UUID) -> None:
        self._identity_run += 1
        self._sql(
            "INSERT INTO identity.customer_identity_map VALUES (:r, :r, :c, :c, now(), :run, 1, "
            "'SINGLETON', :source, :id) ON CONFLICT (record_id) DO UPDATE "
            "SET global_customer_id = excluded.global_customer_id, run_id = excluded.run_id",
            r=record, c=customer, run=self._identity_run, source=source, id=record_id,
        )  # fmt: skip
        self._consumed()

    def _move(self, records: list[int], customer: uuid.UUID) -> None:
        self._identity_run += 1
        self._sql(
            "UPDATE identity.customer_identity_map SET global_customer_id = :c, run_id = :run "
            "WHERE record_id = ANY (:records)", c=customer, run=self._identity_run, records=records
        )  # fmt: skip
        self._consumed()

    def _consumed(self) -> None:
        self._sql("UPDATE identity.consumption SET run_id = :run", run=self._identity_run)

    def _members(self, customer: uuid.UUID) -> list[int]:
        found = self._sql(
            "SELECT record_id FROM identity.customer_identity_map WHERE global_customer_id = :c",
            c=customer,
        )
        return list(found.scalars())

    def _record(self, record: str) -> int:
        source, record_id = record.split(":")
        found: int = self._sql(
            "SELECT record_id FROM identity.customer_identity_map "
            "WHERE source = :s AND source_record_id = :id", s=source, id=record_id
        ).scalar_one()  # fmt: skip
        return found

    def _end(self, customer: uuid.UUID, state: str, into: uuid.UUID | None) -> None:
        self._sql(
            "UPDATE identity.customers SET state = :state, merged_into = :into, ended_at = now(), "
            "ended_run_id = 1 WHERE global_customer_id = :c", c=customer, state=state, into=into
        )  # fmt: skip

    def hold_together(self, nickname: str, confidence: float) -> None:
        """A customer of two profiles is as likely one person as identity says."""
        self._identity_run += 1
        self._sql(
            "INSERT INTO identity.customer_clusters (global_customer_id, profile_n, record_n, "
            "confidence, run_id) VALUES (:c, 2, 2, :confidence, :run) "
            "ON CONFLICT (global_customer_id) DO UPDATE "
            "SET confidence = excluded.confidence, run_id = excluded.run_id",
            c=self.customer(nickname), confidence=confidence, run=self._identity_run,
        )  # fmt: skip
        self._consumed()

    def _revive(self, customer: uuid.UUID) -> None:
        self._sql(
            "UPDATE identity.customers SET state = 'LIVE', merged_into = NULL, ended_at = NULL, "
            "ended_run_id = NULL WHERE global_customer_id = :c",
            c=customer,
        )

    def _event(self, kind: str, customer: uuid.UUID, related: uuid.UUID | None) -> None:
        self._sql(
            "INSERT INTO identity.identity_events (run_id, event_type, global_customer_id, "
            "related_customer_id, record_n, cause, occurred_at) "
            "VALUES (1, :kind, :c, :related, 1, 'new evidence', now())",
            kind=kind, c=customer, related=related,
        )  # fmt: skip

    # stewards and runs --------------------------------------------------------------------------

    def override(self, customer: str, attribute: str, value: str | None, **columns: Any) -> int:
        """One row in gold.customer_steward_overrides, as a steward would insert it."""
        row = {
            "global_customer_id": self.customer(customer),
            "attribute": attribute,
            "value": value,
            "steward": "ada",
            "reason": "called her",
            "valid_from": self.start,
        } | columns
        names, binds = ", ".join(row), ", ".join(f":{name}" for name in row)
        added: int = self._sql(
            f"INSERT INTO gold.customer_steward_overrides ({names}) VALUES ({binds}) "
            "RETURNING override_id", **row
        ).scalar_one()  # fmt: skip
        return added

    def run(self, *, full: bool = False, config: Config | None = None) -> dict[str, PhaseReport]:
        """Phases 7 to 10 as a run of their own; every invariant of gold must hold afterwards."""
        ctx = self._make_context(config or self.config, full=full)
        reports = {
            "gold": run_golden_customers.run(self.conn, ctx),
            "history": run_golden_history.run(self.conn, ctx),
            "events": run_golden_cdc.run(self.conn, ctx),
            "quality": run_quality.run(self.conn, ctx),
        }
        self.check()
        return reports

    def context(self) -> RunContext:
        """The context of a further run, for a test that calls phases one by one."""
        return self._make_context(self.config)

    def check(self) -> None:
        """Fail on any invariant of gold that does not hold."""
        for invariant in check.invariants():
            if invariant.name in GOLD_INVARIANTS:
                broken = self.conn.execute(text(invariant.sql)).all()
                assert not broken, f"{invariant.title}: {broken[:3]}"

    # what is there ------------------------------------------------------------------------------

    def golden(self, customer: str) -> dict[str, Any] | None:
        """The golden row of a customer; None when it has none."""
        row = self._sql(
            "SELECT * FROM gold.dim_customers WHERE global_customer_id = :c",
            c=self.customer(customer),
        ).one_or_none()
        return dict(row._mapping) if row else None

    def rows(self, sql: str, **params: Any) -> list[tuple[Any, ...]]:
        """The rows of a query, customers by their nicknames, instants as hours of the test."""
        names = {cid: name for name, cid in self._customers.items()}
        origin = datetime(2026, 1, 1, tzinfo=UTC)

        def told(value: Any) -> Any:
            if isinstance(value, uuid.UUID):
                return names[value]
            if isinstance(value, datetime):
                return round((value - origin) / timedelta(hours=1))
            return value

        return [tuple(map(told, row)) for row in self._sql(sql, **params)]

    def events(self, *, after: int = 0) -> list[tuple[Any, ...]]:
        """The change events: type, customer, related customer, changed columns."""
        return self.rows(
            "SELECT event_type, global_customer_id, related_customer_id, changed_attributes "
            "FROM gold.customer_change_events WHERE run_id > :after ORDER BY event_type, event_seq",
            after=after,
        )

    def snapshot(self) -> list[tuple[Any, ...]]:
        """Every table of gold that a run without news must leave alone, as text."""
        return self.rows(
            "SELECT 'dim', d::text FROM gold.dim_customers AS d "
            "UNION ALL SELECT 'history', h::text FROM gold.dim_customers_history AS h "
            "UNION ALL SELECT 'event', e::text FROM gold.customer_change_events AS e "
            "UNION ALL SELECT 'lineage', l::text FROM gold.customer_lineage AS l "
            "UNION ALL SELECT 'conflict', c::text FROM gold.customer_attribute_conflicts AS c "
            "UNION ALL SELECT 'queue', q::text FROM gold.steward_review_queue AS q "
            "UNION ALL SELECT 'metric', m::text FROM gold.data_quality_metrics AS m "
            "UNION ALL SELECT 'state', s::text FROM gold.layer_state AS s "
            "UNION ALL SELECT 'volume', v::text FROM gold.source_volumes AS v ORDER BY 1, 2"
        )

    def _sql(self, sql: str, **params: Any) -> Any:
        return self.conn.execute(text(sql), params)


GOLD_INVARIANTS = frozenset(
    invariant.name
    for invariant in check.invariants()
    if invariant.name
    in {
        "nobody_is_lost",
        "one_open_version",
        "history_has_no_gaps",
        "events_replay",
        "every_value_has_a_reason",
        "winners_are_members",
        "no_lineage_without_customer",
        "the_steward_wins",
    }
)


@pytest.fixture
def world(conn: Connection, make_context: Callable[..., RunContext]) -> World:
    """An empty world."""
    return World(conn, make_context)
