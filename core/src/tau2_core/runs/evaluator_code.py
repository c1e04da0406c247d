"""Evaluator code that a configuration names: `package.module:function`, or `./file.py:function` relative to it."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from tau2_core.errors import PluginError
from tau2_core.foreign_code import describe_error, foreign
from tau2_core.model.lazy import Lazy, loaded
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.python_files import import_file
from tau2_core.runs.code_files import CodeFiles


class EvaluatorCodeError(Exception):
    """Named code cannot be used; `path` is the path of a wrong option, if any."""

    def __init__(self, message: str, hint: str = "", path: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.hint = hint
        self.path = path


@dataclass(frozen=True)
class EvaluatorCode:
    """A function and its file."""

    function: Callable[..., Any]
    file: Path | None = None

    @classmethod
    def of(cls, code: Callable[..., Any] | Lazy[Callable[..., Any]]) -> EvaluatorCode:
        """Return the code of a plugin's evaluator. Raises EvaluatorCodeError."""
        try:
            return cls(loaded(code))
        except PluginError as error:
            raise EvaluatorCodeError(str(error)) from error

    @classmethod
    def find(cls, target: str, folder: Path) -> EvaluatorCode:
        """Import what `target` names; file paths are relative to `folder`. Raises EvaluatorCodeError."""
        where, _, name = target.rpartition(":")
        try:
            with foreign():
                module = _import_file(folder / where) if where.endswith(".py") else importlib.import_module(where)
        except FileNotFoundError as error:
            raise EvaluatorCodeError(f"there is no file {folder / where}", "correct the path") from error
        except Exception as error:
            what = f"{target} cannot be loaded: {describe_error(error)}"
            raise EvaluatorCodeError(what, "install or fix it; a file is named as `./file.py:function`") from error
        function = getattr(module, name, None)
        if not callable(function):
            public = [each for each, value in vars(module).items() if callable(value) and not each.startswith("_")]
            raise EvaluatorCodeError(f"{where} has no function {name!r}", did_you_mean(name, public))
        return cls(function, Path(module.__file__) if module.__file__ else None)

    def digest(self) -> str:
        """Return a digest of the function's file and its imports; "" if there is no file."""
        if self.file is None:
            return ""
        found = CodeFiles()
        found.add_file(self.file, self.file.name)
        module = getattr(self.function, "__module__", None)
        if module in sys.modules:  # not for a file that is named by its path
            found.add_module(module)
        return found.digest()

    def with_options(self, options: Mapping[str, Any]) -> Callable[..., Any]:
        """Return the function with its options applied. Raises EvaluatorCodeError for an unknown one."""
        parameters = list(inspect.signature(self.function).parameters.values())
        names = [each.name for each in parameters[1:] if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
        anything = any(each.kind is each.VAR_KEYWORD for each in parameters)
        for name in options:
            if name not in names and not anything:
                raise EvaluatorCodeError(f"it has no option {name!r}", did_you_mean(name, names), (name,))
        needed = [each.name for each in parameters[1:] if each.name in names and each.default is each.empty]
        lacking = [name for name in needed if name not in options]
        if not parameters or lacking:
            what = f"it needs the option {lacking[0]!r}" if lacking else "it should take the evidence"
            raise EvaluatorCodeError(what, "give it under `options`" if lacking else "def evaluate(evidence): …")
        return partial(self.function, **options) if options else self.function


def _import_file(file: Path) -> ModuleType:
    """Import a file under a name that depends on its content. The module is not entered in sys.modules."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return import_file(f"tau2_evaluation_{digest[:12]}", file, listed=False)
