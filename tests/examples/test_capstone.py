"""The capstone exercise: what must come out, from small files of our own and from the real ones."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]
Script = Callable[[str], ModuleType]
OURS = Path(__file__).resolve().parent / "capstone"
CRM, SHOP = "crm_customers.csv", "ecommerce_customers.json"
EXPECTED = "expected_customer_master.csv"


def put(folder: Path) -> Path:
    """A folder of the test's own with the two extracts."""
    folder.mkdir()
    for name in (CRM, SHOP):
        shutil.copy(OURS / name, folder)
    return folder


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_two_extracts_become_one_master(tmp_path: Path, services: None, script: Script) -> None:
    out = tmp_path / "out"
    assert script("capstone/unify.py").main(OURS, out) == 0
    assert (out / "customer_master.csv").read_bytes() == (OURS / EXPECTED).read_bytes()
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
    folder = put(tmp_path / "in")
    with (folder / CRM).open("a", encoding="utf-8") as file:
        file.write(",Nobody,nobody@example.org,,2024-01-01,active\n")
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
    shop = folder / SHOP
    if fault == "missing":
        shop.unlink()
    else:
        shop.write_text('{"customers": [{"id": "E1"')
    out = tmp_path / "out"
    assert script("capstone/unify.py").main(folder, out) == 1
    assert [path.name for path in out.iterdir()] == ["integration_log.txt"]
    told = (out / "integration_log.txt").read_text(encoding="utf-8")
    assert "ERROR" in told
    assert SHOP in told
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


@pytest.mark.shared
def test_the_exercise_itself_byte_for_byte(
    tmp_path: Path, services: None, script: Script, shared_data: Path
) -> None:
    folder = shared_data / "capstone"
    assert script("capstone/unify.py").main(folder, tmp_path / "out") == 0
    made = (tmp_path / "out" / "customer_master.csv").read_bytes()
    assert made == (folder / EXPECTED).read_bytes()
    assert rows(tmp_path / "out" / "duplicate_report.csv")[1:] == [
        ["CRM001", "CRM005;EC1001", "email+phone+name", "CRM+ECOM"],
        ["CRM002", "EC1003", "email+phone+name", "ECOM"],
    ]


@pytest.mark.slow
def test_one_command_from_anywhere_gives_the_same_each_time(tmp_path: Path) -> None:
    for _ in range(2):
        done = subprocess.run(
            [str(ROOT / "examples/capstone/run.sh"), str(OURS), "out dir"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        made = (tmp_path / "out dir" / "customer_master.csv").read_bytes()
        assert made == (OURS / EXPECTED).read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["out dir"]
