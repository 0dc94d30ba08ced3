"""Settings: environment over `.env` over defaults, wrong values named, secrets never shown."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from mdm import settings
from mdm.errors import ConfigError

ROOT = Path(__file__).parents[2]
EXTERNAL = {
    "MDM_SERVICES": "external",
    "DATABASE_URL": "postgresql://me:s3cr3t@db.example:5432/mdm",
    "S3_ENDPOINT": "https://s3.example",
    "S3_ACCESS_KEY": "access",
    "S3_SECRET_KEY": "s3cr3t-key",
}


def test_defaults_need_nothing(tmp_path: Path) -> None:
    given = settings.load({}, directory=tmp_path)
    assert given == settings.Settings(home=tmp_path / ".mdm")
    assert not given.home.exists(), "reading settings makes nothing"


def test_the_environment_wins_over_the_file_and_empty_is_absent(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "S3_BUCKET=from-file\nMDM_S3_PORT=9100\nS3_REGION=\nPOSTGRES_PASSWORD=a$b#c\n"
    )
    given = settings.load({"S3_BUCKET": "from-environment"}, directory=tmp_path)
    assert given.s3_bucket == "from-environment"
    assert given.s3_port == 9100
    assert given.s3_region == "us-east-1"
    assert given.postgres_password is not None
    assert given.postgres_password.get_secret_value() == "a$b#c"


def test_a_name_in_the_file_that_means_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MDM_SERVICE=docker\nTZ=UTC\n")
    with pytest.raises(ConfigError, match=r"\.env: MDM_SERVICE: .* mean MDM_SERVICES\?"):
        settings.load({}, directory=tmp_path)


def test_what_others_read_comes_from_the_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MDM_LOAD_URL", "sqlite:///environment.db")
    for name in ("MDM_CONFIG", "AWS_REGION"):
        monkeypatch.setenv(name, "")  # restored after the test
        monkeypatch.delenv(name)
    (tmp_path / ".env").write_text(
        "MDM_CONFIG=mine.toml\nMDM_LOAD_URL=sqlite:///file.db\nAWS_REGION=\nS3_BUCKET=other\n"
    )
    settings.pass_on(directory=tmp_path)
    assert os.environ["MDM_CONFIG"] == "mine.toml"
    assert os.environ["MDM_LOAD_URL"] == "sqlite:///environment.db"
    assert "AWS_REGION" not in os.environ


def test_a_relative_home_belongs_to_the_directory(tmp_path: Path) -> None:
    given = settings.load({"MDM_HOME": "state/here"}, directory=tmp_path)
    assert given.home == tmp_path / "state" / "here"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("postgresql://u:p@h/d", "postgresql+psycopg2://u:p@h/d"),
        ("postgres://u:p@h:5/d?sslmode=require", "postgresql+psycopg2://u:p@h:5/d?sslmode=require"),
        ("postgresql+psycopg2://u:p@h/d", "postgresql+psycopg2://u:p@h/d"),
    ],
)
def test_a_database_address_names_its_driver(tmp_path: Path, given: str, expected: str) -> None:
    url = settings.load({"DATABASE_URL": given}, directory=tmp_path).database_url
    assert url is not None
    assert url.get_secret_value() == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("http://h:9000", ("h:9000", False)),
        ("https://s3.example/", ("s3.example", True)),
        ("h:9000", ("h:9000", False)),
    ],
)
def test_a_lake_address_is_split_as_the_sdk_wants_it(
    tmp_path: Path, given: str, expected: tuple[str, bool]
) -> None:
    read = settings.load({"S3_ENDPOINT": given}, directory=tmp_path)
    assert (read.s3_endpoint, read.s3_secure) == expected


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("MDM_SERVICES", "dokcer", "found 'dokcer'; allowed: embedded, docker, external"),
        ("MDM_POSTGRES_PORT", "0", "not a port; found '0'; allowed: 1 to 65535"),
        ("MDM_S3_PORT", "70000", "not a port"),
        ("MDM_S3_PORT", "٣", "not a port"),
        ("DATABASE_URL", "mysql://u:s3cr3t@h/d", "not a PostgreSQL address"),
        ("DATABASE_URL", "postgresql://u:s3cr3t@h", "database is missing"),
        ("DATABASE_URL", "postgresql://u:s3cr3t@[h/d", "database is missing"),
        ("S3_ENDPOINT", "ftp://h", "not an S3 address"),
        ("S3_ENDPOINT", "http://u:s3cr3t@h:9000", "not an S3 address"),
        ("S3_ENDPOINT", "http://h/path", "not an S3 address"),
        ("S3_BUCKET", "Lake", "not a bucket name; found 'Lake'"),
        ("S3_BUCKET", "ab", "not a bucket name"),
        ("S3_BUCKET", "-ab", "not a bucket name"),
        ("S3_BUCKET", "../etc", "not a bucket name"),
        ("MDM_HOME", "file", "is a file"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(
    tmp_path: Path, variable: str, value: str, words: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=re.escape(words)) as from_process:
        settings.load({variable: value}, directory=tmp_path)
    assert str(from_process.value).startswith(f"environment: {variable}: ")
    assert from_process.value.exit_code == 2

    (tmp_path / ".env").write_text(f"{variable}='{value}'\n")
    with pytest.raises(ConfigError, match=re.escape(words)) as from_file:
        settings.load({}, directory=tmp_path)
    assert str(from_file.value).startswith(f"{tmp_path / '.env'}: {variable}: ")
    assert "s3cr3t" not in f"{from_process.value}{from_file.value}"


@pytest.mark.parametrize("missing", sorted(EXTERNAL.keys() - {"MDM_SERVICES"}))
def test_external_services_must_all_be_named(tmp_path: Path, missing: str) -> None:
    given = {name: value for name, value in EXTERNAL.items() if name != missing}
    with pytest.raises(ConfigError, match=f"needs {missing} as well"):
        settings.load(given, directory=tmp_path)


def test_no_secret_shows(tmp_path: Path) -> None:
    given = settings.load({**EXTERNAL, "POSTGRES_PASSWORD": "s3cr3t-too"}, directory=tmp_path)
    assert "s3cr3t" not in f"{given!r} {given}"


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"S3_BUCKET=\xff\xfe\n")
    with pytest.raises(ConfigError, match=r"\.env: cannot be read"):
        settings.load({}, directory=tmp_path)


def test_the_example_file_explains_every_variable_and_changes_nothing(tmp_path: Path) -> None:
    example = (ROOT / ".env.example").read_text("utf-8")
    source = (ROOT / "mdm" / "settings.py").read_text("utf-8")
    read = set(re.findall(r'"((?:MDM|S3|POSTGRES|MINIO|DATABASE)_[A-Z0-9_]+)"', source))
    shown = dict(re.findall(r"^#([A-Z0-9_]+)=(.*)$", example, re.MULTILINE))
    assert read <= shown.keys()
    assert not re.search(r"^[A-Z]", example, re.MULTILINE), "every line is a comment"
    defaults = {
        name: value
        for name, value in shown.items()
        if name not in {"DATABASE_URL", "S3_ENDPOINT", "MDM_CONFIG"}
    }
    assert settings.load(defaults, directory=tmp_path) == settings.load({}, directory=tmp_path)
