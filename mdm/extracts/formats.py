"""Which format a file is in: by its ending, checked against how its content begins."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mdm.errors import BadInput

#: Format -> the endings that name it. Text formats may have ``.gz`` behind.
ENDINGS: Final = {
    "csv": ("csv",),
    "tsv": ("tsv", "tab"),
    "json": ("json",),
    "jsonl": ("jsonl", "ndjson"),
    "excel": ("xlsx", "xlsm", "xlsb", "xls", "ods"),
    "parquet": ("parquet", "pq"),
    "duckdb": ("duckdb", "ddb"),
    "sqlite": ("sqlite", "sqlite3"),
}
FORMATS: Final = tuple(ENDINGS)
TEXT: Final = ("csv", "tsv", "json", "jsonl")
_BY_ENDING = {ending: name for name, endings in ENDINGS.items() for ending in endings}
_EITHER_DATABASE = "db"  # an ending that DuckDB and SQLite share; the content decides

_SAID = {
    "excel": "an Excel workbook",
    "parquet": "a Parquet file",
    "duckdb": "a DuckDB database",
    "sqlite": "an SQLite database",
    "gzip": "a gzip file",
    "pdf": "a PDF",
}


@dataclass(frozen=True)
class Format:
    """A format and whether the file is gzipped."""

    name: str
    gzipped: bool


def format_of(path: Path, *, wanted: str | None = None) -> Format:
    """The format of an existing file; ``wanted`` outranks its ending.

    Raises BadInput for an unknown ending, an unreadable file, and a binary format whose content
    begins otherwise.
    """
    suffixes = [suffix.lower().lstrip(".") for suffix in path.suffixes]
    gzipped = bool(suffixes) and suffixes[-1] == "gz"
    if gzipped:
        suffixes.pop()
    ending = suffixes[-1] if suffixes else ""
    begins_as = _begins_as(path)
    name = wanted or _BY_ENDING.get(ending)
    if name is None and ending == _EITHER_DATABASE:
        name = begins_as if begins_as in ("duckdb", "sqlite") else "sqlite"
    if name is None:
        raise BadInput(
            str(path),
            problem="the ending does not name a known format",
            hint=f"Known: {known()}; or say which it is: --format {'|'.join(FORMATS)}.",
        )
    if name in TEXT:
        if begins_as in _SAID and begins_as != "gzip":
            raise BadInput(
                str(path),
                problem=f"a binary file, not {name.upper()}: it begins as {_SAID[begins_as]} does",
                hint=_try_instead(begins_as),
            )
        return Format(name, gzipped)
    if gzipped:
        raise BadInput(
            str(path), problem=f"gzipped {name} is not read", hint="Unpack it and load it again."
        )
    if begins_as != name:
        found = _SAID.get(begins_as or "", "text" if begins_as == "text" else "something else")
        raise BadInput(
            str(path),
            problem=f"not {_SAID[name]}: it begins as {found}",
            hint=_try_instead(begins_as),
        )
    return Format(name, gzipped=False)


def is_known(path: Path) -> bool:
    """Whether the ending names a format, so that a folder's other files can be passed over."""
    suffixes = [suffix.lower().lstrip(".") for suffix in path.suffixes if suffix.lower() != ".gz"]
    return bool(suffixes) and (suffixes[-1] in _BY_ENDING or suffixes[-1] == _EITHER_DATABASE)


def known() -> str:
    """The endings, for people."""
    endings = ", ".join(f".{ending}" for ending in (*_BY_ENDING, _EITHER_DATABASE))
    return f"{endings}; text formats also with .gz"


def _begins_as(path: Path) -> str | None:
    """The format that the first bytes show; ``text``, or None for what is neither."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise BadInput(str(path), problem=error.strerror or "cannot be read") from error
    # zip (xlsx, xlsb, ods) or OLE2 (xls)
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")):
        return "excel"
    for start, name in (
        (b"PAR1", "parquet"),
        (b"SQLite format 3\0", "sqlite"),
        (b"\x1f\x8b", "gzip"),
        (b"%PDF-", "pdf"),
    ):
        if head.startswith(start):
            return name
    if head[8:12] == b"DUCK":
        return "duckdb"
    return "text" if head and b"\0" not in head else None


def _try_instead(begins_as: str | None) -> str:
    if begins_as == "text":
        return "If it is CSV or JSON under a wrong name: --format csv (or json, jsonl)."
    if begins_as in FORMATS:
        return f"If it is one under a wrong name: --format {begins_as}."
    return "Is it the file you meant, and complete?"
