"""What a fork origin does once, since most commands do it: list the entry points, load the installed packs."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any


class Kept(MetaPathFinder, Loader):
    """Hands over modules that were imported once. Until then they are not in `sys.modules`, as in a new process.

    A module that would come from another file, because a folder hides the installed one, is imported as usual.
    """

    def __init__(self, modules: Mapping[str, ModuleType]) -> None:
        self._modules = modules
        self._specs = {name: module.__spec__ for name, module in modules.items()}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        kept = self._specs.get(name)
        found = PathFinder.find_spec(name, path) if kept is not None else None
        if kept is None or found is None or found.origin is None or found.origin != kept.origin:
            return None
        found.loader = self
        return found

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._specs[module.__name__]


def _load_installed_packs() -> None:
    """Import the installed plugins and load their packs, and keep the modules for commands that import them."""
    from tau2_core.hookspecs import PROJECT
    from tau2_core.runs.loading import load_domain_pack, open_catalogue

    before = set(sys.modules)
    catalogue = open_catalogue()
    for domain in catalogue.domains():
        load_domain_pack(catalogue, domain.name)
    packages = {point.module.partition(".")[0] for point in importlib.metadata.entry_points(group=PROJECT)}
    theirs = [name for name in sys.modules if name.partition(".")[0] in packages and name not in before]
    sys.meta_path.insert(0, Kept({name: sys.modules.pop(name) for name in theirs}))


def _remember_metadata() -> None:
    """Read the metadata of each installed package only once: each command lists the entry points of all of them."""
    installed, read = set(sys.path), importlib.metadata.PathDistribution.read_text

    @cache
    def known(folder: Path, name: str) -> str | None:
        return read(importlib.metadata.PathDistribution(folder), name)

    def read_text(self: Any, filename: str) -> str | None:
        folder = self._path
        return known(folder, filename) if str(folder.parent) in installed else read(self, filename)

    importlib.metadata.PathDistribution.read_text = read_text  # type: ignore[method-assign, assignment]


def prepare() -> None:
    """Do what is the same in most commands: build the command line, read the core's files, load the installed packs."""
    from tau2_core.cli.app import OWN_COMMANDS
    from tau2_core.runs.code_files import core_digest

    for command in OWN_COMMANDS.values():
        for option in command.params:
            if hasattr(option, "get_runtime_param"):  # older versions of typer lack it
                option.get_runtime_param()
    core_digest()
    _remember_metadata()
    _load_installed_packs()
