"""The command `tau2-gym`: its sub-commands, and how errors become exit codes."""

from __future__ import annotations

import os
import sys

import typer

from tau2_core.cli import check, describe, domains, plugins, replay, run, serve
from tau2_core.errors import Tau2GymError, UsageError

app = typer.Typer(
    name="tau2-gym",
    help="Evaluate AI agents that serve customers, in domains that are plugins.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (run.run, serve.serve, check.check, replay.replay, domains.domains, describe.describe, plugins.plugins):
    app.command(epilog=f"Example: {vars(command)['example']}")(command)


def main() -> None:
    """Run the command line: exit code 0, 2 for a usage error, 1 for any other failure."""
    try:
        app()
    except UsageError as error:
        _end(f"error: {error}", 2)
    except Tau2GymError as error:
        _end(f"error: {error}", 1)
    except KeyboardInterrupt:
        _end("interrupted", 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _end(message: str, code: int) -> None:
    typer.echo(message, err=True)
    sys.exit(code)
