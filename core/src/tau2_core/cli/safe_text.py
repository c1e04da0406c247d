"""Printing text from outside, so that it can neither control the terminal nor style a table."""

from __future__ import annotations

import typer
from rich.markup import escape

from tau2_core.terminal_text import printable, printable_json, printable_line


def safe(text: object) -> str:
    """Return text for rich to print on one line, with control characters and markup escaped."""
    shown = escape(printable_line(text))
    return f"{shown}\\" if shown.endswith("\\") and not shown.endswith("\\\\") else shown


def safe_lines(text: object) -> str:
    """Return text as `safe` does, keeping line ends."""
    return "\n".join(safe(line) for line in printable(text).split("\n"))


def say(text: object, *, err: bool = False) -> None:
    """Print text with control characters escaped."""
    typer.echo(printable(text), err=err)


def say_json(text: str) -> None:
    """Print JSON text with control characters as JSON escapes."""
    typer.echo(printable_json(text))
