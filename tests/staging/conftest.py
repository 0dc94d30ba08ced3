"""A source in raw, written as ingestion would, and what staging made of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, text

from db import bulk
from mdm import check
from mdm.config import Config
from mdm.phases import PhaseReport, RunContext
from staging import run_identity_inputs, run_staging

CONFIG = {
    "sources": {
        "crm": {
            "table": "crm_customers",
            "record_id": "id",
            "event_time": "at",
            "phone_region": "US",
            "date_order": "MDY",
            "fields": {
                "full_name": "name",
                "email": ["email", "contact.email"],
                "phone": "phone",
                "date_of_birth": "dob",
                "street": "{number} {street}",
                "city": "city",
                "postcode": "zip",
                "occupation": "job",
                "score": "score",
            },
        }
    },
    "attributes": {"occupation": {"type": "category"}, "score": {"type": "number"}},
}


@dataclass
class Warehouse:
    """The raw layer of one source under test, and both staging phases on it."""

    conn: Connection
    make_context: Callable[..., RunContext]
    config: Config
    objects: dict[str, int] = field(default_factory=dict)

    def deliver(self, key: str, *rows: dict[str, Any], table: str = "crm_customers") -> None:
        """An object `key` with its lines; `at` is the event time, `_deleted` a delete marker."""
        object_id = self.conn.execute(
            text(
                "INSERT INTO raw.lake_objects (source, object_key, etag, size_bytes,"
                " last_modified, object_at, state, rows_n, rejected_n, run_id)"
                " VALUES ('crm', :key, 'e', 1, now(), now(), 'LOADED', :n, 0, 1)"
                " RETURNING object_id"
            ),
            {"key": key, "n": len(rows)},
        ).scalar_one()
        self.objects[key] = object_id
        for line_no, row in enumerate(rows, start=1):
            self.conn.execute(
                text(
                    f"INSERT INTO raw.{table} VALUES (:object_id, :line_no, 1, :record_id, :at,"
                    " :is_deleted, CAST(:payload AS json))"
                ),
                {
                    "object_id": object_id,
                    "line_no": line_no,
                    "record_id": row["id"],
                    "at": datetime(2026, 1, row.get("at", 1), tzinfo=UTC),
                    "is_deleted": row.get("_deleted", False),
                    "payload": json.dumps(row),
                },
            )

    def set_state(self, key: str, state: str) -> None:
        """What ingestion or a person does to an object."""
        self.conn.execute(
            text("UPDATE raw.lake_objects SET state = :state WHERE object_id = :id"),
            {"state": state, "id": self.objects[key]},
        )

    def stage(self, *, full: bool = False) -> PhaseReport:
        """One run of both phases; every staging invariant holds after it."""
        context = self.make_context(self.config, full=full)
        report = run_staging.run(self.conn, context)
        run_identity_inputs.run(self.conn, context)
        self.conn.commit()
        for invariant in check.invariants(["staging/invariants.sql"]):
            assert self.conn.execute(text(invariant.sql)).all() == [], invariant.name
        return report

    def rows(self, select: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return [tuple(row) for row in self.conn.execute(text(select))]

    def records(self) -> list[tuple[Any, ...]]:
        """Id, name, e-mail and place in raw of each live record."""
        return self.rows(
            "SELECT source_record_id, full_name, std_email, object_key, line_no"
            " FROM staging.live_records JOIN raw.lake_objects USING (object_id)"
            " ORDER BY source_record_id"
        )

    def content(self) -> list[tuple[Any, ...]]:
        """All of the live records but for the numbers that depend on the order of work."""
        return self.rows(
            "SELECT (to_jsonb(records) - '{record_id,object_id,change_seq,run_id}'::text[])::text,"
            " object_key FROM staging.live_records AS records"
            " JOIN raw.lake_objects USING (object_id) ORDER BY source_record_id"
        )

    def profiles(self) -> list[tuple[Any, ...]]:
        """Fingerprint, records, name and e-mail of each profile."""
        return self.rows(
            "SELECT CAST(fingerprint AS text), record_n, name, email FROM staging.profiles"
            " ORDER BY fingerprint"
        )


@pytest.fixture
def crm_config() -> Config:
    """One source that uses every kind of field."""
    return Config.model_validate(CONFIG)


@pytest.fixture
def warehouse(
    conn: Connection, make_context: Callable[..., RunContext], crm_config: Config
) -> Warehouse:
    """An empty raw table of the source `crm`."""
    make_raw_table(conn)
    return Warehouse(conn, make_context, crm_config)


def make_raw_table(conn: Connection) -> None:
    """The table that ingestion makes for a source."""
    bulk.execute(
        conn,
        "CREATE TABLE {table} (object_id bigint NOT NULL, line_no integer NOT NULL,"
        " run_id bigint NOT NULL, source_record_id text NOT NULL, event_at timestamptz NOT NULL,"
        " is_deleted boolean NOT NULL, payload json NOT NULL, PRIMARY KEY (object_id, line_no))",
        table=bulk.identifier("raw", "crm_customers"),
    )
