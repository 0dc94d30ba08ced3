"""External servers: the embedded ones play the user's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import tenacity
from pydantic import SecretStr

from mdm import services
from mdm.errors import ConfigError, ServiceDown
from mdm.services import embedded, embedded_postgres, embedded_s3, external
from mdm.services.home import free_port
from mdm.settings import Settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings that name two running servers of somebody else."""
    theirs = tmp_path_factory.mktemp("external") / "home"
    database = embedded_postgres.start(theirs, port=0, durable=False)
    lake = embedded_s3.start(theirs, bucket="theirs", port=0)
    yield Settings(
        home=theirs.parent / "mine",
        services="external",
        database_url=database.url,
        s3_endpoint=lake.endpoint,
        s3_access_key=lake.access_key,
        s3_secret_key=lake.secret_key,
        s3_bucket="mine",
    )
    embedded_s3.stop(theirs)
    embedded_postgres.stop(theirs)


def test_both_are_asked_the_bucket_is_made_and_nothing_is_stopped(settings: Settings) -> None:
    endpoints = services.up(settings)
    assert endpoints.database_url == settings.database_url
    assert services.up(settings) == endpoints
    services.down(settings)
    assert [each.state for each in services.status(settings)] == ["running", "running"]
    assert not settings.home.exists()


def test_a_wrong_password_or_key_is_wrong_configuration(settings: Settings) -> None:
    assert settings.database_url
    url = settings.database_url.get_secret_value()
    for wrong in (
        replace(settings, database_url=SecretStr(url.replace("mdm:", "mdm:s3cr3t"))),
        replace(settings, database_url=SecretStr(f"{url.removesuffix('/mdm')}/absent")),
        replace(settings, s3_secret_key=SecretStr("s3cr3t")),
    ):
        with pytest.raises(ConfigError) as refused:
            services.up(wrong)
        assert "s3cr3t" not in str(refused.value)
        assert url not in str(refused.value)


def test_a_server_that_is_down_is_named_with_its_address(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external, "wait_random_exponential", lambda **_: tenacity.wait_none())
    nobody = f"127.0.0.1:{free_port(0)}"
    url = SecretStr(f"postgresql+psycopg2://mdm:s3cr3t@{nobody}/mdm")
    with pytest.raises(ServiceDown, match=f"PostgreSQL does not answer at {nobody}/mdm") as down:
        services.up(replace(settings, database_url=url))
    assert "s3cr3t" not in str(down.value)
    with pytest.raises(ServiceDown, match=f"S3 server does not answer at http://{nobody}"):
        services.up(replace(settings, s3_endpoint=nobody))
    states = services.status(replace(settings, s3_endpoint=nobody))
    assert [each.state for each in states] == ["running", "unreachable"]


def test_psql_gets_all_it_needs_and_no_password_on_its_command_line(settings: Settings) -> None:
    command, environment = services.psql(services.up(settings))
    assert Path(command[0]).name == "psql"
    assert environment["PGPASSWORD"] not in " ".join(command)
    assert (environment["PGHOST"], environment["PGDATABASE"]) == ("127.0.0.1", "mdm")


def test_the_embedded_way_gives_working_endpoints(home: Path) -> None:
    mine = Settings(home=home, postgres_port=free_port(0), s3_port=free_port(0))
    endpoints = services.up(mine)
    assert services.up(mine) == endpoints
    external.check_database(endpoints)
    external.check_lake(endpoints)
    assert "SecretStr('**********')" in repr(endpoints)
    assert [each.state for each in embedded.status(mine)] == ["running", "running"]
    services.down(mine)
    assert [each.state for each in services.status(mine)] == ["stopped", "stopped"]
