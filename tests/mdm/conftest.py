"""The command line on the test's own database and bucket."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mdm.cli import execute

MAPPING = """
[sources.crm]
table = "crm_customers"
record_id = "id"
event_time = "updated_at"
phone_region = "GB"
date_order = "DMY"
[sources.crm.fields]
full_name = "name"
email = "email"
phone = "phone"
date_of_birth = "dob"
street = "street"
city = "city"
postcode = "postcode"
"""


class CommandLine:
    """``mdm`` as a user calls it: exit code, stdout and stderr."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capfd = capfd
        self.out = self.err = ""

    def __call__(self, *words: str) -> int:
        """Run one command in the user's folder; what it said is in ``out`` and ``err``."""
        self._capfd.readouterr()
        code = execute(list(words))
        self.out, self.err = self._capfd.readouterr()
        return code

    def write(self, name: str, text: str) -> Path:
        """A file of the user's."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def rows(self, statement: str) -> list[list[str]]:
        """The rows of a query, as ``mdm sql --csv`` gives them, without the header."""
        import csv
        import io

        assert self("sql", statement, "--csv") == 0, self.err
        return list(csv.reader(io.StringIO(self.out)))[1:]


@pytest.fixture
def mdm(
    tmp_path: Path,
    services: None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> CommandLine:
    """A user's folder with a configuration, and services that somebody else runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MDM_CONFIG", raising=False)
    line = CommandLine(tmp_path, capfd)
    line.write("mdm.toml", MAPPING)
    return line


Customers = Callable[..., str]


@pytest.fixture
def customers() -> Customers:
    """JSON lines of customers: ``customers({"id": "1", "name": …}, …)``."""
    import json

    def lines(*records: dict[str, object]) -> str:
        return "".join(json.dumps(record) + "\n" for record in records)

    return lines
