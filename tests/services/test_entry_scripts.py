"""The two commands of a fresh machine: found, called and refused as a newcomer would meet them.

CI makes the real environment before it can run these tests; here a small `.venv` stands in, and
no package is fetched.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
SCRIPTS = ["run_mdm_pipeline.sh", "run_tests.sh", ".ci/run", "requirements/compile.sh"]
SETS = ["run", "test", "dev", "benchmark"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the scripts at a path with a space, with an environment that echoes its call."""
    copy = tmp_path / "my checkout"
    for name in (*SCRIPTS, "scripts/env.sh", "pyproject.toml"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    for name in SETS:
        shutil.copy(ROOT / "requirements" / f"{name}.txt", copy / "requirements")
    for program in ("mdm", "python"):
        file = copy / ".venv" / "bin" / program
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\necho {program}\npwd\nprintf '[%s]\\n' \"$@\"\nexit 7\n")
        file.chmod(0o755)
    return copy


def call(script: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(script), *arguments],
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )


def stamp(checkout: Path, name: str) -> None:
    """Mark the environment as whole, the way the scripts themselves do."""
    script = f'. "{checkout}/scripts/env.sh"; cd "$CHECKOUT"; stamp {name} >"$VENV/.stamp-{name}"'
    subprocess.run(["bash", "-c", script], check=True)


@pytest.mark.parametrize("name", [*SCRIPTS, "scripts/env.sh"])
def test_scripts_are_sound_and_say_what_they_do(name: str) -> None:
    file = ROOT / name
    subprocess.run(["bash", "-n", str(file)], check=True)
    text = file.read_text("utf-8")
    assert re.search(r"^# .{30,}", text, re.MULTILINE)
    assert not re.search(r"\b(declare -A|mapfile|readarray)\b|\$\{\w+[,^]", text), "bash 3.2"
    if name != "scripts/env.sh":
        assert os.access(file, os.X_OK)


@pytest.mark.parametrize("stamped", ["run", "test", "dev"])
def test_a_whole_environment_is_used_at_once(checkout: Path, stamped: str) -> None:
    stamp(checkout, stamped)
    began = time.perf_counter()
    done = call(checkout / "run_mdm_pipeline.sh", "--day", "2", "two words")
    assert time.perf_counter() - began < 1.0
    assert done.stdout.splitlines() == [
        "mdm",
        str(checkout),
        "[run]",
        "[--day]",
        "[2]",
        "[two words]",
    ]
    assert done.returncode == 7, "the exit code is the command's own"
    assert done.stderr == ""


def test_the_tests_need_a_larger_set_and_take_arguments(checkout: Path) -> None:
    stamp(checkout, "test")
    done = call(checkout / "run_tests.sh", "tests/gold", "-k", "a b")
    assert done.stdout.splitlines()[2:] == [
        "[-m]",
        "[pytest]",
        "[-n]",
        "[2]",
        "[tests/gold]",
        "[-k]",
        "[a b]",
    ]


@pytest.mark.parametrize("change", ["requirements", "project", "interrupted", "smaller set"])
def test_an_environment_that_does_not_fit_is_not_used(checkout: Path, change: str) -> None:
    stamp(checkout, "run")
    if change == "requirements":
        (checkout / "requirements" / "run.txt").write_text("other==1\n")
    elif change == "project":
        (checkout / "pyproject.toml").write_text("[project]\n")
    elif change == "interrupted":
        (checkout / ".venv" / ".installing").touch()
    wanted = "test" if change == "smaller set" else "run"
    script = f'. "{checkout}/scripts/env.sh"; cd "$CHECKOUT"; installed {wanted}'
    assert subprocess.run(["bash", "-c", script], check=False).returncode == 1


def test_without_python_it_says_what_to_install(checkout: Path, tmp_path: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "dirname", "cat", "cksum", "mkdir", "rm", "sed", "sort", "env"):
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    done = call(checkout / "run_mdm_pipeline.sh", PATH=str(tools), PYTHON="")
    assert done.returncode == 1
    assert "no Python 3.11 or newer found" in done.stderr
    assert "sudo apt install python3" in done.stderr
    assert not (checkout / ".venv.lock").exists()


@pytest.mark.parametrize("pid", ["999999999\n", None])
def test_a_lock_left_behind_does_not_block(checkout: Path, pid: str | None) -> None:
    """Its owner died, or was killed before it could write its pid down."""
    lock = checkout / ".venv.lock"
    lock.mkdir()
    if pid is not None:
        (lock / "pid").write_text(pid)
    script = f'. "{checkout}/scripts/env.sh"; take_lock && cat "$LOCK/pid" && release_lock'
    done = subprocess.run(
        ["bash", "-c", script], check=True, capture_output=True, text=True, timeout=30
    )
    assert done.stdout.strip().isdigit()
    assert not lock.exists()


@pytest.mark.parametrize("name", SETS)
def test_requirements_are_pinned_hashed_and_of_no_machine(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
    assert not re.search(r"https?:|file:|^-", text, re.MULTILINE)
    assert not re.search(r"(^|\s)/\w", text)
    entries = re.split(r"\n(?=[a-z])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip())
    for entry in entries:
        assert re.match(r"[a-z0-9-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize(
    ("name", "extras"),
    [("run", ()), ("test", ("test",)), ("dev", ("test", "dev", "charts"))],
)
def test_requirements_fit_the_project(name: str, extras: tuple[str, ...]) -> None:
    """As `requirements/compile.sh` would make them; a change of pyproject.toml needs it again."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], "setuptools"]
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
    pins: dict[str, list[str]] = {}
    for package, version in re.findall(r"^([a-z0-9-]+)==([^\s;]+)", text, re.MULTILINE):
        pins.setdefault(package, []).append(version)
    for requirement in map(Requirement, wanted):
        versions = pins.get(requirement.name.lower().replace("_", "-"), [])
        assert versions, f"{requirement.name} is not pinned"
        assert all(requirement.specifier.contains(version) for version in versions)
