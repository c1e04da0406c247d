"""A pack's Python modules, imported without touching sys.path."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from tau2_core.errors import UsageError
from tau2_core.foreign_code import foreign
from tau2_core.model.registrations import Domain
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.locations import package_folder, package_name
from tau2_core.packs.pack_files import matching_files
from tau2_core.packs.python_files import import_file


def import_folder(folder: Path) -> str:
    """Make a pack's folder importable as a package, and return its name.

    If the folder is already loaded, its modules are kept. Another package of the same name is refused.
    """
    name = package_name(folder)
    present = sys.modules.get(name)
    if present is not None:
        if folder.resolve() in (Path(place).resolve() for place in getattr(present, "__path__", [])):
            return name
        raise UsageError(f"--pack {folder}: another module named {name!r} is already loaded; rename the folder")
    if not (folder / "__init__.py").is_file():
        raise UsageError(f"--pack {folder}: there is no __init__.py next to the manifest; add an empty one")
    parent = name.rpartition(".")[0]
    if parent:
        _import_parent(parent, folder.parent)
    _import_package(name, folder)
    return name


def _import_parent(name: str, folder: Path) -> None:
    """Import the parent package of a pack, which may be a namespace package across several folders."""
    above = name.rpartition(".")[0]
    if above:
        _import_parent(above, folder.parent)
    if name not in sys.modules and importlib.util.find_spec(name) is not None:
        importlib.import_module(name)
    present = sys.modules.get(name)
    if present is None and (folder / "__init__.py").is_file():
        _import_package(name, folder)
    elif present is None:
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
        sys.modules[name] = importlib.util.module_from_spec(spec)
    elif str(folder) not in (places := getattr(present, "__path__", [])):
        if getattr(present, "__file__", None):
            raise UsageError(f"--pack {folder}: another module named {name!r} is already loaded; rename the folder")
        places.append(str(folder))


def _import_package(name: str, folder: Path) -> None:
    module = import_file(name, folder / "__init__.py")
    parent, _, own = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], own, module)


def locate(domain: Domain) -> tuple[str, Path]:
    """Return a domain's package name and folder."""
    if domain.folder is not None:
        return import_folder(domain.folder), domain.folder
    if domain.package is None:
        raise UsageError(f"domain {domain.name!r} names neither a package nor a folder")
    return domain.package, package_folder(domain.package, domain.manifest)


def own_folder(domain: Domain) -> Path:
    """Return the folder of a pack that its author works in, without importing it. Raises UsageError for a copy."""
    if domain.folder is not None:
        return domain.folder
    folder = locate(domain)[1]
    if {"site-packages", "dist-packages"} & set(folder.parts):
        raise UsageError(
            f"{domain.name} is installed as a copy, in {folder}: name your folder with --pack, or install it editable "
            "(pip install -e FOLDER)"
        )
    return folder


def load_name(package: str, target: str) -> Any:
    """Import `module:name` within a package. Raises ImportError or AttributeError."""
    where, _, name = target.partition(":")
    if not name:
        raise ImportError(f"{target!r} should read `module:name`")
    module = importlib.import_module(f"{package}.{where}")
    if not hasattr(module, name):
        known = [each for each in vars(module) if not each.startswith("_")]
        raise AttributeError(f"there is no {name!r} in it ({did_you_mean(name, known)})")
    return getattr(module, name)


def handler_modules(package: str, folder: Path) -> dict[str, ModuleType | Exception]:
    """Import every module of a pack's `handlers/` folder. A module that fails is represented by its exception."""
    modules: dict[str, ModuleType | Exception] = {}
    for file in matching_files(folder / "handlers", "*.py"):
        if file.stem == "__init__":
            continue
        try:
            with foreign():
                modules[file.stem] = importlib.import_module(f"{package}.handlers.{file.stem}")
        except Exception as error:  # noqa: BLE001 - a pack's code may raise anything; it is reported
            modules[file.stem] = error
    return modules
