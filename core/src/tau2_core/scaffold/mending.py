"""Mending what is beyond doubt in a pack's files: a misspelt name gets the one that is meant."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tau2_core.errors import Problem


def mend(problems: Iterable[Problem]) -> list[str]:
    """Replace the words that problems name, each in its line, and return what was done, a line each.

    A line that does not hold the word exactly once is left alone.
    """
    done: list[str] = []
    for problem in problems:
        if problem.replace is None or problem.line is None:
            continue
        old, new = problem.replace
        lines = problem.file.read_bytes().decode("utf-8").split("\n")
        line = lines[problem.line - 1]
        found = list(re.finditer(rf"(?<![\w-]){re.escape(old)}(?![\w-])", line))
        if len(found) == 1:
            lines[problem.line - 1] = f"{line[: found[0].start()]}{new}{line[found[0].end() :]}"
            problem.file.write_bytes("\n".join(lines).encode("utf-8"))
            done.append(f"{problem.file}:{problem.line}: {old} is now {new}")
    return done
