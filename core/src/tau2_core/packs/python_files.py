"""Importing Python files by path, without touching sys.path."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def import_file(name: str, file: Path, *, listed: bool = True) -> ModuleType:
    """Import a file as the module `name`; an `__init__.py` becomes the package of its folder.

    With `listed`, the module is entered in `sys.modules`, unless the import fails. Raises ImportError for a file that
    is not Python, FileNotFoundError, and whatever the file's code raises.
    """
    places = [str(file.parent)] if file.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=places)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    if listed:
        sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        if listed:
            del sys.modules[name]
        raise
    return module
