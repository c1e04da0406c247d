"""The command `tau2-gym`: its sub-commands, and the conversion of errors to exit codes."""

from __future__ import annotations

import errno
import sys
import traceback
from importlib.metadata import version
from typing import Annotated

import typer

from tau2_core.cli import (
    annotate,
    calibrate_judge,
    check,
    compare,
    demo,
    describe,
    domains,
    export,
    grade,
    merge,
    new,
    new_tool,
    plugins,
    replay,
    report,
    run,
    runs,
    schema,
    serve,
    show,
    streams,
    study,
    tasks,
)
from tau2_core.cli.command_wrapper import complain
from tau2_core.cli.lingering_threads import leave_threads_behind
from tau2_core.cli.own_commands import OwnCommands
from tau2_core.cli.plugin_commands import CommandGroup
from tau2_core.errors import Tau2GymError, UsageError
from tau2_core.runtime.garbage_collection import collect_rarely

OWN_COMMANDS = OwnCommands(
    run.run,
    demo.demo,
    show.show,
    runs.runs,
    report.report,
    compare.compare,
    grade.grade,
    calibrate_judge.calibrate_judge,
    annotate.annotate,
    study.study,
    merge.merge,
    export.export,
    serve.serve,
    new.new,
    new_tool.new_tool,
    schema.schema,
    check.check,
    replay.replay,
    domains.domains,
    tasks.tasks,
    describe.describe,
    plugins.plugins,
)


class Commands(CommandGroup):
    """Our commands and those of plugins."""

    ours = OWN_COMMANDS


app = typer.Typer(
    name="tau2-gym",
    cls=Commands,
    help="Evaluate AI agents that serve customers, in domains that are plugins.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tau2-gym {version('tau2-core')}")
        raise typer.Exit


@app.callback()
def _about(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version, and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line: exit code 0, 2 for a usage error, 1 for any other failure."""
    collect_rarely()
    streams.open_standard_streams()
    try:
        code = _run()
        streams.flush()
    except OSError as error:  # standard output is full, or its reader has closed it, such as `| head`
        streams.abandon_output()
        code = 1
        if error.errno != errno.EPIPE:
            complain(f"error: cannot write standard output: {error.strerror}")
    leave_threads_behind(code)
    streams.abandon_output()
    sys.exit(code)


def _run() -> int | str | None:
    try:
        app()
    except SystemExit as end:
        return end.code
    except UsageError as error:
        return complain(f"error: {error}", 2)
    except Tau2GymError as error:
        return complain(f"error: {error}")
    except OSError as error:
        if error.filename is None and error.errno in streams.CANNOT_WRITE:
            raise
        where = f" {error.filename}" if error.filename is not None else ""
        return complain(f"error: the system refused{where}: {error.strerror or error}")
    except Exception:  # noqa: BLE001 - a bug: shown as by Python, without secrets
        return complain(traceback.format_exc())
    return 0
