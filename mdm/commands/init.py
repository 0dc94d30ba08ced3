"""``mdm init``: a first section of ``mdm.toml`` for an extract."""

from __future__ import annotations

import os
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from mdm.app import App, pass_app, say
from mdm.config import Config
from mdm.config_errors import explain
from mdm.errors import BadInput, ConfigError, UsageError
from mdm.extracts.formats import FORMATS
from mdm.extracts.locations import files_of
from mdm.extracts.model import Options
from mdm.extracts.reading import open_extract
from mdm.profiling.figures import fields_of
from mdm.profiling.sample import Sample
from mdm.profiling.section import Suggestion, section, suggest, table_name
from mdm.profiling.tables import listing

_LOOKED_AT = 50_000
_SOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


@click.command("init", epilog="Example:  mdm --config mine.toml init customers.csv --write")
@click.argument("files", nargs=-1, required=True)
@click.option("--source", help="Name of the source; the file's name where not given.")
@click.option("--write", is_flag=True, help="Append the section to the configuration.")
@click.option("--path", "json_path", help="Where a JSON document holds its list.")
@click.option("--sheet", help="The sheet of a workbook; the first one where not given.")
@click.option("--table", help="The table of a DuckDB or SQLite file.")
@click.option("--query", help="What to read of a DuckDB or SQLite file.")
@click.option("--format", "kind", type=click.Choice(FORMATS), help="Where the ending misleads.")
@click.option("--encoding", help="Of CSV that does not show it: cp1250, …")
@click.option(
    "--rows",
    type=click.IntRange(min=1),
    default=_LOOKED_AT,
    show_default=True,
    help="How many records of a file to look at.",
)
@pass_app
def init_command(
    app: App,
    files: tuple[str, ...],
    source: str | None,
    write: bool,
    json_path: str | None,
    sheet: str | None,
    table: str | None,
    query: str | None,
    kind: str | None,
    encoding: str | None,
    rows: int,
) -> None:
    """Look at extracts and suggest their sections of mdm.toml.

    What the fields hold goes to stderr, the section to stdout, ready to be saved; what is not sure
    is marked DOUBT. With --write it is appended to the configuration, which is made where it is
    not there; nothing in it is ever changed. Needs no services, and no value leaves this machine.
    """
    paths = [path for word in files for path in files_of(word)]
    if source is not None and len(paths) > 1:
        raise UsageError("--source names one source; give its files one by one")
    if source is not None and not _SOURCE.fullmatch(source):
        raise UsageError(f"--source {source!r}: use letters, digits, '_' and '-'")
    options = Options(
        format=kind, encoding=encoding, json_path=json_path, sheet=sheet, table=table, query=query
    )
    before, tables, sources = _existing(app.config_path) if write else ("", set(), set())
    texts = []
    for path in paths:
        name = source or _source_name(path)
        if name in sources:
            raise UsageError(
                f"{app.config_path}: sources.{name} is there already and stays as it is; "
                "choose another name with --source"
            )
        found, description = _look(path, name, options, rows, table_name(name, frozenset(tables)))
        tables.add(found.table)
        sources.add(name)
        texts.append(section(found, f"{path.name}: {description}"))
    text = "\n".join(texts)
    if write:
        _write(app.config_path, before, text)
        mdm = f"mdm --config {shlex.quote(str(app.config_path))}"
        load = f"{mdm} load {shlex.quote(str(paths[0]))} --source {name}"
        say(f"Written to {app.config_path}. Next: {load} && {mdm} run")
    else:
        click.echo(text, nl=False)


def _look(path: Path, name: str, options: Options, rows: int, table: str) -> tuple[Suggestion, str]:
    with open_extract(path, options) as extract:
        sample = Sample.of(extract.lines, limit=rows)
        description = extract.description
    if not sample.rows:
        raise BadInput(str(path), problem="it holds no records to look at")
    if sample.bad_lines > sample.rows:
        raise BadInput(str(path), problem="most of its lines are no JSON objects")
    fields = fields_of(sample)
    say("\n".join(_table(path, sample, listing(fields))))
    return suggest(name, sample, fields, table=table), description


def _table(path: Path, sample: Sample, lines: Iterator[str]) -> Iterator[str]:
    yield f"{path}: {sample.rows:,} records looked at"
    if sample.bad_lines:
        yield f"{sample.bad_lines:,} lines are no JSON objects"
    yield from lines
    yield ""


def _source_name(path: Path) -> str:
    stem = path.name.partition(".")[0]
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_-")[:48]
    return name or "source"


def _existing(path: Path) -> tuple[str, set[str], set[str]]:
    """The text of the configuration, its tables and its sources; empty where there is none."""
    try:
        text = path.read_text(encoding="utf-8")
        document: dict[str, Any] = tomllib.loads(text)
    except FileNotFoundError:
        return "", set(), set()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    sources = document.get("sources", {})
    tables = {str(entry.get("table", "")) for entry in sources.values() if isinstance(entry, dict)}
    return text, tables, set(sources)


def _write(path: Path, before: str, text: str) -> None:
    """Append ``text``; the file is replaced as a whole, so that it is never half written.

    Raises ConfigError, with nothing written, when the result would not be a valid configuration.
    """
    gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    whole = f"{before}{gap}{text}"
    try:
        Config.model_validate(tomllib.loads(whole))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: nothing was written, it would be no TOML: {error}") from error
    except ValidationError as error:
        raise ConfigError(
            f"{explain(path, error, Config)}\nNothing was written; without --write the section is "
            "shown instead."
        ) from error
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text(whole, encoding="utf-8")
        if path.exists():
            new.chmod(path.stat().st_mode)
        os.replace(new, path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
