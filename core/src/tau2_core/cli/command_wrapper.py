"""A wrapper for every command: after Ctrl-C or an attempt to exit, it prints a message and exits with 1."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any

import typer

from tau2_core.cli.output import own_output
from tau2_core.foreign_code import describe_error as words_of
from tau2_core.redaction import printed
from tau2_core.terminal_text import printable


def wrapped_command(command: Callable[..., None], package: str = "") -> Callable[..., None]:
    """Wrap a command: on Ctrl-C print a message and exit with 1, unlike typer. Also catch exits attempted by a pack.

    Output of `package` goes to standard output, like our own.
    """

    @wraps(command)
    def run_command(*args: Any, **kwargs: Any) -> None:
        try:
            with own_output(package):
                command(*args, **kwargs)
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(1) from None
        except BaseException as error:
            if isinstance(error, Exception):
                raise
            complain(f"error: {_place(error)} ended the command: {words_of(error)}; fix it, or block it")
            raise typer.Exit(1) from None

    # The annotations are texts. Typer would evaluate them twice each time it parses a command line.
    signature = inspect.signature(command, eval_str=True)
    run_command.__annotations__ = {name: each.annotation for name, each in signature.parameters.items()}
    vars(run_command)["__signature__"] = signature
    return run_command


def complain(message: str, code: int = 1) -> int:
    """Print an error on standard error, without secrets, and return the exit code."""
    with suppress(OSError):
        typer.echo(printable(printed(message)), err=True)
    return code


def epilog(example: tuple[str, ...] | list[str]) -> str:
    r"""Return the examples at the end of a command's help; `\b` keeps their line breaks."""
    return "\n".join(["\b", "Example:", *(f"  {line}" for line in example)])


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "something"
