"""Whatever text PostgreSQL can hold comes out of every file format as it went in."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import orjson
import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

# everything but what no PostgreSQL text holds: NUL and half surrogate pairs
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
DIRT = st.sampled_from(
    ["", "\r\n", '"', '""', "'", "\\N", "NULL", "nan", "007", "1e5", "é", "\ufeff"]
)
VALUES = st.none() | TEXTS | st.lists(DIRT, max_size=4).map("".join)
ROWS = st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=8)


@settings(
    derandomize=True,
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=ROWS)
def test_any_text_survives(conn: Connection, export: Any, rows: list[Any]) -> None:
    conn.execute(text("TRUNCATE gold.dim_customers"))
    for number, (name, job) in enumerate(rows):
        conn.execute(
            text(
                "INSERT INTO gold.dim_customers (global_customer_id, canonical_full_name, extra,"
                " source_systems, primary_source, record_count, data_quality_score,"
                " match_confidence, last_seen_at, created_at, updated_at, run_id) VALUES (:id,"
                " :name, :extra, ARRAY[:source], :source, :n, 1, 1, now(), now(), now(), 1)"
            ),
            {
                "id": f"0199c3b0-0000-7000-8000-{number:012x}",
                "name": name,
                "extra": orjson.dumps({"job": job}).decode(),
                "source": job or "crm",
                "n": number + 1,
            },
        )
    conn.commit()
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder)
        export(told / "c.parquet", "parquet")
        export(told / "c.csv", "csv")
        export(told / "c.duckdb", "duckdb")
        frame = pl.read_parquet(told / "c.parquet").sort("record_count")
        with (told / "c.csv").open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        with duckdb.connect(str(told / "c.duckdb"), read_only=True) as duck:
            found = duck.execute(
                "SELECT full_name, primary_source, source_systems FROM golden_customers"
                " ORDER BY record_count"
            ).fetchall()
    assert frame["canonical_full_name"].to_list() == [name for name, _ in rows]
    assert frame["source_systems"].to_list() == [[job or "crm"] for _, job in rows]
    assert [json.loads(extra) for extra in frame["extra"]] == [{"job": job} for _, job in rows]
    assert [line["canonical_full_name"] for line in lines] == [name or "" for name, _ in rows]
    assert [json.loads(line["source_systems"]) for line in lines] == [
        [job or "crm"] for _, job in rows
    ]
    assert found == [(name, job or "crm", [job or "crm"]) for name, job in rows]
