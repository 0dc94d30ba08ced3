"""Every format gives back what was written into it, however dirty, and refuses what it is not."""

from __future__ import annotations

import gzip
import json
import random
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from mdm.errors import BadInput, UsageError
from mdm.extracts.formats import FORMATS
from mdm.extracts.model import Options
from mdm.extracts.reading import open_extract

#: Values that readers like to change: ids that look like numbers, words that look like nothing,
#: line ends, quotes, signs of other alphabets.
DIRTY: list[dict[str, str]] = [
    {"id": "007", "name": "Zoë Müller-Łukasz", "note": 'says "hi", then;\ttab'},
    {"id": "1e5", "name": "NA", "note": "two\nlines"},
    {"id": "1.50", "name": "null", "note": "carriage\r\nreturn"},
    {"id": "+49 30 1", "name": "  spaces  ", "note": "'; DROP TABLE raw.lake_objects; --"},
    {"id": "TRUE", "name": "山田 太郎", "note": "{not json} [at all]"},
    {"id": "2024-01-31", "name": "O'Brien", "note": "=1+1"},
]
NAMES = list(DIRTY[0])
Writer = Callable[[Path, list[dict[str, str]]], Options]


def read(path: Path, options: Options | None = None) -> list[Any]:
    with open_extract(path, options) as extract:
        return [json.loads(line) for line in extract.lines]


def csv_text(rows: list[dict[str, str]], *, delimiter: str = ",", end: str = "\n") -> str:
    quoted = ['"' + '","'.join(NAMES) + '"']
    quoted += ['"' + '","'.join(v.replace('"', '""') for v in row.values()) + '"' for row in rows]
    return end.join(line.replace('","', f'"{delimiter}"') for line in quoted) + end


def write_csv(path: Path, rows: list[dict[str, str]]) -> Options:
    path.write_bytes(csv_text(rows).encode())
    return Options()


def write_tsv(path: Path, rows: list[dict[str, str]]) -> Options:
    path.write_bytes(csv_text(rows, delimiter="\t", end="\r\n").encode("utf-8-sig"))
    return Options()


def write_json(path: Path, rows: list[dict[str, str]]) -> Options:
    text = json.dumps({"meta": {"n": [1, 2]}, "data": {"rows": rows}}, indent=2)
    path.write_text(text, encoding="utf-16")
    return Options(json_path="data.rows")


def write_jsonl(path: Path, rows: list[dict[str, str]]) -> Options:
    path.write_text("\r\n".join(map(json.dumps, rows)), encoding="utf-8-sig")
    return Options()


def write_excel(path: Path, rows: list[dict[str, str]]) -> Options:
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet("cover").write_string(0, 0, "nothing here")
        sheet = book.add_worksheet("Kunden")
        for place, row in enumerate([dict(zip(NAMES, NAMES, strict=True)), *rows]):
            for column, value in enumerate(row.values()):
                sheet.write_string(place, column, value)
    return Options(sheet="Kunden")


def write_parquet(path: Path, rows: list[dict[str, str]]) -> Options:
    pl.DataFrame(rows).write_parquet(path, row_group_size=2)
    return Options()


def write_duckdb(path: Path, rows: list[dict[str, str]]) -> Options:
    with duckdb.connect(str(path)) as database:
        database.execute("CREATE SCHEMA crm")
        database.execute("CREATE TABLE main.other (x integer)")
        database.execute('CREATE TABLE crm."my ""people""" (id text, name text, note text)')
        for row in rows:
            database.execute('INSERT INTO crm."my ""people""" VALUES (?, ?, ?)', list(row.values()))
    return Options(table='crm.my "people"')


def write_sqlite(path: Path, rows: list[dict[str, str]]) -> Options:
    with sqlite3.connect(path) as database:
        database.execute('CREATE TABLE "my ""people""" (id text, name text, note text)')
        database.execute("CREATE TABLE other (x integer)")
        database.executemany(
            'INSERT INTO "my ""people""" VALUES (?, ?, ?)', [tuple(r.values()) for r in rows]
        )
    database.close()
    return Options(table='my "people"')


WRITERS: dict[str, Writer] = {
    "a.csv": write_csv,
    "a.tsv": write_tsv,
    "a.json": write_json,
    "a.jsonl": write_jsonl,
    "a.xlsx": write_excel,
    "a.parquet": write_parquet,
    "a.duckdb": write_duckdb,
    "a.db": write_duckdb,
    "b.db": write_sqlite,
    "a.sqlite": write_sqlite,
}


def as_sheet(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Excel itself knows one line end only."""
    return [{k: v.replace("\r\n", "\n") for k, v in row.items()} for row in rows]


@pytest.mark.parametrize("name", WRITERS)
def test_dirty_values_come_back_as_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    options = WRITERS[name](path, DIRTY)
    found = read(path, options)
    assert (as_sheet(found) if name.endswith("xlsx") else found) == (
        as_sheet(DIRTY) if name.endswith("xlsx") else DIRTY
    )


@pytest.mark.parametrize("name", [n for n in WRITERS if not n.endswith((".json", ".jsonl"))])
def test_no_records_are_no_fault(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.parquet":
        pl.DataFrame(schema=dict.fromkeys(NAMES, pl.String)).write_parquet(path)
        options = Options()
    else:
        options = WRITERS[name](path, [])
    assert read(path, options) == []


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.json", "a.jsonl"])
def test_text_may_be_gzipped(tmp_path: Path, name: str) -> None:
    options = WRITERS[name](tmp_path / name, DIRTY)
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress((tmp_path / name).read_bytes()))
    assert read(packed, options) == DIRTY
    packed.write_bytes(packed.read_bytes()[:-12])
    with pytest.raises(BadInput, match="damaged gzip"):
        read(packed, options)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_csv_of_any_encoding_and_line_end(tmp_path: Path, encoding: str, end: str) -> None:
    path = tmp_path / "a.csv"
    rows = [[str(n), f"Jürgen Weiß {n}", "Straße, links"] for n in range(200)]
    lines = [f'{a};{b};"{c}"' for a, b, c in [["id", "name", "ort"], *rows]]
    path.write_bytes((end.join(lines) + end).encode(encoding))
    assert [list(row.values()) for row in read(path)] == rows


@pytest.mark.parametrize("times", [1, 300])
@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("cp1252", "Ana Müller, Köln"),
        ("cp1252", "Hélène O’Brien-Lefèvre, Nîmes"),
        ("latin-1", "Núñez y Peña, Cádiz"),
        ("cp1252", "Åse Ørsted, Tromsø"),
    ],
)
def test_western_names_are_read_as_they_are(
    tmp_path: Path, encoding: str, name: str, times: int
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(("id;name\n" + f"1;{name}\n" * times).encode(encoding))
    assert {row["name"] for row in read(path)} == {name}


@pytest.mark.parametrize("times", [1, 300])
@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("cp1250", "Łukasz Wiśniewski, Łódź"),
        ("iso8859-2", "Łukasz Wiśniewski, Łódź"),
        ("cp1251", "Сергей Иванов, Москва"),
        ("koi8-r", "Сергей Иванов, Москва"),
        ("cp1253", "Γιώργος Παπαδόπουλος, Αθήνα"),
        ("shift_jis", "山田太郎, 東京"),
        ("gb18030", "王小明, 北京"),
        ("cp850", "Ana Müller, Köln"),
        ("mac-roman", "Ana Müller, Köln"),
    ],
)
def test_an_encoding_that_does_not_show_is_asked_for(
    tmp_path: Path, encoding: str, name: str, times: int
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(("id;name\n" + f"1;{name}\n" * times).encode(encoding))
    with pytest.raises(BadInput, match=r"neither UTF-8.*--encoding"):
        read(path)
    assert {row["name"] for row in read(path, Options(encoding=encoding))} == {name}


def test_an_encoding_that_is_none_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"id\n1\n")
    with pytest.raises(UsageError, match="--encoding utf-88"):
        read(path, Options(encoding="utf-88"))


@pytest.mark.parametrize("text", ['id,name\n1,a\n2,"b\n3,c\n4,d\n', 'id,"name\n1,a\n'])
def test_a_quote_that_nobody_closes_refuses_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"a quote that opens near line [13] is never closed"):
        read(path)


def test_mixed_line_ends_ragged_rows_and_a_blank_column_name(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'id,name,\r\n1,a,\n2,5" pipe\r\n\n3,b,c,d,e\r4,"f",g\n')
    assert read(path) == [
        {"id": "1", "name": "a", "_column_3": ""},
        {"id": "2", "name": '5" pipe'},
        {"id": "3", "name": "b", "_column_3": "c", "_overflow": ["d", "e"]},
        {"id": "4", "name": "f", "_column_3": "g"},
    ]


def test_cells_of_a_sheet_become_text_that_means_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        day = book.add_format({"num_format": "dd.mm.yyyy"})
        moment = book.add_format({"num_format": "dd.mm.yyyy hh:mm"})
        clock = book.add_format({"num_format": "hh:mm"})
        for column, name in enumerate(["id", "plz", "born", "seen", "at", "sum", "ok", "mixed"]):
            sheet.write_string(2, column + 1, name)
        for row, mixed in ((3, "0012"), (5, 12)):  # an empty row between
            sheet.write_number(row, 1, 1001)
            sheet.write_string(row, 2, "01067")
            sheet.write_datetime(row, 3, datetime(1980, 1, 2), day)
            sheet.write_datetime(row, 4, datetime(2024, 1, 2, 3, 4, 5), moment)
            sheet.write_datetime(row, 5, time(12, 30), clock)
            sheet.write_number(row, 6, 0.5)
            sheet.write_boolean(row, 7, True)
            sheet.write(row, 8, mixed)
        sheet.write_string(5, 9, "beyond the header")
    common = {"id": "1001", "plz": "01067", "born": "1980-01-02", "seen": "2024-01-02T03:04:05",
              "at": "12:30:00", "sum": "0.5", "ok": "true"}  # fmt: skip
    assert read(path) == [
        common | {"mixed": "0012"},
        common | {"mixed": "12", "_overflow": ["beyond the header"]},
    ]


def test_typed_values_become_json_without_loss(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame(
        {
            "day": [date(1980, 1, 2)],
            "at": [datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)],
            "sum": pl.Series([Decimal("12345678901234567890.1200")], dtype=pl.Decimal(38, 4)),
            "big": [2**62],
            "contact": [{"email": "a@b.example", "phones": ["1", "2"]}],
            "photo": [b"\x00\xff"],
            "nothing": pl.Series([None], dtype=pl.String),
        }
    ).write_parquet(path)
    with open_extract(path) as extract:
        found = [json.loads(line) for line in extract.lines]
    assert found == [
        {"day": "1980-01-02", "at": "2024-01-02T03:04:05+00:00", "big": 2**62,
         "sum": "12345678901234567890.1200", "photo": "AP8=", "nothing": None,
         "contact": {"email": "a@b.example", "phones": ["1", "2"]}}
    ]  # fmt: skip
    assert extract.notes == ["binary values are kept as base64 text"]


def test_types_of_duckdb_become_json_without_loss(tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    with duckdb.connect(str(path)) as database:
        database.execute("SET TimeZone = 'Europe/Berlin'")
        database.execute(
            "CREATE TABLE people AS SELECT DATE '1980-01-02' AS day,"
            " TIMESTAMPTZ '2024-01-02 04:04:05+01' AS at, 1.50::DECIMAL(9, 4) AS sum,"
            " 170141183460469231731687303715884105727::HUGEINT AS big,"
            " {'email': 'x', 'since': DATE '2020-01-01'} AS contact,"
            " '{\"k\":\n 1.50}'::JSON AS doc,"
            " MAP {1: 'one'} AS map, 'NaN'::DOUBLE AS nan, '\\x00'::BLOB AS photo,"
            " {'at': TIMESTAMPTZ '2024-01-02 04:04:05+01'} AS zoned"
        )
    with open_extract(path) as extract:
        (line,) = list(extract.lines)
    assert b'{"k":  1.50}' in line
    found = json.loads(line)
    assert found.pop("zoned")["at"].startswith("2024-01-02")
    assert found == {
        "day": "1980-01-02", "at": "2024-01-02T03:04:05+00:00", "sum": "1.5000",
        "big": "170141183460469231731687303715884105727", "doc": {"k": 1.5}, "nan": None,
        "contact": {"email": "x", "since": "2020-01-01"}, "map": {"1": "one"}, "photo": "AA==",
    }  # fmt: skip


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    rows=st.lists(JSON, max_size=6),
    indent=st.sampled_from([None, 0, 2]),
    piece=st.integers(1, 40),
    around=st.dictionaries(st.text(min_size=1), JSON, max_size=2),
    ascii_only=st.booleans(),
)
def test_a_list_in_a_document_is_read_as_a_json_parser_reads_it(
    rows: list[Any],
    indent: int | None,
    piece: int,
    around: dict[str, Any],
    ascii_only: bool,
) -> None:
    """The scan agrees with the json module, however the document is cut into pieces."""
    from mdm.extracts.json_files import _Scan

    document = {**around, "to": {"the": rows}}
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    data = text.encode("utf-8", errors="replace")
    expected = json.loads(data)["to"]["the"]
    for wanted, bytes_ in ((("to", "the"), data), ((), json.dumps(rows, indent=indent).encode())):
        pieces = [bytes_[at : at + piece] for at in range(0, len(bytes_), piece)]
        lines = list(_Scan(Path("x"), wanted, 1 << 20).records(pieces))
        assert all(b"\n" not in line for line in lines)
        if not wanted:
            expected = json.loads(bytes_)
        assert [json.loads(line) for line in lines] == expected


def test_numbers_of_json_stay_as_written(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"id": 1e5, "n": 1.50},\n {"id": 123456789012345678901234567890}]')
    with open_extract(path) as extract:
        assert list(extract.lines) == [
            b'{"id": 1e5, "n": 1.50}',
            b'{"id": 123456789012345678901234567890}',
        ]


@pytest.mark.parametrize(
    "text",
    [
        '[{"a": 1} {"a": 2}]', '[{"a": 1},]', '[{"a": 1}', '[{"a": 1}}', '[{"a": tru}]', "",
        '{"rows": [{"a": 1}], "n": }', '{"rows": [{"a": 1}]', "[1 2]", '[{"a": 1}] [2]', '["a]',
        '[{"a": 1}, , {"a": 2}]', '[, {"a": 1}]', '{"rows": [{"a": "\xff"}]}', "nonsense",
    ],
)  # fmt: skip
@pytest.mark.parametrize("json_path", [None, "rows"])
def test_what_is_no_json_is_refused(tmp_path: Path, text: str, json_path: str | None) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadInput, match=r"a\.json: (not JSON|there is no)"):
        read(path, Options(json_path=json_path))


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.xlsx", "a.parquet", "a.duckdb", "a.sqlite"])
@pytest.mark.parametrize("start", [b"", b"PK\x03\x04", b"PAR1", b"SQLite format 3\0"])
def test_a_million_random_bytes_are_refused(tmp_path: Path, name: str, start: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(start + random.Random(1).randbytes(1_000_000))
    with pytest.raises(BadInput, match=name):
        read(path)


def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    for name, write in (("a.duckdb", write_duckdb), ("a.sqlite", write_sqlite)):
        path = tmp_path / name
        options = write(path, DIRTY * 60)
        whole = path.read_bytes()
        path.write_bytes(whole[:4096] + random.Random(1).randbytes(len(whole) - 4096))
        with pytest.raises(BadInput, match=name):
            read(path, options)
    path = tmp_path / "a.parquet"
    write_parquet(path, DIRTY)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(BadInput, match=r"a\.parquet"):
        read(path)


@pytest.mark.parametrize(
    ("content", "name", "told"),
    [
        ("a.csv", "a.xlsx", "not an Excel workbook: it begins as text.*--format csv"),
        ("a.csv", "a.parquet", "not a Parquet file"),
        ("a.xlsx", "a.csv", "it begins as an Excel workbook does.*--format excel"),
        ("a.parquet", "a.json", "it begins as a Parquet file"),
        ("a.sqlite", "a.duckdb", "it begins as an SQLite database"),
        ("a.duckdb", "a.sqlite", "it begins as a DuckDB database"),
    ],
)
def test_a_file_under_a_wrong_name_is_told(
    tmp_path: Path, content: str, name: str, told: str
) -> None:
    path = tmp_path / name
    options = WRITERS[content](path, DIRTY)
    with pytest.raises(BadInput, match=told):
        read(path, options)
    kind = {"csv": "csv", "xlsx": "excel"}.get(content.split(".")[1], content.split(".")[1])
    assert kind in FORMATS
    found = read(path, Options(format=kind, sheet=options.sheet, table=options.table))
    assert len(found) == len(DIRTY)


@pytest.mark.parametrize(
    ("name", "options", "error", "told"),
    [
        ("a.xlsx", Options(sheet="Sheet9"), BadInput, "no sheet 'Sheet9'.*cover, Kunden"),
        ("a.duckdb", Options(table="nope"), BadInput, "no table 'nope'.*other"),
        ("a.duckdb", Options(), BadInput, "no single table.*--table NAME"),
        ("a.sqlite", Options(), BadInput, "no single table.*--table NAME"),
        ("a.sqlite", Options(query="SELECT nope"), BadInput, "no such column"),
        ("a.duckdb", Options(query="SELECT nope"), BadInput, "nope"),
        ("a.duckdb", Options(query="DROP TABLE other"), BadInput, "DuckDB refuses"),
        ("a.sqlite", Options(query="DROP TABLE other"), BadInput, "readonly"),
        ("a.sqlite", Options(query="SELECT 1 AS a, 2 AS a"), BadInput, "named twice: a"),
        ("a.csv", Options(sheet="x"), UsageError, "--sheet is for excel, not csv"),
        ("a.csv", Options(table="x"), UsageError, "--table is for duckdb and sqlite"),
        ("a.sqlite", Options(table="x", query="y"), UsageError, "not both"),
    ],
)
def test_a_wrong_choice_is_told(
    tmp_path: Path, name: str, options: Options, error: type[Exception], told: str
) -> None:
    path = tmp_path / name
    WRITERS[name](path, DIRTY)
    with pytest.raises(error, match=told):
        read(path, options)


def test_a_query_may_hold_colons_and_percent_signs(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    write_sqlite(path, DIRTY)
    query = 'SELECT id, \'12:30\' AS t FROM "my ""people""" WHERE name LIKE \'Zo%\';'
    assert read(path, Options(query=query)) == [{"id": "007", "t": "12:30"}]


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl"])
def test_a_record_over_the_limit_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    row = {"id": "1", "name": "x" * 5000, "note": ""}
    options = WRITERS[name](path, [DIRTY[0], row])
    small = Options(json_path=options.json_path, max_line_bytes=2000)
    with pytest.raises(BadInput, match=name):
        read(path, small)
    assert read(path, options)[1] == row


def test_an_open_quote_does_not_swallow_the_file_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,name\n1,"open\n' + "2,x\n" * 2000)
    with pytest.raises(BadInput, match="quote not closed"):
        read(path, Options(max_line_bytes=4000))
