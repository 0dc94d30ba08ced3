"""``mdm evaluate`` as a user calls it, after a real run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

PEOPLE = """id,name,email,phone
1,Ada Lovelace,ada@engine.example,020 7946 0001
2,Ada Lovelace,ada@engine.example,
3,Alan Turing,alan@bombe.example,020 7946 0002
4,A. Turing,,
"""
TRUTH = "record_id,cluster_id,remark\n1,A,x\n2,A,\n3,B,\n4,B,the doubtful one\n9,B,never sent\n"


@pytest.fixture
def loaded(mdm: Any) -> Any:
    """Four records of two people, run to gold."""
    mdm.write("people.csv", PEOPLE)
    assert mdm("load", "people.csv", "--source", "crm") == 0, mdm.err
    assert mdm("run") == 0, mdm.err
    return mdm


def test_figures_and_examples_for_people_and_programs(loaded: Any) -> None:
    loaded.write("truth.csv", TRUTH)
    assert loaded("evaluate", "truth.csv") == 0, loaded.err
    for told in ("5 records of 2 true clusters", "1 of them are not in the warehouse", "B³"):
        assert told in loaded.out
    assert loaded("evaluate", "truth.csv", "--json") == 0, loaded.err
    result = json.loads(loaded.out)
    counts = result["counts"]
    assert (counts["records"], counts["missing"], counts["true_pairs"]) == (5, 1, 4)
    assert result["lost"]["ingestion"] == 2
    assert sum(result["lost"][step] for step in ("blocking", "scoring", "clustering")) == (
        2 - counts["correct_pairs"]
    )
    assert 0 < result["f1"] < 1
    assert result["b3"].keys() == {"precision", "recall", "f1"}


@pytest.mark.parametrize(
    ("truth", "words", "code", "told"),
    [
        ("record_id,cluster_id\nX,1\n", (), 1, "none of its 1 records is in the warehouse"),
        ("id,cluster\n1,1\n", (), 1, "no column record_id and cluster_id; found id, cluster"),
        (TRUTH, ("--chart", "picture.txt"), 2, "must be one of .png, .svg"),
        (TRUTH, ("--chart", "absent/picture.svg"), 2, "folder does not exist"),
    ],
)
def test_mistakes_are_told(
    loaded: Any, truth: str, words: tuple[str, ...], code: int, told: str
) -> None:
    loaded.write("truth.csv", truth)
    assert loaded("evaluate", "truth.csv", *words) == code
    assert told in loaded.err
    assert "Traceback" not in loaded.err


def test_before_the_first_run_there_is_nothing_to_evaluate(mdm: Any) -> None:
    mdm.write("truth.csv", TRUTH)
    assert mdm("evaluate", "truth.csv") == 1
    assert "mdm run" in mdm.err


def test_without_matplotlib_a_chart_says_how_to_get_it(
    mdm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mdm.write("truth.csv", TRUTH)
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as if it were not installed
    assert mdm("evaluate", "truth.csv", "--chart", "a.svg") == 2
    assert "-m pip install 'matplotlib" in mdm.err


@pytest.mark.parametrize(("ending", "begins"), [(".svg", b"<?xml"), (".png", b"\x89PNG")])
def test_a_chart_is_a_picture_and_the_same_every_time(
    loaded: Any, ending: str, begins: bytes
) -> None:
    pytest.importorskip("matplotlib", reason="charts are an optional extra")
    loaded.write("truth.csv", TRUTH)
    pictures = []
    for name in ("a", "b"):
        path: Path = loaded.folder / f"{name}{ending}"
        assert loaded("evaluate", "truth.csv", "--chart", str(path)) == 0, loaded.err
        pictures.append(path.read_bytes())
    assert pictures[0].startswith(begins)
    assert pictures[0] == pictures[1]
