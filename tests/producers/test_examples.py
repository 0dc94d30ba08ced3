"""The foreign examples: short configurations, real fields, and a truth for every record."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from mdm.config import load
from mdm.extracts.model import Options
from mdm.extracts.reading import open_extract

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FILES: dict[str, dict[str, tuple[str, str | None]]] = {
    "hospital_crm": {"registry": ("registry.json", "patients"), "club": ("club.csv", None)},
    "wholesale": {"accounts": ("accounts.jsonl", None), "vendors": ("vendors.csv", None)},
}


def records(example: str, source: str) -> list[dict[str, Any]]:
    name, json_path = FILES[example][source]
    with open_extract(EXAMPLES / example / name, Options(json_path=json_path)) as extract:
        return [orjson.loads(line) for line in extract.lines]


def at(document: Any, path: str) -> Any:
    for part in path.split("."):
        document = document[part]
    return document


@pytest.mark.parametrize("example", FILES)
def test_the_configuration_is_short_and_valid(example: str) -> None:
    path = EXAMPLES / example / "mdm.toml"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 25
    config = load(path)
    assert set(config.sources) == set(FILES[example])
    assert not config.demo.enabled


@pytest.mark.parametrize(("example", "source"), [(e, s) for e in FILES for s in FILES[e]])
def test_mapped_fields_exist_and_truth_covers_every_record(example: str, source: str) -> None:
    config = load(EXAMPLES / example / "mdm.toml").sources[source]
    found = records(example, source)
    assert len(found) >= 30
    for spec in config.fields.values():
        assert isinstance(spec, str)
        for path in re.findall(r"{(.+?)}", spec) or [spec]:
            assert any(at(record, path) for record in found), path
    ids = [at(record, config.record_id) for record in found]
    with (EXAMPLES / example / "truth.csv").open(encoding="utf-8") as file:
        told = [row["record_id"] for row in csv.DictReader(file) if row["source"] == source]
    assert sorted(ids) == sorted(told)
    assert len(set(told)) == len(told)


@pytest.mark.parametrize("example", FILES)
def test_the_readme_names_every_file(example: str) -> None:
    text = (EXAMPLES / example / "README.md").read_text(encoding="utf-8")
    for source, (name, _) in FILES[example].items():
        assert f"examples/{example}/{name} --source {source}" in text
