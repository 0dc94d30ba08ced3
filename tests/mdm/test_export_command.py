"""``mdm export`` as a user calls it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

ANN = {"id": "1", "name": "Ann Keller", "email": "ann@example.org", "updated_at": "2026-01-01"}
BEN = {"id": "2", "name": "Ben Okafor", "phone": "0161 496 0222", "updated_at": "2026-01-02"}


def test_from_a_run_to_files_and_the_lake(
    mdm: Any, customers: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mdm.write("a.jsonl", customers(ANN, BEN))
    assert mdm("load", "a.jsonl", "--source", "crm") == 0, mdm.err
    assert mdm("run") == 0, mdm.err
    assert mdm("export", "c.parquet") == 0, mdm.err
    assert "c.parquet: 2 rows of customers" in mdm.err
    assert mdm.out == ""
    frame = pl.read_parquet(mdm.folder / "c.parquet")
    assert sorted(frame["canonical_full_name"]) == ["Ann Keller", "Ben Okafor"]

    assert mdm("export", "c.parquet") == 2
    assert "--force" in mdm.err
    assert mdm("export", "c.parquet", "--force") == 0, mdm.err

    assert mdm("export", "all", "--format", "csv", "--what", "all") == 0, mdm.err
    written = {path.name: path for path in (mdm.folder / "all").iterdir()}
    assert set(written) == {
        "customers.csv", "lineage.csv", "history.csv", "identity_map.csv", "events.csv",
        "rejects.csv", "_export.json",
    }  # fmt: skip
    assert len(written["identity_map.csv"].read_text().splitlines()) == 3

    assert mdm("export", "m.csv", "--mask", "pii") == 2
    assert "MDM_EXPORT_KEY" in mdm.err
    monkeypatch.setenv("MDM_EXPORT_KEY", "0123456789abcdef")
    assert mdm("export", "m.csv", "--mask", "pii") == 0, mdm.err
    assert "Keller" not in (mdm.folder / "m.csv").read_text()

    assert mdm("export", "--lake") == 0, mdm.err
    assert "gold/dt=" in mdm.err
    assert mdm("run") == 0, mdm.err  # what lies below gold/ is no extract
    assert "no change" in mdm.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "TARGET"),
        (("c.csv", "--lake"), "not both"),
        (("c.txt",), "names no format"),
        (("c.csv", "--what", "shoes"), "allowed: customers"),
        (("c.xlsx", "--partition-by", "country"), "not excel"),
        (("c.csv", "--mask", "shoes"), "no such attribute"),
        (("c.csv", "--at", "yesterday"), "is no time"),
        (("--lake", "--format", "duckdb"), "csv and parquet"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(mdm: Any, words: Any, told: str) -> None:
    assert mdm("export", *words) == 2
    assert told in mdm.err
    assert sorted(path.name for path in mdm.folder.iterdir() if path.name != "home") == ["mdm.toml"]


def test_a_source_may_have_the_place_in_the_lake(mdm: Any) -> None:
    mapping = (mdm.folder / "mdm.toml").read_text().replace("sources.crm", "sources.gold")
    mdm.write("mdm.toml", mapping)
    assert mdm("export", "--lake") == 2
    assert "a source is called 'gold'" in mdm.err
