"""The schema comes from numbered files, each applied once and never edited afterwards."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, Engine, text

from db import migrations
from mdm.errors import MdmError


def test_a_current_schema_is_left_alone(engine: Engine) -> None:
    assert migrations.apply(engine) == []


def test_every_file_is_on_record(conn: Connection) -> None:
    recorded = conn.execute(text("SELECT name FROM ops.schema_migrations ORDER BY name")).scalars()
    assert list(recorded) == [migration.name for migration in migrations.migrations()]


def test_an_edited_file_is_refused(engine: Engine) -> None:
    with engine.begin() as conn:
        conn.execute(text("UPDATE ops.schema_migrations SET checksum = 'x' WHERE name LIKE '020%'"))
    with pytest.raises(MdmError, match=r"020_raw\.sql was changed after"):
        migrations.apply(engine)


def test_a_migration_that_is_cut_off_leaves_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while the server works is heard when it is done: then it counts as not done."""

    half = [
        migrations.Migration(f"{name}.sql", f"CREATE TABLE ops.{name} ()", "x")
        for name in ("first", "second")
    ]
    cursor, calls = migrations.bulk.cursor, []

    class Interrupted:
        def __init__(self, conn: Connection) -> None:
            self.cur = cursor(conn)

        def __enter__(self) -> Interrupted:
            return self

        def __exit__(self, *_: object) -> None:
            self.cur.close()

        def execute(self, sql: str) -> None:
            self.cur.execute(sql)
            calls.append(sql)
            if len(calls) == len(half):
                raise KeyboardInterrupt

    monkeypatch.setattr(migrations, "migrations", lambda: half)
    monkeypatch.setattr(migrations.bulk, "cursor", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        migrations.apply(engine)
    monkeypatch.setattr(migrations.bulk, "cursor", cursor)
    assert migrations.apply(engine) == ["second.sql"]


def test_retired_profiles_are_kept_with_all_their_columns(conn: Connection) -> None:
    """A migration that gives staging.profiles a column gives it to staging.gone_profiles too: the
    trigger between them copies whole rows, column by column in their order."""
    columns = text(
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod)"
        " FROM pg_catalog.pg_attribute AS a"
        " WHERE a.attrelid = CAST(:table AS regclass) AND a.attnum > 0 AND NOT a.attisdropped"
        " ORDER BY a.attnum"
    )
    of_living, of_gone = (
        conn.execute(columns, {"table": f"staging.{table}"}).all()
        for table in ("profiles", "gone_profiles")
    )
    assert of_living == of_gone


def test_every_table_view_and_function_says_what_it_is(conn: Connection) -> None:
    silent = conn.execute(
        text(
            """
            SELECT classes.relnamespace::regnamespace || '.' || classes.relname
            FROM pg_class AS classes
            WHERE classes.relnamespace::regnamespace::text IN
                      ('ops', 'raw', 'staging', 'identity', 'gold')
              AND classes.relkind IN ('r', 'v', 'm', 'p')
              AND obj_description(classes.oid, 'pg_class') IS NULL
            ORDER BY 1
            """
        )
    ).scalars()
    assert list(silent) == []
