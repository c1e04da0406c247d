"""Lines to and from a person at the terminal."""

from __future__ import annotations

import sys


def show(text: str) -> None:
    """Write a line for the person; to standard error, as standard output is for results."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def ask(prompt: str) -> str:
    """Return the next line that is not blank. Raises EOFError when the input ends."""
    while True:
        sys.stderr.write(prompt)
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            raise EOFError("the input has ended")
        if line.strip():
            return line.strip()
