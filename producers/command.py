"""The command line of the three producer scripts."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from mdm import services, settings
from mdm.errors import MdmError
from mdm.lake import Lake
from producers.demo import DEFAULT_RECORDS, DEFAULT_SEED, Produced, produce
from producers.objects import FolderStore, ObjectStore
from producers.systems import System


def main(system: System) -> None:
    """Run a producer script and leave with its exit code."""

    @click.command(
        help=f"Put the {system.name} system's share of the demo into the lake. What is there is "
        "left alone; days before the one asked for are produced too when they are missing.",
        epilog=f"Example:  python -m producers.{system.name}_producer --day 2",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    @click.option(
        "--records",
        type=click.IntRange(min=1),
        default=DEFAULT_RECORDS,
        show_default=True,
        help="Events of day 1, over all three systems.",
    )
    @click.option("--seed", type=int, default=DEFAULT_SEED, show_default=True, help="Population.")
    @click.option("--day", type=click.IntRange(min=1), default=1, show_default=True, help="Day.")
    @click.option(
        "--source", default=system.name, show_default=True, help="First part of the keys."
    )
    @click.option(
        "--now",
        type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
        help="Take this instant (UTC) for the present.",
    )
    @click.option(
        "--folder",
        type=click.Path(path_type=Path, file_okay=False),
        help="Write below this folder, lake and truth, instead of the lake and MDM_HOME.",
    )
    def command(
        records: int, seed: int, day: int, source: str, now: datetime | None, folder: Path | None
    ) -> None:
        store, home = _places(folder)
        done = produce(
            store,
            home,
            {source: system},
            records=records,
            seed=seed,
            day=day,
            now=now.replace(tzinfo=UTC) if now else None,
        )
        click.echo(describe(done), err=True)

    try:
        command.main()
    except MdmError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)


def describe(done: Produced) -> str:
    """One sentence on what was produced."""
    if not done.objects:
        return f"Nothing to produce: {done.skipped_objects} objects are in the lake already."
    return (
        f"{done.lines:,} lines in {done.objects} objects: {done.records:,} records, "
        f"{done.repeated} repeated lines, {done.malformed} malformed ones."
    )


def _places(folder: Path | None) -> tuple[ObjectStore, Path]:
    if folder is not None:
        return FolderStore(folder), folder
    found = settings.load()
    lake = Lake(services.up(found))
    lake.ensure_bucket()
    return lake, found.home
