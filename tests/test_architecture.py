"""The rules of the house that a reader should be able to rely on."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PHASE_ROOMS = ("producers", "ingestion", "staging", "matching", "identity", "gold")
SHARED_ROOMS = ("mdm", "db")


def modules(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Top-level packages that a module imports anywhere, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("room", PHASE_ROOMS)
def test_a_phase_imports_no_other_phase(room: str) -> None:
    others = set(PHASE_ROOMS) - {room}
    found = {
        str(path.relative_to(ROOT)): sorted(imported(path) & others)
        for path in modules(room)
        if imported(path) & others
    }
    assert found == {}


def test_what_phases_share_knows_no_phase() -> None:
    """Only the edges, the subcommands, call into rooms; they hold no logic of their own."""
    found = {
        str(path.relative_to(ROOT)): sorted(imported(path) & set(PHASE_ROOMS))
        for room in SHARED_ROOMS
        for path in modules(room)
        if imported(path) & set(PHASE_ROOMS) and "commands" not in path.parts
    }
    assert found == {}


def test_every_query_says_what_it_is_for() -> None:
    silent = []
    for room in (*PHASE_ROOMS, *SHARED_ROOMS):
        for path in sorted((ROOT / room).glob("*.sql")):
            parts = re.split(r"^-- name: *(\w+) *$", path.read_text("utf-8"), flags=re.MULTILINE)
            for name, body in zip(parts[1::2], parts[2::2], strict=True):
                if not body.strip().startswith("--"):
                    silent.append(f"{path.relative_to(ROOT)}: {name}")
    assert silent == []


def test_modules_stay_readable() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for room in (*PHASE_ROOMS, *SHARED_ROOMS)
        for path in modules(room)
        if (lines := len(path.read_text("utf-8").splitlines())) > 400
    }
    assert long == {}
