"""Reporting crashed evaluators on standard error; `run` and `grade` then exit with 1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tau2_core.cli.safe_text import say

if TYPE_CHECKING:
    from tau2_core.model.evaluation import Grade


def show_crashes(grades: Iterable[Grade], folder: str | None = None) -> bool:
    """Report each evaluator that crashed, with advice; return whether there was one."""
    from tau2_core.evaluators.guard import crashes

    found = crashes(grades)
    for line in found:
        say(f"error: {line}", err=True)
    if found and folder is not None:
        say(f"tracebacks are in {folder}/grades.jsonl; fix it, then `tau2-gym grade {folder}`", err=True)
    return bool(found)
