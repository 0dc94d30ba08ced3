"""``mdm train`` and ``mdm models``: match models as versioned artefacts."""

from __future__ import annotations

import getpass

import click
import orjson

from matching import model_store
from matching.pair_tables import read_candidates, read_profiles
from mdm.app import App, pass_app, say
from mdm.runs import RunLedger

_NEXT = "The next run scores with it; `mdm plan` shows what it would change."
_by = click.option("--by", "chosen_by", default=getpass.getuser, help="Who chooses. [you]")


@click.command("train", epilog="Example:  mdm train && mdm plan")
@_by
@pass_app
def train_command(app: App, chosen_by: str) -> None:
    """Learn a match model from the profiles and candidate pairs as they are, and pin it.

    It goes into ops.match_models and, as JSON, below MDM_HOME/models. The same data give the same
    model, byte for byte.
    """
    with app.warehouse() as (warehouse, _):
        with RunLedger(warehouse.engine).lock(), warehouse.engine.begin() as conn:
            profiles = read_profiles(conn, app.config)
            candidates = read_candidates(conn, profiles)
            _, model = model_store.train(
                conn, profiles, candidates, run_id=None, chosen_by=chosen_by
            )
        path = warehouse.settings.home / "models" / f"{model.version}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(model.to_json())
    click.echo(model.version)
    say(f"learnt from {len(profiles):,} profiles and {len(candidates[0]):,} pairs; {path}")
    for kind, segment in model.segments.items():
        for note in segment.notes:
            say(f"  {kind}: {note}")
    say(_NEXT)


@click.group("models")
def models_command() -> None:
    """The match models: which one runs use, and what is in them."""


@models_command.command("list", epilog="Example:  mdm models list")
@pass_app
def list_models(app: App) -> None:
    """Show every model, the newest first; * marks the one that runs use."""
    with app.warehouse() as (warehouse, _), warehouse.engine.connect() as conn:
        for row in model_store.listed(conn):
            learnt = row.data_profile.get("profiles")
            told = f"  learnt from {learnt:,} profiles" if learnt is not None else ""
            chosen = f"  chosen by {row.chosen_by}" if row.chosen_by else ""
            click.echo(
                f"{'*' if row.is_current else ' '} {row.version:<20} {row.kind:<14} "
                f"{row.created_at:%F %T}{told}{chosen}"
            )


@models_command.command("show", epilog="Example:  mdm models show 3f2a")
@click.argument("version")
@pass_app
def show_model(app: App, version: str) -> None:
    """Print a model's parameters as JSON; the beginning of its version is enough."""
    with app.warehouse() as (warehouse, _), warehouse.engine.connect() as conn:
        row = model_store.find(conn, version)
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
    click.echo(orjson.dumps(row.parameters, option=options))


@models_command.command("diff", epilog="Example:  mdm models diff 3f2a 9c01")
@click.argument("left")
@click.argument("right")
@pass_app
def diff_models(app: App, left: str, right: str) -> None:
    """Show where two models differ: parameter, left value, right value."""
    with app.warehouse() as (warehouse, _), warehouse.engine.connect() as conn:
        one, other = model_store.find(conn, left), model_store.find(conn, right)
    for path, before, after in model_store.difference(one.parameters, other.parameters):
        click.echo(f"{path}\t{_short(before)}\t{_short(after)}")


@models_command.command("use", epilog="Example:  mdm models use 3f2a && mdm plan")
@click.argument("version")
@_by
@pass_app
def use_model(app: App, version: str, chosen_by: str) -> None:
    """Let runs use a model from now on, until another one is chosen or its code changes."""
    with (
        app.warehouse() as (warehouse, _),
        RunLedger(warehouse.engine).lock(),
        warehouse.engine.begin() as conn,
    ):
        row = model_store.use(conn, version, chosen_by=chosen_by)
    say(f"model {row.version} is the one now. {_NEXT}")


def _short(value: object) -> str:
    text = orjson.dumps(value, default=str).decode()
    return text if len(text) <= 60 else text[:57] + "…"
