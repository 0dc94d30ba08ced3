"""``mdm``: the command line. Answers go to stdout, everything else to stderr.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 held back for a decision, 130
interrupted.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from mdm.errors import MdmError

#: Subcommand -> module that holds it; imported only when called, so that each starts fast.
_COMMANDS = {
    "run": "mdm.commands.run",
    "init": "mdm.commands.init",
    "load": "mdm.commands.load",
    "profile": "mdm.commands.profile",
    "export": "mdm.commands.export",
    "sql": "mdm.commands.query",
    "psql": "mdm.commands.query",
    "evaluate": "mdm.commands.evaluate",
    "explain": "mdm.commands.explain",
    "train": "mdm.commands.models",
    "models": "mdm.commands.models",
    "why": "mdm.commands.why",
    "check": "mdm.commands.check",
    "services": "mdm.commands.services",
    "overrides": "mdm.commands.steward",
    "link": "mdm.commands.steward",
    "unlink": "mdm.commands.steward",
    "unmerge": "mdm.commands.unmerge",
    "undo": "mdm.commands.steward",
    "decisions": "mdm.commands.steward",
    "shared-values": "mdm.commands.shared_values",
    "plan": "mdm.commands.plan",
    "apply": "mdm.commands.plan",
    "retract": "mdm.commands.retract",
    "restore": "mdm.commands.retract",
    "rejects": "mdm.commands.rejects",
    "runs": "mdm.commands.runs",
    "status": "mdm.commands.status",
    "vacuum": "mdm.commands.vacuum",
    "data-model": "mdm.commands.data_model",
}


_say = partial(click.echo, err=True)


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in _COMMANDS if _exists(_COMMANDS[name])]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _COMMANDS.get(cmd_name)
        if module is None or not _exists(module):
            return None
        command: click.Command = getattr(
            importlib.import_module(module), f"{cmd_name.replace('-', '_')}_command"
        )
        return command


def _exists(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="MDM_CONFIG",
    default=Path("mdm.toml"),
    show_default=True,
    show_envvar=True,
    help="The configuration: sources, attributes, matching, survivorship, quality.",
)
@click.option("--verbose", is_flag=True, help="Show the traceback of a failure.")
@click.version_option(package_name="customer-master")
@click.pass_context
def cli(ctx: click.Context, config_path: Path, verbose: bool) -> None:
    """One golden customer table out of many systems.

    \b
    Example:  mdm run
              mdm sql "SELECT * FROM gold.dim_customers LIMIT 5"
    """
    from mdm.app import App  # and all below it: while that loads, Ctrl-C is heard as anywhere

    ctx.obj = App(config_path=config_path, verbose=verbose)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(execute(words))


def run_phase(first: str, words: Sequence[str], *, last: str | None = None) -> None:
    """Run ``first`` (up to ``last``) as a phase's own script does, and leave with its exit code.

    ``--config FILE`` belongs to ``mdm`` itself, everything else to ``mdm run``.
    """
    mine: list[str] = []
    rest = list(words)
    if "--config" in rest:
        at = rest.index("--config")
        mine, rest[at : at + 2] = rest[at : at + 2], []
    sys.exit(execute([*mine, "run", "--from", first, "--to", last or first, *rest]))


def execute(words: list[str]) -> int:
    """The exit code of the command line ``words``; everything it has to say is said."""
    verbose = "--verbose" in words
    try:
        from mdm import settings

        settings.pass_on()
        cli.main(words, prog_name="mdm", standalone_mode=False)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("\nInterrupted. What was finished is kept; run the same command again to go on.")
        return 130
    except BrokenPipeError:
        # the reader (head, less) has enough; keep the interpreter from complaining at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MdmError as error:
        _say(f"Error: {error}")
        if verbose:
            traceback.print_exc()
        return error.exit_code
    except OSError as error:
        # a full disk, a folder that is not there or not ours: no fault of the program
        where = f"{error.filename}: " if error.filename else ""
        _say(f"Error: {where}{error.strerror or error}")
        if verbose:
            traceback.print_exc()
        return 1
    except Exception as error:
        _say(f"Unexpected {type(error).__name__}: {str(error).strip().splitlines()[:1]}")
        if verbose:
            traceback.print_exc()
        else:
            _say("This is a fault of the program. Call again with `mdm --verbose …` to see where.")
        return 1
    return 0


if __name__ == "__main__":
    main()
