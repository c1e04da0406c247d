"""A pack's Python package: where it lies, and its modules, imported without touching sys.path."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from tau2_core.errors import UsageError
from tau2_core.model.registrations import Domain


def package_folder(package: str) -> Path:
    """Return the folder of an installed package. Raises ModuleNotFoundError."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"no package {package!r} is installed")
    return Path(spec.submodule_search_locations[0])


def find_pack_folder(folder: Path) -> Path:
    """Return where below `folder` the manifest lies: the folder itself, or `src/<package>/`. Raises UsageError."""
    candidates = [
        folder / "domain.yaml",
        *sorted(folder.glob("src/*/domain.yaml")),
        *sorted(folder.glob("*/domain.yaml")),
    ]
    found = [path.parent for path in candidates if path.is_file()]
    if not found:
        raise UsageError(f"--pack {folder}: no domain.yaml there, nor in src/<package>/; name the folder of a pack")
    return found[0].resolve()


def import_folder(folder: Path) -> str:
    """Make a folder importable as a package of its own name, and return that name.

    A folder that is loaded already keeps its modules; another package of the same name is refused.
    """
    name = folder.name
    init = folder / "__init__.py"
    present = sys.modules.get(name)
    if present is not None:
        if folder in (Path(place).resolve() for place in getattr(present, "__path__", [])):
            return name
        raise UsageError(f"--pack {folder}: a module named {name!r} is loaded from elsewhere; rename the folder")
    if not name.isidentifier():
        raise UsageError(f"--pack {folder}: a package's folder should be named like a Python module; rename it")
    spec = importlib.util.spec_from_file_location(name, init, submodule_search_locations=[str(folder)])
    if spec is None or not init.is_file():
        raise UsageError(f"--pack {folder}: there is no {init.name} beside the manifest; add an empty one")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if spec.loader is not None:
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return name


def locate(domain: Domain) -> tuple[str, Path]:
    """Return a domain's package name and folder."""
    if domain.folder is not None:
        return import_folder(domain.folder), domain.folder
    if domain.package is None:
        raise UsageError(f"domain {domain.name!r} names neither a package nor a folder")
    return domain.package, package_folder(domain.package)


def load_name(package: str, target: str) -> Any:
    """Import `module:name` within a package. Raises ImportError or AttributeError."""
    module, _, name = target.partition(":")
    if not name:
        raise ImportError(f"{target!r} should read `module:name`")
    return getattr(importlib.import_module(f"{package}.{module}"), name)


def handler_modules(package: str, folder: Path) -> dict[str, ModuleType | Exception]:
    """Import every module of a pack's `handlers/` folder; one that fails stands with its exception."""
    modules: dict[str, ModuleType | Exception] = {}
    for file in sorted((folder / "handlers").glob("*.py")):
        if file.stem == "__init__":
            continue
        try:
            modules[file.stem] = importlib.import_module(f"{package}.handlers.{file.stem}")
        except Exception as error:  # noqa: BLE001 - a pack's code may raise anything; it is reported, not swallowed
            modules[file.stem] = error
        except SystemExit as error:
            modules[file.stem] = RuntimeError(f"it ends the process with code {error.code}")
    return modules
