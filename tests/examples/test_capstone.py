"""The capstone exercise: what must come out, from small files of our own and from the real ones."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
Script = Callable[[str], ModuleType]
CRM = """customer_id,full_name,email,phone,signup_date,status
C1,MAEVE o'dowd,Maeve@Example.org,+1-555-0111,2024-02-01,inactive
C2,Tom Reyes,tom@example.org,,2024-03-05,active
C3,maeve O'Dowd,m.odowd@example.net,+1-555-0111,2024-01-09,active
C4,"McDonald, Ana",,n/a,2024-04-01,active
C5,Li Wen,li@example.com,(202) 456-1414,2024-05-01,
"""
SHOP = {
    "customers": [
        {"id": "E1", "name": {"first": "Maeve", "last": "O'Dowd"},
         "contact": {"email": "maeve@example.org", "phone": "5550111"},
         "registered": "2024-01-31T23:30:00Z", "orders_count": 2},
        {"id": "E2", "name": {"first": "zoë", "last": "brandt"},
         "contact": {"email": "N/A", "phone": ""},
         "registered": "2024-06-07T08:00:00Z", "orders_count": 0},
        {"id": "E3", "name": {"first": "Tomas", "last": "Reyes"},
         "contact": {"email": "TOM@example.org", "phone": None},
         "registered": "2024-07-01T08:00:00Z"},
    ]
}  # fmt: skip


def put(folder: Path, crm: str = CRM, shop: Any = SHOP) -> Path:
    folder.mkdir()
    (folder / "crm_customers.csv").write_text(crm, encoding="utf-8")
    (folder / "ecommerce_customers.json").write_text(json.dumps(shop), encoding="utf-8")
    return folder


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_two_extracts_become_one_master(tmp_path: Path, services: None, script: Script) -> None:
    out = tmp_path / "out"
    assert script("capstone/unify.py").main(put(tmp_path / "in"), out) == 0
    assert rows(out / "customer_master.csv") == [
        ["unified_id", "full_name", "email", "phone", "signup_date", "source_system", "status"],
        ["CUST001", "Maeve O'Dowd", "maeve@example.org", "5550111", "2024-01-09", "CRM+ECOM",
         "inactive"],
        ["CUST002", "Tomas Reyes", "tom@example.org", "N/A", "2024-03-05", "CRM+ECOM", "active"],
        ["CUST003", "McDonald, Ana", "N/A", "N/A", "2024-04-01", "CRM", "active"],
        ["CUST004", "Li Wen", "li@example.com", "2024561414", "2024-05-01", "CRM", "N/A"],
        ["CUST005", "Zoë Brandt", "N/A", "N/A", "2024-06-07", "ECOM", "active"],
    ]  # fmt: skip
    assert rows(out / "duplicate_report.csv") == [
        ["kept_id", "removed_ids", "match_reason", "removed_sources"],
        ["C1", "C3;E1", "email+phone+name", "CRM+ECOM"],
        ["C2", "E3", "email", "ECOM"],
    ]
    log = (out / "integration_log.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (INFO|WARNING) \S", line) for line in log)
    assert [line.split(" ", 1)[1] for line in log] == [
        "INFO Loaded 5 records from CRM (crm_customers.csv)",
        "INFO Loaded 3 records from ECOM (ecommerce_customers.json)",
        "INFO Merged C3 (CRM) into C1 as CUST001: same phone+name",
        "INFO Merged E1 (ECOM) into C1 as CUST001: same email+phone+name",
        "INFO Merged E3 (ECOM) into C2 as CUST002: same email",
        "INFO Duplicates found: 3",
        "INFO Final customer count: 5",
    ]


def test_a_record_without_an_id_is_a_warning(
    tmp_path: Path, services: None, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = put(tmp_path / "in", crm=CRM + ",Nobody,nobody@example.org,,2024-01-01,active\n")
    assert script("capstone/unify.py").main(folder, tmp_path / "out") == 0
    assert "WARNING Record 6 of CRM was refused" in capsys.readouterr().err
    log = (tmp_path / "out" / "integration_log.txt").read_text(encoding="utf-8")
    assert "Loaded 5 records from CRM" in log
    assert "WARNING Record 6 of CRM was refused" in log


@pytest.mark.parametrize("fault", ["missing", "broken"])
def test_an_extract_that_cannot_be_read_leaves_no_half_output(
    tmp_path: Path,
    services: None,
    script: Script,
    capsys: pytest.CaptureFixture[str],
    fault: str,
) -> None:
    folder = put(tmp_path / "in")
    shop = folder / "ecommerce_customers.json"
    if fault == "missing":
        shop.unlink()
    else:
        shop.write_text('{"customers": [{"id": "E1"')
    out = tmp_path / "out"
    assert script("capstone/unify.py").main(folder, out) == 1
    assert [path.name for path in out.iterdir()] == ["integration_log.txt"]
    told = (out / "integration_log.txt").read_text(encoding="utf-8")
    assert "ERROR" in told
    assert "ecommerce_customers.json" in told
    assert told.strip() in capsys.readouterr().err


def test_what_an_earlier_call_wrote_outlives_a_failure(
    tmp_path: Path, services: None, script: Script
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "customer_master.csv").write_text("of yesterday")
    assert script("capstone/unify.py").main(tmp_path / "nowhere", out) == 1
    assert (out / "customer_master.csv").read_text() == "of yesterday"
    (tmp_path / "file").write_text("")
    assert script("capstone/unify.py").main(tmp_path / "nowhere", tmp_path / "file") == 1


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("john smith", "John Smith"),
        ("JANE O'NEIL-DOE", "Jane O'Neil-Doe"),
        ("Ana McDonald", "Ana McDonald"),
        ("jOHN  sMITH", "John Smith"),
        ("", ""),
    ],
)
def test_title_case(script: Script, written: str, shown: str) -> None:
    assert script("capstone/unify.py").title_case(written) == shown


@pytest.mark.parametrize(
    ("golden", "shown"),
    [("5550101", "5550101"), ("+12025550143", "2025550143"), ("+390612345678", "0612345678")],
)
def test_national_digits(script: Script, golden: str, shown: str) -> None:
    assert script("capstone/unify.py").national_digits(golden) == shown


def test_a_blank_is_no_ground(script: Script) -> None:
    blank = SimpleNamespace(email=None, phone="", name="li wen")
    assert script("capstone/unify.py").reasons([(blank, blank)]) == ["name"]


@pytest.mark.slow
@pytest.mark.shared
def test_the_exercise_itself_from_its_one_command(tmp_path: Path, shared_data: Path) -> None:
    folder = shared_data / "capstone"
    for _ in range(2):  # the same again: nothing of a first call is left behind
        done = subprocess.run(
            [str(ROOT / "examples/capstone/run.sh"), str(folder), "out dir"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        made = (tmp_path / "out dir" / "customer_master.csv").read_bytes()
        assert made == (folder / "expected_customer_master.csv").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["out dir"]
