"""Detecting handlers that only raise NotImplementedError, as scaffolded ones do."""

from __future__ import annotations

from pathlib import Path
from types import CodeType

from tau2_core.model.tools import Handler, Source
from tau2_core.packs.pack import ROLES, Pack
from tau2_core.packs.problems import Problems
from tau2_core.problem_kinds import ProblemKind


def note_unwritten(pack: Pack, problems: Problems) -> frozenset[str]:
    """Report every tool and function with an unwritten handler, and return their names."""
    found: set[str] = set()
    for role in ROLES:
        for name, callee in pack.callees(role).items():
            code = callee.handler.__code__
            if is_unwritten(callee.handler):
                found.add(name)
                place = Source(Path(code.co_filename), code.co_firstlineno)
                what = f"{name}: its handler is not written yet"
                problems.at(place, ProblemKind.NOT_WRITTEN, what, hint="replace its `raise` with code")
    return frozenset(found)


def is_unwritten(handler: Handler) -> bool:
    """Tell whether a handler does nothing but raise NotImplementedError."""
    code: CodeType = handler.__code__
    return code.co_names == ("NotImplementedError",)
