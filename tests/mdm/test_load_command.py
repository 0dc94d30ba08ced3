"""``mdm load`` as people call it: any file, folder, bucket or database, and their mistakes."""

from __future__ import annotations

import dataclasses
import gzip
import json
import random
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xlsxwriter
from sqlalchemy import Engine, create_engine, text

from mdm.errors import MdmError
from mdm.extracts.loader import load_extract
from mdm.extracts.locations import bucket_endpoints
from mdm.extracts.model import Extract
from mdm.lake import Lake
from mdm.progress import silent
from mdm.services.model import Endpoints

CSV = "id,name,email\n1,Zoë,z@example.org\n2,Ben,b@example.org\n"


def lines(lake: Lake) -> list[dict[str, Any]]:
    """Every record in the lake, in the order of keys."""
    found = []
    for entry in lake.list("crm/"):
        with lake.open(entry.key) as stream:
            found += [json.loads(line) for line in stream.read().splitlines()]
    return found


def ids(lake: Lake) -> list[str]:
    return [str(line["id"]) for line in lines(lake)]


def test_files_of_a_folder_and_of_a_pattern(mdm: Any, lake: Lake) -> None:
    folder = mdm.folder / "in"
    (folder / "dt=1").mkdir(parents=True)
    (folder / "b.csv").write_text("id\n1\n")
    (folder / "dt=1" / "a.jsonl").write_text('{"id": "2"}\n')
    (folder / "notes.txt").write_text("not an extract")
    (folder / ".hidden.csv").write_text("id\n9\n")
    pl.DataFrame({"id": ["3"]}).write_parquet(folder / "c[1].parquet")
    assert mdm("load", str(folder), "--source", "crm") == 0, mdm.err
    assert sorted(ids(lake)) == ["1", "2", "3"]
    assert mdm("load", str(folder / "*.csv"), "--source", "crm") == 0, mdm.err
    assert sorted(ids(lake)) == ["1", "1", "2", "3"]


def test_every_option_of_a_format(mdm: Any, lake: Lake) -> None:
    with xlsxwriter.Workbook(mdm.folder / "a.xlsx") as book:
        book.add_worksheet("one").write_row(0, 0, ["id"])
        book.add_worksheet("two").write_column(0, 0, ["id", "1"])
    mdm.write("a.json", '{"a": {"b": [{"id": "2"}]}}')
    with sqlite3.connect(mdm.folder / "a.db") as database:
        database.execute("CREATE TABLE t AS SELECT '3' AS id")
        database.execute("CREATE TABLE u AS SELECT '9' AS id")
    database.close()
    mdm.write("export.txt", "id\n5\n")
    for words in (
        ["a.xlsx", "--sheet", "two"],
        ["a.json", "--path", "a.b"],
        ["a.db", "--table", "t"],
        ["a.db", "--query", "SELECT '4' AS id FROM u"],
        ["export.txt", "--format", "csv"],
    ):
        assert mdm("load", *words, "--source", "crm") == 0, mdm.err
    assert ids(lake) == ["1", "2", "3", "4", "5"]


def test_an_object_of_a_bucket(mdm: Any, lake: Lake, endpoints: Endpoints) -> None:
    lake.put("incoming/people #1.csv", CSV.encode())
    address = f"s3://{lake.bucket}/incoming/people #1.csv"
    assert mdm("load", address, "--source", "crm") == 0, mdm.err
    assert ids(lake) == ["1", "2"]
    assert mdm("load", f"s3://{lake.bucket}/incoming/none.csv", "--source", "crm") == 1
    assert "no such object" in mdm.err
    assert mdm("load", "s3://no-bucket/none.csv", "--source", "crm") == 1
    assert "s3://no-bucket/none.csv: no such bucket" in mdm.err
    assert mdm("load", "s3://nothing", "--source", "crm") == 2
    assert "s3://bucket/key" in mdm.err
    elsewhere = bucket_endpoints(
        endpoints,
        "other",
        {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-west-1"},
    )
    assert elsewhere.s3_endpoint == "s3.eu-west-1.amazonaws.com"
    assert elsewhere.s3_secure
    assert bucket_endpoints(endpoints, "other", {}) == dataclasses.replace(
        endpoints, bucket="other"
    )


@pytest.fixture
def web() -> Iterator[str]:
    """A web server that holds one file at /people.csv."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            here = self.path.startswith("/people.csv")
            self.send_response(200 if here else 403)
            self.end_headers()
            self.wfile.write(CSV.encode() if here else b"no")

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_presigned_address(mdm: Any, lake: Lake, web: str) -> None:
    assert mdm("load", f"{web}/people.csv?signature=secret", "--source", "crm") == 0, mdm.err
    assert ids(lake) == ["1", "2"]
    assert mdm("load", f"{web}/none.csv?signature=secret", "--source", "crm") == 1
    assert "the server answers 403" in mdm.err
    assert "secret" not in mdm.err


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["missing.csv"], 1, "missing.csv: no such file"),
        (["none*.csv"], 1, "no file matches"),
        (["empty"], 1, "the folder holds no file of a known format"),
        (["a.csv", "--sheet", "x"], 2, "--sheet is for excel"),
        ([], 2, "name files to load, or a database"),
        (["--url", "sqlite://"], 2, "--url needs --query"),
        (["a.csv", "--cursor", "x"], 2, "--cursor is for a database"),
        (["--url", "nonsense", "--query", "SELECT 1"], 2, "--url is no database address"),
        (["--url", "nodb://h/d", "--query", "SELECT 1"], 2, "no database is called 'nodb'"),
        (["--url", "mysql+pymysql://u:pw@h/d", "--query", "x"], 2, "pip install pymysql"),
        (["--url", "sqlite:///none/x.db", "--query", "SELECT 1"], 1, "unable to open"),
        (["--url", "sqlite://", "--query", "SELECT nope"], 1, "no such column: nope"),
        (["--url", "sqlite://", "--query", "SELECT 1 AS a", "--cursor", "b"], 1, "no column 'b'"),
        (["--url", "sqlite://", "--query", "SELECT 1", "--anew"], 2, "--anew|--cursor"),
    ],
)
def test_mistakes_are_told(mdm: Any, words: list[str], code: int, told: str, lake: Lake) -> None:
    mdm.write("a.csv", CSV)
    (mdm.folder / "empty").mkdir()
    assert mdm("load", *words, "--source", "crm") == code, mdm.err
    assert any(part in mdm.err for part in told.split("|")), mdm.err
    assert "Traceback" not in mdm.err
    assert "pw" not in mdm.err
    assert list(lake.list("crm/")) == []


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl", "a.xlsx", "a.parquet", "a.duckdb"])
def test_a_million_random_bytes(mdm: Any, lake: Lake, name: str) -> None:
    """A clear error at the door; JSON lines are judged by ingestion, which refuses the object."""
    (mdm.folder / name).write_bytes(random.Random(7).randbytes(1_000_000))
    code = mdm("load", name, "--source", "crm")
    assert "Traceback" not in mdm.err
    if name != "a.jsonl":
        assert code == 1
        assert name in mdm.err
        assert list(lake.list("crm/")) == []
        return
    assert code == 0, mdm.err
    assert mdm("run") == 0, mdm.err
    assert mdm.rows("SELECT state, rows_n FROM raw.lake_objects") == [["REJECTED", "0"]]
    kept = mdm.rows("SELECT count(*) > 1000 FROM raw.rejected_lines")
    assert kept == [["t"]]


def test_of_a_truncated_file_nothing_stays(
    mdm: Any, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mdm.extracts.loader._OBJECT_BYTES", 1000)
    whole = gzip.compress(b"id,name\n" + b"1,x\n" * 50_000)
    (mdm.folder / "a.csv.gz").write_bytes(whole[:-20])
    assert mdm("load", "a.csv.gz", "--source", "crm") == 1
    assert "damaged gzip" in mdm.err
    assert list(lake.list("crm/")) == []


def test_a_line_over_the_configured_limit(mdm: Any, lake: Lake) -> None:
    config = (mdm.folder / "mdm.toml").read_text()
    mdm.write("mdm.toml", config + "\n[ingestion]\nmax_line_bytes = 2000\n")
    mdm.write("a.jsonl", '{"id": "1"}\n' * 500 + json.dumps({"id": "2", "n": "x" * 5000}) + "\n")
    assert mdm("load", "a.jsonl", "--source", "crm") == 1
    assert "line 501 is longer than 2,000 bytes (ingestion.max_line_bytes)" in mdm.err
    with sqlite3.connect(mdm.folder / "a.sqlite") as database:
        database.execute("CREATE TABLE t AS SELECT '1' AS id, hex(randomblob(4000)) AS n")
    database.close()
    assert mdm("load", "a.sqlite", "--source", "crm") == 1
    assert "record 1 is longer" in mdm.err
    assert list(lake.list("crm/")) == []


def test_whatever_ends_a_load_takes_its_objects_out(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mdm.extracts.loader._OBJECT_BYTES", 10)

    def some(fault: BaseException) -> Iterator[bytes]:
        yield from [b'{"id": "1234567"}'] * 5
        raise fault

    for fault in (KeyboardInterrupt(), MdmError("no"), ValueError("odd")):
        extract = Extract(description="", lines=some(fault))
        with pytest.raises(type(fault)):
            load_extract(lake, extract, source="crm", name="x", progress=silent)
        assert list(lake.list("crm/")) == []


def test_a_field_named_like_an_injection_goes_the_whole_road(mdm: Any) -> None:
    evil = "x'); DROP TABLE raw.lake_objects; --\" %s :name"
    config = (mdm.folder / "mdm.toml").read_text()
    mapped = config.replace('full_name = "name"', f"full_name = {json.dumps(evil)}")
    assert mapped != config
    mdm.write("mdm.toml", mapped)
    row = {"id": "1", evil: "Anna Keller", "email": "anna@example.org"}
    mdm.write("a.jsonl", json.dumps(row) + "\n")
    assert mdm("load", "a.jsonl", "--source", "crm") == 0, mdm.err
    assert mdm("run") == 0, mdm.err
    assert mdm.rows("SELECT canonical_full_name FROM gold.dim_customers") == [["Anna Keller"]]
    assert mdm("check") == 0, mdm.out


@pytest.fixture
def crm(server_url: str, database_url: str) -> Iterator[Engine]:
    """A foreign PostgreSQL database: a schema of the test's own server."""
    engine = create_engine(database_url)
    with engine.begin() as conn:
        conn.execute(text("CREATE SCHEMA app"))
        conn.execute(
            text(
                "CREATE TABLE app.people (id text, name text, updated_at timestamptz,"
                " balance numeric, tags text[], doc jsonb, photo bytea)"
            )
        )
    yield engine
    engine.dispose()


def add(engine: Engine, *rows: tuple[str, str, str | None]) -> None:
    with engine.begin() as conn:
        for row in rows:
            conn.execute(
                text("INSERT INTO app.people VALUES (:id, :name, CAST(:at AS timestamptz))"),
                dict(zip(("id", "name", "at"), row, strict=True)),
            )


def test_a_database_by_query(mdm: Any, lake: Lake, crm: Engine) -> None:
    with crm.begin() as conn:
        conn.execute(
            text(
                "INSERT INTO app.people VALUES ('007', 'Zoë', '2026-01-01T10:00:00+01', 1.50,"
                " '{a,b}', '{\"k\": [1]}', '\\x00ff')"
            )
        )
    # as everybody writes it, without a driver
    url = crm.url.set(drivername="postgresql").render_as_string(hide_password=False)
    query = "SELECT *, '12:30'::text AS at FROM app.people WHERE name LIKE 'Z%'"
    assert mdm("load", "--url", url, "--query", query, "--source", "crm") == 0, mdm.err
    assert "binary values are kept as base64" in mdm.err
    assert lines(lake) == [
        {"id": "007", "name": "Zoë", "updated_at": "2026-01-01T09:00:00+00:00", "balance": "1.50",
         "tags": ["a", "b"], "doc": {"k": [1]}, "photo": "AP8=", "at": "12:30"}
    ]  # fmt: skip
    delete = "DELETE FROM app.people RETURNING id"
    assert mdm("load", "--url", url, "--query", delete, "--source", "crm") in (0, 1)
    with crm.connect() as conn:
        assert conn.execute(text("SELECT count(*) FROM app.people")).scalar() == 1


def test_an_incremental_extract_loads_each_record_once(mdm: Any, lake: Lake, crm: Engine) -> None:
    url = crm.url.render_as_string(hide_password=False)
    words = ["load", "--url", url, "--query", "SELECT id, name, updated_at FROM app.people",
             "--cursor", "updated_at", "--source", "crm"]  # fmt: skip
    assert mdm(*words) == 0, mdm.err
    assert "no new records" in mdm.err
    add(crm, ("1", "a", "2026-01-01"), ("2", "b", "2026-01-02"), ("3", "c", None))
    assert mdm(*words) == 0, mdm.err
    assert ids(lake) == ["1", "2", "3"]
    assert mdm(*words) == 0, mdm.err
    assert ids(lake) == ["1", "2", "3"]
    # one of the same instant that came later, one behind it, one without a time, one before it
    add(crm, ("4", "d", "2026-01-02"), ("5", "e", "2026-01-03"), ("6", "f", None))
    add(crm, ("0", "late", "2025-12-31"))
    assert mdm(*words) == 0, mdm.err
    assert sorted(ids(lake)) == ["1", "2", "3", "4", "5", "6"]
    assert mdm(*words) == 0, mdm.err
    assert len(ids(lake)) == 6
    ledger = mdm.rows("SELECT source, cursor_column, value, records_n, database, query"
                      " FROM raw.extract_cursors")  # fmt: skip
    assert [row[:4] for row in ledger] == [["crm", "updated_at", "2026-01-03T00:00:00+00:00", "6"]]
    assert crm.url.password is None or crm.url.password not in str(ledger)
    assert mdm(*words, "--anew") == 0, mdm.err
    assert len(ids(lake)) == 13


@pytest.mark.parametrize(
    ("values", "later"),
    [
        (["1", "10", "9"], "11"),
        (["DATE '2026-01-01'", "DATE '2026-02-01'"], "DATE '2026-02-02'"),
        (["1.10", "2.2"], "2.20001"),
        (["'a'", "'b'"], "'c'"),
        (["1.5::float8", "1e10::float8"], "2e10::float8"),
        (["TIMESTAMP '2026-01-01 00:00:00.000001'"], "TIMESTAMP '2026-01-01 00:00:00.000002'"),
    ],
)
def test_a_cursor_of_any_type(
    mdm: Any, lake: Lake, crm: Engine, values: list[str], later: str
) -> None:
    url = crm.url.render_as_string(hide_password=False)
    words = ["load", "--url", url, "--query", "SELECT * FROM app.events;", "--cursor", "Seq No",
             "--source", "crm"]  # fmt: skip
    with crm.begin() as conn:
        chosen = " UNION ALL ".join(f'SELECT {value} AS "Seq No"' for value in values)
        conn.execute(text(f"CREATE TABLE app.events AS {chosen}".replace(":", r"\:")))
    assert mdm(*words) == 0, mdm.err
    assert mdm(*words) == 0, mdm.err
    assert len(lines(lake)) == len(values)
    with crm.begin() as conn:
        conn.execute(text(f"INSERT INTO app.events VALUES ({later})".replace(":", r"\:")))
    assert mdm(*words) == 0, mdm.err
    assert len(lines(lake)) == len(values) + 1


def test_the_cursor_moves_only_behind_the_objects(
    mdm: Any, lake: Lake, crm: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = crm.url.render_as_string(hide_password=False)
    words = ["load", "--url", url, "--query", "SELECT id, name, updated_at FROM app.people",
             "--cursor", "updated_at", "--source", "crm"]  # fmt: skip
    add(crm, ("1", "a", "2026-01-01"))

    def down(*args: object) -> None:
        raise MdmError("the lake is down")

    with monkeypatch.context() as broken:
        broken.setattr(Lake, "put", down)
        assert mdm(*words) == 1
    assert mdm.rows("SELECT * FROM raw.extract_cursors") == []
    assert mdm(*words) == 0, mdm.err
    assert ids(lake) == ["1"]


def test_a_file_that_may_not_be_read(mdm: Any, lake: Lake, tmp_path: Path) -> None:
    loop = tmp_path / "loop.csv"
    loop.symlink_to(loop)
    assert mdm("load", str(loop), "--source", "crm") == 1
    assert "loop.csv" in mdm.err
    assert "Traceback" not in mdm.err
