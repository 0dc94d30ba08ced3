"""Extracts of any shape become JSON lines, with nothing changed on the way."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from mdm.errors import BadInput
from mdm.extracts.loader import load_file
from mdm.extracts.model import Options
from mdm.extracts.reading import open_extract
from mdm.lake import Lake
from mdm.progress import silent


def packed(data: bytes) -> bytes:
    """Gzipped without a time: workers that collect a second apart must name tests alike."""
    return gzip.compress(data, mtime=0)


def read(path: Path, json_path: str | None = None) -> tuple[str, list[Any]]:
    with open_extract(path, Options(json_path=json_path)) as extract:
        return extract.description, [json.loads(line) for line in extract.lines]


def write(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", "id,name\n007,Zoë\n1e5,\n", "utf-8, delimiter ','"),
        ("a.csv", "id;name\n007;Zoë\n1e5;\n", "delimiter ';'"),
        ("a.tsv", "id\tname\n007\tZoë\n1e5\t\n", "delimiter tab"),
        ("a.csv", "id|name\r\n007|Zoë\r\n1e5|\r\n", "delimiter '|'"),
        ("a.csv", "\ufeffid,name\n007,Zoë\n1e5,\n", "utf-8-sig"),
        ("a.csv", "id,name\n007,Zoë\n1e5,\n".encode("cp1252"), "cp1252"),
        ("a.csv", "id,name\n007,Zoë\n1e5,\n".encode("utf-16"), "utf-16"),
        ("a.csv.gz", packed("id,name\n007,Zoë\n1e5,\n".encode()), "utf-8"),
    ],
)
def test_csv_is_read_as_text(tmp_path: Path, name: str, content: bytes | str, told: str) -> None:
    description, rows = read(write(tmp_path, name, content))
    assert rows == [{"id": "007", "name": "Zoë"}, {"id": "1e5", "name": ""}]
    assert told in description


def test_csv_with_quoted_newlines_and_a_row_that_is_too_long(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", 'id,note\n1,"two\nlines, one field"\n2,x,shifted\n3\n')
    assert read(path)[1] == [
        {"id": "1", "note": "two\nlines, one field"},
        {"id": "2", "note": "x", "_overflow": ["shifted"]},
        {"id": "3"},
    ]


def test_a_header_alone_is_no_fault(tmp_path: Path) -> None:
    assert read(write(tmp_path, "a.csv", "id,name\n"))[1] == []


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ([{"id": 1}], None),
        ({"customers": [{"id": 1}], "count": 1}, None),
        ({"customers": [{"id": 1}], "deleted": [{"id": 9}]}, "customers"),
        ({"data": {"rows": [{"id": 1}]}}, "data.rows"),
    ],
)
def test_json_lists_are_found(tmp_path: Path, content: Any, path: str | None) -> None:
    assert read(write(tmp_path, "a.json", json.dumps(content)), path)[1] == [{"id": 1}]


def test_json_lines_pass_as_they_are(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '\ufeff{"id":1,  "n": 1.50}\r\n\n{"broken\n')
    with open_extract(path) as extract:
        assert list(extract.lines) == [b'{"id":1,  "n": 1.50}', b'{"broken']


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.txt", "x", r"known format.*\.csv"),
        ("a.csv", "", "empty"),
        ("a.csv", "id,id\n1,2\n", "named twice: id"),
        ("a.csv", bytes(range(256)) * 4, "binary file"),
        ("a.json", "{", r"not JSON \(line 1"),
        ("a.json", '{"a": [{}], "b": [{}]}', "but a, b.*--path"),
        ("a.json", '{"id": 1}', "no single list"),
        ("a.jsonl.gz", packed(b'{"id": 1}\n' * 9999)[:-9], "damaged gzip"),
        ("a.csv.gz", b"id,name\n1,x\n", "damaged gzip"),
    ],
)
def test_what_cannot_be_read_is_told(
    tmp_path: Path, name: str, content: bytes | str, told: str
) -> None:
    with pytest.raises(BadInput, match=told):
        read(write(tmp_path, name, content))


def test_a_wrong_path_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no list at 'rows'"):
        read(write(tmp_path, "a.json", '{"customers": []}'), "rows")


def test_a_file_becomes_objects_of_its_source(tmp_path: Path, lake: Lake) -> None:
    path = write(tmp_path, "a.csv", "id,name\n1,A\n2,B\n")
    loaded = load_file(lake, path, source="crm", progress=silent)
    assert loaded.rows == 2
    assert [entry.key for entry in lake.list("crm/")] == list(loaded.keys)
    with lake.open(loaded.keys[0]) as stream:
        assert stream.read() == b'{"id":"1","name":"A"}\n{"id":"2","name":"B"}\n'


def test_a_later_load_sorts_behind_an_earlier_one(tmp_path: Path, lake: Lake) -> None:
    path = write(tmp_path, "a.csv", "id,name\n1,A\n")
    first = load_file(lake, path, source="crm", progress=silent)
    second = load_file(lake, path, source="crm", progress=silent)
    assert first.keys < second.keys


def test_of_a_damaged_file_nothing_stays_in_the_lake(
    tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mdm.extracts.loader._OBJECT_BYTES", 1000)
    path = write(tmp_path, "a.jsonl.gz", packed(b'{"id": 1}\n' * 9999)[:-9])
    with pytest.raises(BadInput):
        load_file(lake, path, source="crm", progress=silent)
    assert list(lake.list("crm/")) == []
