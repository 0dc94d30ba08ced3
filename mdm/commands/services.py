"""``mdm services``: start, stop and look at the database and the lake."""

from __future__ import annotations

import click

from mdm import services
from mdm.app import App, pass_app, say


@click.group("services")
def services_command() -> None:
    """The database and the lake that MDM_SERVICES names."""


@services_command.command("up", epilog="Example:  mdm services up")
@pass_app
def up(app: App) -> None:
    """Start what is not running."""
    endpoints = services.up(app.settings)
    for note in endpoints.notes:
        say(note)
    _show(app)


@services_command.command("down", epilog="Example:  mdm services down")
@pass_app
def down(app: App) -> None:
    """Stop what is running; nothing is deleted."""
    services.down(app.settings)
    _show(app)


@services_command.command("status", epilog="Example:  mdm services status")
@pass_app
def status(app: App) -> None:
    """Show each service: state, address, process, data and log."""
    if not _show(app):
        raise SystemExit(1)


def _show(app: App) -> bool:
    states = services.status(app.settings)
    for service in states:
        pid = f"  pid {service.pid}" if service.pid else ""
        click.echo(f"{service.name:<12} {service.state:<12} {service.address}{pid}")
        for label, place in (("data", service.data_dir), ("log", service.log_file)):
            if place is not None:
                click.echo(f"{'':<12} {label} {place}")
        if service.note:
            click.echo(f"{'':<12} {service.note}")
    return all(service.state == "running" for service in states)
