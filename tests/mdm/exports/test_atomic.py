"""An export is there whole or not at all, and takes nothing of anybody's away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from mdm.errors import MdmError, UsageError
from mdm.exports import sinks, stream


def test_what_is_there_stays_without_force(tmp_path: Path, dirty: Any, export: Any) -> None:
    target = tmp_path / "c.csv"
    target.write_text("mine")
    with pytest.raises(UsageError, match="--force"):
        export(target, "csv")
    assert target.read_text() == "mine"
    export(target, "csv", force=True)
    assert len(target.read_text().splitlines()) > len(dirty)


def test_force_replaces_exports_not_folders_of_others(
    tmp_path: Path, dirty: Any, export: Any
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="replaces exports only"):
        export(mine, "csv", "customers", "events", force=True)
    with pytest.raises(UsageError, match="is a folder"):
        export(mine, "csv", force=True)
    assert (mine / "thesis.txt").read_text() == "years of work"

    folder = tmp_path / "out"
    export(folder, "csv", "customers", "events")
    (folder / "stale.csv").write_text("of before")
    export(folder, "parquet", "customers", "events", force=True)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["_export.json", "customers.parquet", "events.parquet"]
    with pytest.raises(UsageError, match="no such folder"):
        export(tmp_path / "missing" / "c.csv", "csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "out"]


@pytest.mark.parametrize("format_", ["csv", "parquet", "duckdb", "excel"])
def test_a_database_that_breaks_off_leaves_the_target_as_it_was(
    tmp_path: Path,
    dirty: Any,
    export: Any,
    format_: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = tmp_path / "c"
    target.write_text("of yesterday")
    whole = stream._transported

    def breaks_off(conn: Connection, selection: Any) -> str:
        name = next(iter(selection.types))
        poison = f"(SELECT 1 / (count(*) - {len(dirty)}) FROM gold.dim_customers)"
        return (
            f"SELECT * FROM ({whole(conn, selection)}) AS good UNION ALL SELECT * FROM "
            f'({whole(conn, selection)}) AS bad WHERE "{name}" IS NULL OR {poison} = 1'
        )

    monkeypatch.setattr(stream, "_transported", breaks_off)
    with pytest.raises(MdmError, match="broke off"):
        export(target, format_, force=True)
    assert target.read_text() == "of yesterday"
    assert list(tmp_path.iterdir()) == [target]


def test_a_writer_that_gives_up_does_not_hang_and_quotes_nobody(
    tmp_path: Path, conn: Connection, export: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # more than a pipe holds, so that COPY is still writing when the reader stops
    conn.execute(
        text(
            "INSERT INTO gold.dim_customers (global_customer_id, canonical_full_name,"
            " source_systems, primary_source, record_count, data_quality_score, match_confidence,"
            " last_seen_at, created_at, updated_at, run_id)"
            " SELECT gen_random_uuid(), repeat('Ann ', 500), '{crm}', 'crm', 1, 1, 1, now(), now(),"
            " now(), 1 FROM generate_series(1, 5000)"
        )
    )
    conn.commit()
    monkeypatch.setattr(stream, "_LONGEST_ROW", 1_000)
    with pytest.raises(sinks.ExportFailed) as caught:
        export(tmp_path / "c.parquet", "parquet")
    assert "Ann" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert export(tmp_path / "c.parquet", "parquet").rows == {"customers": 5_000}


def test_a_disk_that_refuses_is_told(tmp_path: Path, dirty: Any, export: Any) -> None:
    with pytest.raises(MdmError, match="cannot be written: File name too long"):
        export(tmp_path / ("x" * 300 + ".csv"), "csv")
    assert list(tmp_path.iterdir()) == []
