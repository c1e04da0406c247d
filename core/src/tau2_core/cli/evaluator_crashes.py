"""Reporting crashed evaluators on standard error; `run` and `grade` then exit with 1."""

from __future__ import annotations

from collections.abc import Sequence

from tau2_core.cli.safe_text import say


def show_crashes(found: Sequence[str], folder: str | None = None) -> bool:
    """Report evaluators that crashed, one line each, with advice; return whether any did."""
    for line in found:
        say(f"error: {line}", err=True)
    if found and folder is not None:
        say(f"tracebacks are in {folder}/grades.jsonl; fix it, then `tau2-gym grade {folder}`", err=True)
    return bool(found)
