"""docs/contracts.md says what happens: its configurations load and its example ends as it says."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
import pytest

from ingestion.contracts import Judge
from mdm.config import Config, load
from mdm.contracts import Contract, FieldContract

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "contracts.md").read_text(encoding="utf-8")
SOURCE = """
[sources.crm]
table = "crm_customers"
record_id = "customer_id"
date_order = "DMY"
[sources.crm.fields]
full_name = "name"
email = "email"
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def configured(tmp_path: Path, block: str) -> Config:
    path = tmp_path / "mdm.toml"
    path.write_text(SOURCE + block, encoding="utf-8")
    return load(path)


@pytest.mark.parametrize("block", blocks("toml"))
def test_every_configuration_of_the_page_loads(tmp_path: Path, block: str) -> None:
    assert configured(tmp_path, block).sources["crm"].contract is not None


def test_the_example_ends_as_the_page_says(tmp_path: Path) -> None:
    source = configured(tmp_path, blocks("toml")[0]).sources["crm"]
    assert source.contract is not None
    judge = Judge(source, source.contract)
    documents = [orjson.loads(line) for line in blocks("jsonl")[0].splitlines()]
    found = [
        (str(number + 1), why.reason, why.detail) for number, why in judge.judge(documents).items()
    ]
    told = re.findall(r"^\| (\d+) \| `(contract: .*?)` \| (.*) \|$", PAGE, re.MULTILINE)
    assert found == told
    judge.end_object()
    assert len(found) <= source.contract.max_bad_share * len(documents)  # type: ignore[operator]


def test_every_key_is_on_the_page() -> None:
    keys = {*Contract.model_fields, *FieldContract.model_fields} - {"fields"}
    assert {key for key in keys if f"`{key}" not in PAGE} == set()
