"""Agents from your own Python code: `--agent python:MODULE:NAME`."""

from __future__ import annotations

import importlib
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from tau2_core.episode.custom_participants import calls_tools, created_by, creator_of
from tau2_core.errors import UsageError
from tau2_core.foreign_code import describe_error, foreign
from tau2_core.model.registrations import AgentSpec
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.python_files import import_file


def spec(target: str) -> AgentSpec:
    """Return the agent that `MODULE:NAME` or `FILE.py:NAME` names. Raises UsageError.

    It may be anything that `evaluate` takes as an agent: an object with `reply`, a function, or a class or function
    that creates such an object from a context.
    """
    where, colon, name = target.rpartition(":")
    if not colon or not where or not name:
        raise UsageError(f"--agent python:{target}: should read python:MODULE:NAME or python:FILE.py:NAME")
    module = _loaded(where, target)
    if not hasattr(module, name):
        known = [each for each in vars(module) if not each.startswith("_")]
        raise UsageError(f"--agent python:{target}: {where} has no {name!r} ({did_you_mean(name, known)})")
    given: Any = getattr(module, name)
    create = created_by(_Origin(module.__name__), partial(creator_of("agent", given)))
    return AgentSpec(name, "an agent from Python code", create, calls_tools=calls_tools(given))


class _Origin:
    """Records the module of an agent, so that a run digests its files too and not only those of the class."""

    def __init__(self, module: str) -> None:
        self.__module__ = module


def _loaded(where: str, target: str) -> ModuleType:
    try:
        with foreign():
            return _from_file(Path(where)) if where.endswith(".py") else importlib.import_module(where)
    except UsageError:
        raise
    except Exception as error:
        hint = f"; for the file here write python:{where}.py:…" if Path(f"{where}.py").is_file() else ""
        raise UsageError(
            f"--agent python:{target}: {where} cannot be imported: {describe_error(error)}{hint}"
        ) from error


def _from_file(file: Path) -> ModuleType:
    name = file.stem
    present = sys.modules.get(name)
    if present is not None and present.__file__ is not None and Path(present.__file__).resolve() == file.resolve():
        return present
    if present is not None:
        raise UsageError(f"--agent python:{file}: a module named {name!r} is already loaded; rename the file")
    if not file.is_file():
        raise UsageError(f"--agent python:{file}: there is no such file")
    return import_file(name, file.resolve())
