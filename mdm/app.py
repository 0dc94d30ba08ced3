"""What every command is given: the settings, the configuration file, and how to open things."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import click

from mdm import settings as settings_module
from mdm.config import Config
from mdm.config import load as load_config
from mdm.settings import Settings
from mdm.warehouse import Warehouse
from mdm.warehouse import opened as open_warehouse


@dataclass
class App:
    """The command line's state: where the configuration is and what was asked of all commands."""

    config_path: Path
    verbose: bool = False

    @cached_property
    def settings(self) -> Settings:
        """The settings of the environment, read at first use."""
        return settings_module.load()

    @cached_property
    def config(self) -> Config:
        """The configuration, read and checked at first use."""
        return load_config(self.config_path)

    @contextlib.contextmanager
    def warehouse(self) -> Iterator[tuple[Warehouse, float]]:
        """An open warehouse and the seconds that opening it took."""
        started = time.monotonic()
        with open_warehouse(self.settings) as warehouse:
            for note in warehouse.endpoints.notes:
                say(note)
            yield warehouse, time.monotonic() - started


def say(message: str) -> None:
    """Tell the person at the terminal something that is not the command's answer (stderr)."""
    try:
        click.echo(message, err=True)
    except BrokenPipeError:
        # nobody reads any more (`2>&1 | head`): no reason to give up the work
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


pass_app = click.make_pass_decorator(App)
