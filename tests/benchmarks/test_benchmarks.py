"""The benchmarks: their parts by cases, and each as a program on a little data."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl
import pytest

from benchmarks import harness, match_quality
from benchmarks.harness import PeakMemory, Rows, made_up
from benchmarks.match_quality import LabelledSet, Skipped, falls, found_sets
from mdm.config import Config
from mdm.config import load as load_config

ROOT = Path(__file__).resolve().parents[2]


def labelled(folder: Path, name: str, *files: str) -> Path:
    """A folder ``name`` with the given files, empty."""
    path = folder / name
    path.mkdir(parents=True)
    for file in files:
        (path / file).touch()
    return path


def test_a_set_is_a_folder_with_records_truth_and_mapping(tmp_path: Path) -> None:
    complete = labelled(tmp_path, "own", "records.csv.gz", "truth.csv", "mdm.toml")
    labelled(tmp_path, "febrl3", "records.csv", "truth.csv.gz")
    labelled(tmp_path, "unmapped", "records.csv", "truth.csv")
    labelled(tmp_path, "name_pairs", "pairs.csv")
    (tmp_path / "INDEX.md").touch()
    found = {one.name: one for one in found_sets((tmp_path, tmp_path / "absent"))}
    assert found["own"] == LabelledSet(
        "own", complete / "records.csv.gz", complete / "truth.csv", complete / "mdm.toml"
    )
    febrl3 = found["febrl3"]
    assert isinstance(febrl3, LabelledSet)
    assert febrl3.mapping == ROOT / "benchmarks" / "datasets" / "febrl3.toml"
    assert found["unmapped"] == Skipped(
        "unmapped", "has no mapping: write mdm.toml into its folder"
    )
    assert found["name_pairs"] == Skipped("name_pairs", "has no records.csv")
    assert found["historical_50k"] == Skipped("historical_50k", "its data are not here")
    assert "INDEX.md" not in found


def test_every_committed_mapping_is_valid() -> None:
    mappings = sorted((ROOT / "benchmarks" / "datasets").glob("*.toml"))
    assert mappings
    for path in mappings:
        assert load_config(path).sources


def test_records_of_several_sources_are_taken_apart(tmp_path: Path) -> None:
    folder = labelled(tmp_path, "two")
    (folder / "records.csv").write_text("record_id,source,name\n01,a,x\n02,b,y\n03,a,z\n")
    fields = {"full_name": "name"}
    config = Config.model_validate(
        {
            "sources": {
                name: {"table": name, "record_id": "record_id", "fields": fields}
                for name in ("a", "b")
            }
        }
    )
    one = LabelledSet("two", folder / "records.csv", folder / "truth.csv", folder / "mdm.toml")
    parts = dict(match_quality._files_by_source(one, config, tmp_path / "extracts"))
    ids = {
        source: pl.read_csv(file, infer_schema=False)["record_id"].to_list()
        for source, file in parts.items()
    }
    assert ids == {"a": ["01", "03"], "b": ["02"]}


@pytest.mark.parametrize(
    ("now", "before", "fell"),
    [(0.9, 0.9, False), (0.8951, 0.9, False), (0.8949, 0.9, True), (0.99, 0.9, False)],
)
def test_half_a_point_is_the_allowed_fall(now: float, before: float, fell: bool) -> None:
    found = falls([{"set": "s", "f1": now}], {"s": {"f1": before}})
    assert bool(found) is fell
    assert not falls([{"set": "new", "f1": now}], {"s": {"f1": before}})


def test_parts_of_the_made_up_file_are_the_whole() -> None:
    whole = pl.concat([records for records, _ in made_up(Rows(700, 0, 700))])
    parts = [
        pl.concat([records for records, _ in made_up(Rows(700, first, last))])
        for first, last in ((0, 600), (600, 700))
    ]
    assert pl.concat(parts).equals(whole)
    assert len(whole) == 700


def test_peak_memory_sees_what_was_freed_again() -> None:
    with PeakMemory() as memory:
        size = 200 * 2**20
        block = np.ones(size, dtype=np.uint8)
        assert block.sum() == size
        del block
    assert 200 < memory.mib < 20_000


# -- as programs -----------------------------------------------------------------------------------


def run(*words: str, home: Path) -> tuple[int, list[str], str]:
    """Exit code, lines of stdout, and stderr of ``python -m WORDS``; leaves nothing behind."""
    home.mkdir(exist_ok=True)
    ended = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not list(home.glob("mdm-benchmark-*")), "a home was left behind"
    return ended.returncode, ended.stdout.splitlines(), ended.stderr


@pytest.fixture
def scratch() -> Any:
    """A short folder for temporary homes that a server of another user can enter."""
    with tempfile.TemporaryDirectory(prefix="b-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.slow
def test_full_run_ends_with_a_line_of_json(scratch: Path) -> None:
    code, lines, errors = run("benchmarks.full_run", "--records", "400", home=scratch)
    assert code == 0, errors
    result = orjson.loads(lines[-1])
    assert result["records"] == 400
    assert {"total_seconds", "peak_rss_mib", "phases"} <= result.keys()
    assert {"ingestion", "matching", "quality"} <= result["phases"].keys()
    for phase in result["phases"].values():
        assert phase.keys() == {"seconds", "rows_per_second"}
    assert result["phases"]["ingestion"]["rows_per_second"] > 0
    matching, phases = result["matching"], result["phases"]
    assert 0 < matching["training_seconds"] < phases["matching"]["seconds"]
    assert 0 < matching["clustering_seconds"] < phases["identity"]["seconds"]
    together = sum(phases[name]["seconds"] for name in ("blocking", "matching", "identity"))
    assert (
        phases["blocking"]["seconds"] < matching["blocking_scoring_clustering_seconds"] < together
    )
    assert result["f1"] > 0.8


@pytest.mark.slow
def test_incremental_ends_with_a_line_of_json(scratch: Path) -> None:
    code, lines, errors = run("benchmarks.incremental", "--records", "400", home=scratch)
    assert code == 0, errors
    result = orjson.loads(lines[-1])
    assert result["records"] == 400
    for name in ("full_seconds", "delta_1pct_seconds", "noop_seconds", "decision_seconds"):
        assert result[name] > 0
    assert result["noop_seconds"] < result["full_seconds"]


@pytest.mark.slow
def test_a_value_that_strangers_share_does_not_join_them(scratch: Path) -> None:
    code, lines, errors = run("benchmarks.shared_values", "--records", "2000", home=scratch)
    assert code == 0, errors
    result = orjson.loads(lines[-1])
    for attribute in ("email", "phone"):
        assert result[attribute]["precision"] >= result["plain"]["precision"] - 0.01
        assert result[attribute]["f1"] >= result["plain"]["f1"] - 0.01


@pytest.mark.slow
def test_a_folder_of_sets_is_run_through_the_pipeline(scratch: Path) -> None:
    folder = labelled(scratch / "data", "little")
    (folder / "records.csv").write_text(
        "id,name,mail\n"
        + "".join(
            f"{i},{name},{name.split()[1].lower()}@example.org\n"
            for i, name in enumerate(["Ada Lovelace", "Ada Lovelace", "Alan Turing", "Kurt Goedel"])
        )
    )
    (folder / "truth.csv").write_text("record_id,cluster_id\n0,A\n1,A\n2,B\n3,C\n")
    (folder / "mdm.toml").write_text(
        '[sources.s]\ntable = "s"\nrecord_id = "id"\n'
        '[sources.s.fields]\nfull_name = "name"\nemail = "mail"\n'
    )
    words = ("benchmarks.match_quality", "--data", str(scratch / "data"), "--json")
    code, lines, errors = run(*words, home=scratch)
    assert code == 0, errors
    result = orjson.loads(lines[-1])
    (row,) = result["sets"]
    assert (row["set"], row["records"], row["f1"]) == ("little", 4, 1.0)
    assert result["skipped"]["febrl3"] == "its data are not here"


def test_without_splink_it_says_how_to_get_it(scratch: Path) -> None:
    empty = scratch / "python"
    empty.write_text("#!/bin/sh\nexit 1\n")
    empty.chmod(0o755)
    code, _, errors = run(
        "benchmarks.versus_splink", "--records", "10", "--splink-python", str(empty), home=scratch
    )
    assert code == 2
    assert "customer-master[benchmark]" in errors


def test_results_are_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    harness.result_line({"seconds": 1.234567, "deep": [{"f1": 0.999999}], "records": 3})
    assert capsys.readouterr().out == '{"seconds":1.2346,"deep":[{"f1":1.0}],"records":3}\n'
