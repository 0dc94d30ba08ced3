"""Every format gives back what gold holds: no value bent, no type lost, no row missing."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import fastexcel
import polars as pl
import pytest
from sqlalchemy import Connection, Engine, text

from mdm.errors import UsageError
from mdm.exports import excel
from mdm.exports.datasets import DATASETS
from mdm.exports.export import Request, to_lake
from mdm.lake import Lake
from mdm.progress import silent

Dirty = tuple[dict[str, Any], ...]
SEEN = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def customer_id(number: int) -> str:
    return f"0199c3b0-0000-7000-8000-{number:012x}"


def test_parquet_keeps_every_value_and_type(tmp_path: Path, dirty: Dirty, export: Any) -> None:
    done = export(tmp_path / "c.parquet", "parquet")
    assert done.rows == {"customers": len(dirty)}
    frame = pl.read_parquet(tmp_path / "c.parquet")
    assert dict(frame.schema) | {
        "global_customer_id": pl.String,
        "canonical_date_of_birth": pl.Date,
        "extra": pl.String,
        "source_systems": pl.List(pl.String),
        "record_count": pl.Int32,
        "data_quality_score": pl.Decimal(4, 3),
        "match_confidence": pl.Float32,
        "last_seen_at": pl.Datetime("us", "UTC"),
        "run_id": pl.Int64,
    } == dict(frame.schema)
    for number, (row, values) in enumerate(zip(frame.to_dicts(), dirty, strict=True)):
        assert row["global_customer_id"] == customer_id(number)
        assert json.loads(row.pop("extra")) == values.get("extra", {})
        assert row["source_systems"] == ["crm", 'sh"o,p']
        assert row["data_quality_score"] == Decimal("0.875")
        assert row["last_seen_at"] == SEEN
        for name in (name for name in row if name.startswith("canonical_")):
            assert row[name] == values.get(name), name


def test_csv_tells_empty_from_nothing_and_quotes_the_rest(
    tmp_path: Path, dirty: Dirty, export: Any
) -> None:
    export(tmp_path / "c.csv", "csv")
    raw = (tmp_path / "c.csv").read_bytes()
    assert not raw.startswith(b"\xef\xbb\xbf")
    with (tmp_path / "c.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row, values in zip(rows, dirty, strict=True):
        for name in (name for name in row if name.startswith("canonical_")):
            assert row[name] == str(values.get(name) or ""), name
        assert json.loads(row["source_systems"]) == ["crm", 'sh"o,p']
        assert json.loads(row["extra"]) == values.get("extra", {})
        assert datetime.fromisoformat(row["last_seen_at"]) == SEEN
    assert raw.splitlines()[6].count(b'""') or b',"",' in raw  # the one empty text

    back = duckdb.sql(
        "SELECT canonical_full_name FROM read_csv($file, all_varchar = true,"
        " allow_quoted_nulls = false)",
        params={"file": str(tmp_path / "c.csv")},
    ).fetchall()
    assert back == [(values.get("canonical_full_name"),) for values in dirty]


def test_csv_for_spreadsheets_defuses_formulas_only_when_asked(
    tmp_path: Path, dirty: Dirty, export: Any
) -> None:
    export(tmp_path / "c.csv", "csv", excel_safe=True)
    with (tmp_path / "c.csv").open(encoding="utf-8", newline="") as file:
        row = list(csv.DictReader(file))[4]
    assert row["canonical_full_name"] == '\'=HYPERLINK("http://x")'
    assert row["canonical_phone"] == "'+442079460000"
    assert row["primary_source"] == "crm"
    with pytest.raises(UsageError, match="is for csv"):
        export(tmp_path / "c.parquet", "parquet", excel_safe=True)


def test_duckdb_holds_tables_and_a_plain_view(
    tmp_path: Path, conn: Connection, dirty: Dirty, export: Any
) -> None:
    conn.execute(
        text(
            "INSERT INTO gold.golden_attributes (attribute, position, kind, is_extra)"
            " VALUES ('job', 17, 'text', true)"
        )
    )
    conn.commit()
    done = export(tmp_path / "x.duckdb", "duckdb", *DATASETS)
    assert done.rows == dict.fromkeys(DATASETS, 0) | {"customers": len(dirty)}
    moved = (tmp_path / "x.duckdb").rename(tmp_path / "another name.duckdb")
    with duckdb.connect(str(moved), read_only=True) as duck:
        tables = duck.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        assert {name for (name,) in tables} == set(DATASETS)
        types = {row[0]: row[1] for row in duck.execute("DESCRIBE customers").fetchall()}
        assert types["global_customer_id"] == "UUID"
        assert types["last_seen_at"] == "TIMESTAMP WITH TIME ZONE"
        assert types["source_systems"] == "VARCHAR[]"
        assert types["extra"] == "JSON"
        assert types["canonical_date_of_birth"] == "DATE"
        assert types["data_quality_score"] == "DECIMAL(4,3)"
        shown = duck.execute(
            "SELECT full_name, street, date_of_birth, job FROM golden_customers"
            " ORDER BY global_customer_id"
        ).fetchall()
    assert shown == [
        (
            values.get("canonical_full_name"),
            values.get("canonical_street"),
            values.get("canonical_date_of_birth"),
            values.get("extra", {}).get("job"),
        )
        for values in dirty
    ]


def test_excel_holds_texts_as_texts(tmp_path: Path, dirty: Dirty, export: Any) -> None:
    export(tmp_path / "c.xlsx", "excel", "customers", "events")
    book = fastexcel.read_excel(tmp_path / "c.xlsx")
    assert book.sheet_names == ["customers", "events"]
    rows = book.load_sheet("customers", dtypes="string").to_polars().to_dicts()
    assert len(rows) == len(dirty)
    for row, values in zip(rows, dirty, strict=True):
        for name in ("canonical_full_name", "canonical_street", "canonical_postcode",
                     "canonical_customer_number", "canonical_phone"):  # fmt: skip
            # a cell cannot tell an empty text from nothing, and XML ends lines its own way
            told = str(row[name] or "").replace("_x000D_", "\r").replace("\r\n", "\n")
            assert told == str(values.get(name) or "").replace("\r\n", "\n"), name
    typed = book.load_sheet("customers").to_polars()
    assert typed["last_seen_at"].dtype == pl.Datetime("ms")
    assert typed["record_count"].to_list() == [2.0] * len(dirty)
    assert rows[6]["canonical_date_of_birth"] == "1897-02-28"  # Excel knows no day before 1900


def test_excel_refuses_what_it_would_cut(
    tmp_path: Path, add_customer: Any, export: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_customer(canonical_street="x" * 32_767)
    export(tmp_path / "fits.xlsx", "excel")
    add_customer(canonical_street="x" * 32_768)
    with pytest.raises(UsageError, match=r"customers, row 2: a text of 32,768 signs"):
        export(tmp_path / "c.xlsx", "excel")
    monkeypatch.setattr(excel, "MAX_ROWS", 1)
    with pytest.raises(UsageError, match="a sheet of Excel holds 1"):
        export(tmp_path / "c.xlsx", "excel")
    assert [path.name for path in tmp_path.iterdir()] == ["fits.xlsx"]


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_a_folder_per_value_reads_back_as_it_was(
    tmp_path: Path, dirty: Dirty, export: Any, format_: str
) -> None:
    done = export(tmp_path / "out", format_, partition_by=("country",))
    assert done.rows == {"customers": len(dirty)}
    folders = sorted(path.name for path in (tmp_path / "out" / "customers").iterdir())
    assert folders == [
        "canonical_country=D%2FE",
        "canonical_country=DE",
        "canonical_country=GB",
        "canonical_country=__HIVE_DEFAULT_PARTITION__",
    ]
    pattern = str(tmp_path / "out" / "customers" / "*" / f"*.{format_}")
    read = "read_parquet" if format_ == "parquet" else "read_csv"
    rows = duckdb.sql(
        f"SELECT canonical_country, count(*) FROM {read}('{pattern}', hive_partitioning = false)"
        " GROUP BY 1 ORDER BY 1 NULLS LAST"
    ).fetchall()
    assert rows == [("D/E", 1), ("DE", 1), ("GB", 1), (None, len(dirty) - 3)]
    manifest = json.loads((tmp_path / "out" / "_export.json").read_text())
    assert manifest["datasets"] == done.rows
    with pytest.raises(UsageError, match="has no such column"):
        export(tmp_path / "other", format_, partition_by=("shoe_size",))


def test_too_many_folders_are_refused(
    tmp_path: Path, dirty: Dirty, export: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mdm.exports.export.MAX_PARTITIONS", 2)
    with pytest.raises(UsageError, match="3 different values in customers"):
        export(tmp_path / "out", "csv", partition_by=("country",))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format_", ["csv", "parquet", "duckdb", "excel"])
def test_nothing_in_gold_is_a_whole_file_with_columns(
    tmp_path: Path, export: Any, format_: str
) -> None:
    assert export(tmp_path / "c", format_).rows == {"customers": 0}
    assert (tmp_path / "c").stat().st_size > 0
    if format_ == "csv":
        header = (tmp_path / "c").read_text().splitlines()
        assert len(header) == 1
        assert header[0].startswith("global_customer_id,canonical_full_name,")


def test_rejects_keep_their_bytes(tmp_path: Path, conn: Connection, export: Any) -> None:
    line = bytes(range(256)) * 3
    conn.execute(
        text(
            "INSERT INTO raw.lake_objects (source, object_key, etag, size_bytes, last_modified,"
            " object_at, state, rows_n, rejected_n, run_id)"
            " VALUES ('crm', 'crm/a', 'e', 1, now(), now(), 'LOADED', 0, 1, 1)"
        )
    )
    conn.execute(
        text(
            "INSERT INTO raw.rejected_lines (object_id, line_no, source, reason, line, run_id)"
            " SELECT object_id, 1, 'crm', 'not JSON', :line, 1 FROM raw.lake_objects"
        ),
        {"line": line},
    )
    conn.commit()
    export(tmp_path / "r.parquet", "parquet", "rejects")
    frame = pl.read_parquet(tmp_path / "r.parquet")
    assert frame["line"].to_list() == [line]
    assert frame["object_key"].to_list() == ["crm/a"]


def test_customers_as_they_were(tmp_path: Path, conn: Connection, export: Any) -> None:
    for version, (since, until, name) in enumerate(
        [("2026-01-01", "2026-01-05", "Ann Old"), ("2026-01-05", None, "Ann New")], start=1
    ):
        conn.execute(
            text(
                "INSERT INTO gold.dim_customers_history (global_customer_id, version, valid_from,"
                " valid_to, previous_valid_to, change_id, run_id, canonical_full_name, extra,"
                " source_systems, primary_source, rests_on_until) VALUES (:id, :version, :since,"
                " :until, :before, :version, 1, :name, '{}', '{crm}', 'crm', :since)"
            ),
            {
                "id": customer_id(1),
                "version": version,
                "since": since,
                "until": until,
                "before": None if version == 1 else since,
                "name": name,
            },
        )
    conn.commit()

    def names_at(day: int) -> list[str]:
        target = tmp_path / f"{day}.parquet"
        export(target, "parquet", at=datetime(2026, 1, day, tzinfo=UTC))
        return pl.read_parquet(target)["canonical_full_name"].to_list()

    assert names_at(4) == ["Ann Old"]
    assert names_at(5) == ["Ann New"]
    assert export(tmp_path / "h.csv", "csv", "history").rows == {"history": 2}
    with pytest.raises(UsageError, match="not events"):
        export(tmp_path / "x", "parquet", "events", at=datetime(2026, 1, 4, tzinfo=UTC))
    with pytest.raises(UsageError, match="moment to come"):
        export(tmp_path / "x", "parquet", at=datetime(2999, 1, 1, tzinfo=UTC))


def test_the_lake_gets_a_day_once(
    tmp_path: Path, engine: Engine, conn: Connection, lake: Lake, dirty: Dirty
) -> None:
    def put(**options: Any) -> Any:
        request = Request(format="parquet", **options)
        return to_lake(engine, lake, request, key=None, progress=silent, folder=tmp_path)

    with pytest.raises(UsageError, match="nothing was published"):
        put()
    marks = json.dumps({"as_of": "2026-03-04T05:06:07+00:00"})
    conn.execute(text("INSERT INTO gold.layer_state VALUES ('golden', 7, :m)"), {"m": marks})
    conn.commit()
    assert put().rows == {"customers": len(dirty)}
    assert [one.key for one in lake.list("gold/")] == ["gold/dt=2026-03-04/customers.parquet"]
    with lake.open("gold/dt=2026-03-04/customers.parquet") as stream:
        assert len(pl.read_parquet(stream.read())) == len(dirty)
    with pytest.raises(UsageError, match="--force"):
        put()
    put(partition_by=("country",), force=True)
    keys = [one.key for one in lake.list("gold/")]
    assert "gold/dt=2026-03-04/customers.parquet" not in keys  # replaced, not doubled
    assert len([key for key in keys if "/canonical_country=" in key]) == 4
    assert list(tmp_path.iterdir()) == []
