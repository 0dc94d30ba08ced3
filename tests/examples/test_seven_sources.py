"""Seven conflicting systems become one table that says whom it believed and why."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pytest

ROOT = Path(__file__).resolve().parents[2]
Script = Callable[[str], ModuleType]
WANTED = (
    "composite_key", "customer_name", "primary_source", "data_quality_score", "source_systems",
    "conflict_rules_applied", "created_at", "last_updated_at", "email", "phone",
)  # fmt: skip
SYSTEMS = ["billing", "crm", "erp", "finance", "legacy", "marketing", "support"]


@pytest.fixture
def built(tmp_path: Path, services: None, script: Script) -> Path:
    """The folder with the extracts and what became of them."""
    script("seven_sources/generate.py").main(tmp_path / "extracts")
    assert script("seven_sources/build.py").main(tmp_path / "extracts", tmp_path) == 0
    return tmp_path


def golden(folder: Path) -> list[dict[str, Any]]:
    with duckdb.connect(str(folder / "golden_customers.duckdb"), read_only=True) as duck:
        duck.execute("SET TimeZone = 'UTC'")
        found = duck.execute(
            # DuckDB would want a further package to hand over instants with a zone
            "SELECT * REPLACE (created_at::TIMESTAMP AS created_at,"
            " last_updated_at::TIMESTAMP AS last_updated_at)"
            " FROM golden_customers ORDER BY composite_key"
        )
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_seven_systems_become_one_table(built: Path) -> None:
    rows = golden(built)
    assert set(WANTED) <= rows[0].keys()
    people = {row["customer_name"]: row for row in rows if row["record_count"] > 1}
    # the contact with a customer's name alone may be her or not; everybody else is certain
    assert len(people) == 6
    assert 7 <= len(rows) <= 8
    assert {"Gray Pemberly", "Jürgen Albrecht", "Tomás Herrero"} <= {
        row["customer_name"] for row in rows
    }
    assert all(row["source_systems"] == SYSTEMS for row in people.values())
    assert all(row["primary_source"] == "billing" for row in people.values())

    moved = people["Tomás Herrero"]  # legacy and the rest disagree on the address, two on e-mail
    assert moved["street"] == "Calle de la Paz 31"
    assert moved["email"] == "tomas.herrero@example.com"
    assert moved["conflict_rules_applied"] == [
        "email: most_frequent", "street: most_frequent", "postcode: most_frequent",
    ]  # fmt: skip
    assert people["Imran Siddiqui"]["phone"] == "+441614960837"
    assert "phone: most_frequent" in people["Imran Siddiqui"]["conflict_rules_applied"]
    assert moved["created_at"] == datetime(2023, 3, 31, 23, 59)
    assert all(row["created_at"] <= row["last_updated_at"] for row in rows)
    assert all(Decimal(0) < row["data_quality_score"] <= 1 for row in rows)
    lead = next(row for row in rows if row["customer_name"] == "Gray Pemberly")
    assert lead["data_quality_score"] < moved["data_quality_score"]  # no phone, no address
    assert lead["conflict_rules_applied"] == []

    with duckdb.connect(str(built / "golden_customers.duckdb"), read_only=True) as duck:
        points = duck.execute(
            "SELECT value, is_canonical, sources FROM contact_points WHERE kind = 'ADDRESS'"
            " AND global_customer_id = ? ORDER BY value",
            [moved["global_customer_id"]],
        ).fetchall()
    assert points[0] == ("Avenida del Puerto 210, Valencia, 46023, ES", False, ["legacy"])
    assert [value for value, is_canonical, _ in points if is_canonical] == [
        "Calle de la Paz 31, Valencia, 46003, ES"
    ]
    with (built / "golden_customers.csv").open(encoding="utf-8", newline="") as file:
        told = list(csv.DictReader(file))
    assert [row["composite_key"] for row in told] == [row["composite_key"] for row in rows]
    assert len({row["composite_key"] for row in told}) == len(rows)
    assert told[0]["source_systems"] == "; ".join(SYSTEMS)


def test_the_extracts_are_the_same_each_time(tmp_path: Path, script: Script) -> None:
    generate = script("seven_sources/generate.py")
    for _ in range(2):
        generate.main(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        "billing.parquet", "crm.json", "erp.csv", "finance.xlsx", "legacy.duckdb",
        "marketing.jsonl", "support.sqlite",
    ]  # fmt: skip
    with duckdb.connect(str(tmp_path / "legacy.duckdb"), read_only=True) as database:
        count = database.execute("SELECT count(*) FROM dw_customer").fetchone()
    assert count == (6,)


def test_a_missing_extract_stops_the_example(
    tmp_path: Path, services: None, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    script("seven_sources/generate.py").main(tmp_path / "extracts")
    (tmp_path / "extracts" / "erp.csv").unlink()
    assert script("seven_sources/build.py").main(tmp_path / "extracts", tmp_path) == 1
    assert "erp.csv" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("golden")] == []


@pytest.mark.slow
def test_one_command_from_anywhere(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(ROOT / "examples/seven_sources/run.sh"), "out dir"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "billing:B-7002" in done.stdout
    assert len(golden(tmp_path / "out dir")) >= 7
