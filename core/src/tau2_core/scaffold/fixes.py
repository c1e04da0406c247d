"""`tau2-gym check --fix`: correcting misspelt names in a pack's files where the right name is certain."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tau2_core.errors import Problem


def apply_fixes(problems: Iterable[Problem]) -> list[str]:
    """Replace the misspelt words of problems in their lines, and return one text for each replacement.

    A line that does not contain the word exactly once is not changed.
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
