"""Phase 1 against a real lake: it produces where the configuration asks for it, and once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection

from mdm.config import Config, load
from mdm.lake import Lake
from mdm.phases import DemoOptions, RunContext
from producers.run_production import run

MakeContext = Callable[..., RunContext]


@pytest.fixture
def demo_config() -> Config:
    """The configuration that the project ships."""
    return load(Path(__file__).resolve().parents[2] / "mdm.toml")


def test_a_second_run_of_a_day_puts_nothing_new(
    conn: Connection, lake: Lake, make_context: MakeContext, demo_config: Config
) -> None:
    asked = DemoOptions(records=300, seed=42, day=1)
    ctx = replace(make_context(demo_config), demo=asked)
    first = run(conn, ctx)
    stored = {entry.key: entry.etag for entry in lake.list()}
    assert first.detail["records"] == 300
    assert first.detail["objects"] == len(stored)
    assert {key.split("/")[0] for key in stored} == {"sales", "support", "marketing"}
    assert all(entry.at < ctx.as_of for entry in lake.list())

    again = run(conn, replace(make_context(demo_config), demo=asked))
    assert (again.rows_in, again.rows_out) == (0, 0)
    assert {entry.key: entry.etag for entry in lake.list()} == stored

    later = replace(make_context(demo_config), demo=replace(asked, day=2))
    assert run(conn, later).detail["records"] > 0
    assert stored.items() < {entry.key: entry.etag for entry in lake.list()}.items()
    truth = (ctx.home / "truth" / "demo_truth.csv").read_text().splitlines()
    assert len(truth) > 300


def test_nothing_is_produced_where_nobody_asked(
    conn: Connection, lake: Lake, make_context: MakeContext, config: Config, demo_config: Config
) -> None:
    off = demo_config.model_copy(
        update={"demo": demo_config.demo.model_copy(update={"enabled": False})}
    )
    on_without_producer = config.model_copy(update={"demo": demo_config.demo})
    for quiet in (off, on_without_producer):
        ctx = replace(make_context(quiet), demo=DemoOptions(records=300, seed=42, day=1))
        report = run(conn, ctx)
        assert (report.rows_in, report.rows_out) == (0, 0)
    assert not list(lake.list())
    assert not (ctx.home / "demo.json").exists()
