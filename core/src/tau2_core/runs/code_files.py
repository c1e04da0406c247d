"""The files of some code: its package with data and everything that it imports; for libraries, their versions."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from tau2_core.model.lazy import Lazy
from tau2_core.packs.locations import package_folder
from tau2_core.packs.pack_files import all_files
from tau2_core.packs.source_files import SourceFiles

CORE = __name__.partition(".")[0]


class CodeFiles:
    """Collects files under names that are the same on every machine, and the versions of installed libraries.

    Files that `sources` has already read are not read again. `texts` by name count for the digest like files.
    """

    def __init__(self, files: Mapping[str, Path] | None = None, sources: SourceFiles | None = None) -> None:
        self.files = dict(files or {})
        self.sources = sources or SourceFiles()
        self.libraries: set[str] = set()
        self.texts: dict[str, str] = {}
        self._seen: set[str] = set()

    def add_folder(self, folder: Path, package: str) -> None:
        """Add all files of a package's folder, by relative path, and the imports of its modules."""
        self._seen.add(package)
        for file in all_files(folder):
            self._add_file(file, f"{package}/{file.relative_to(folder).as_posix()}", package)

    def add_module(self, name: str) -> None:
        """Add the package of a module, or the module alone; nothing for the core and the standard library."""
        if name.partition(".")[0] in (CORE, *sys.stdlib_module_names, *sys.builtin_module_names):
            return
        root = _root(name)
        if root in self._seen:
            return
        self._seen.add(root)
        file, is_package = _file(root)
        if file is None:
            return  # a namespace package, whose parts are added separately, or not found
        if is_package:
            self.add_folder(package_folder(root, "__init__.py"), root)
        elif file.is_file():
            self._add_file(file, f"{root}{file.suffix}", root)

    def add_file(self, file: Path, name: str) -> None:
        """Add one file, and its imports if it is Python."""
        self._add_file(file, name, "")

    def _add_file(self, file: Path, name: str, package: str) -> None:
        self.files[name] = file
        if file.suffix == ".py":
            for imported in _imports(self.sources.read(file)):
                if not package or (imported != package and not imported.startswith(f"{package}.")):
                    self._add_import(imported)

    def _add_import(self, name: str) -> None:
        top = name.partition(".")[0]
        if top in (CORE, *sys.stdlib_module_names, *sys.builtin_module_names):
            return
        library = _library(top)
        if library:
            self.libraries.add(library)
        else:
            self.add_module(name)

    def digest(self) -> str:
        """Return one digest of the files' names and contents."""
        total = hashlib.sha256()
        for name, file in sorted(self.files.items()):
            total.update(f"{name}\0{self.sources.digest(file)}\n".encode())
        for name, text in sorted(self.texts.items()):
            total.update(f"{name}\0{text}\n".encode())
        return total.hexdigest()


def code_digest(code: Iterable[Any]) -> str | None:
    """Return a digest of the files behind plugins' functions, classes and objects; None if all are the core's."""
    found = CodeFiles()
    for each in code:
        for module in _modules(each):
            found.add_module(module)
    return found.digest() if found.files else None


@lru_cache(maxsize=1)
def core_digest() -> str:
    """Return a digest of the core's own files, which distinguishes development versions."""
    found = CodeFiles()
    folder = Path(sys.modules[CORE].__path__[0])
    for file in all_files(folder):
        if file.relative_to(folder).parts[0] not in ("cli", "testing"):
            found.files[file.relative_to(folder).as_posix()] = file
    return found.digest()


def _modules(code: Any) -> Iterator[str]:
    """Yield the modules of a plugin's code, also behind partials and decorators."""
    if isinstance(code, Lazy):
        yield code.target.partition(":")[0]
        return
    if isinstance(code, partial):
        marked = filter(None, [getattr(code, "__wrapped__", None)])
        for inner in (*filter(callable, (code.func, *code.args, *code.keywords.values())), *marked):
            yield from _modules(inner)
        return
    for each in (code, getattr(code, "__wrapped__", None), type(code), type(getattr(code, "__self__", None))):
        module = getattr(each, "__module__", None)
        if isinstance(module, str):
            yield module


def _root(name: str) -> str:
    """Return the outermost regular package around a module, within a namespace package if there is one."""
    parts = name.split(".")
    for length in range(1, len(parts)):
        root = ".".join(parts[:length])
        if _file(root)[0] is not None:
            return root
    return name


def _file(name: str) -> tuple[Path | None, bool]:
    """Return the file of a module, None if it has no file, and whether it is a package."""
    module = sys.modules.get(name)
    if module is not None:
        file = getattr(module, "__file__", None)
        return Path(file) if file else None, hasattr(module, "__path__")
    spec = _spec(name)
    if spec is None or not spec.has_location or not spec.origin:
        return None, False
    return Path(spec.origin), spec.submodule_search_locations is not None


def _spec(name: str) -> Any:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None  # not found; the import would fail or is optional


def _imports(source: bytes) -> Iterator[str]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if _is_namespace(node.module))
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.args[0].value.lstrip(".")


def _is_namespace(name: str) -> bool:
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or _library(top):  # to look for a library's module would import the library
        return False
    return _file(name)[0] is None


@lru_cache(maxsize=1024)
def _library(top: str) -> str:
    """Return the installed distribution of a module, such as `numpy-2.1.0`; "" if there is none.

    A distribution lists its files. Searching only next to the module is much faster than `packages_distributions`.
    """
    spec = _spec(top)
    places = list(spec.submodule_search_locations or [spec.origin]) if spec else []
    for place in [Path(place).parent for place in places if place]:
        installed = sorted(place.glob("*.dist-info"), key=lambda each: not each.name.lower().startswith(top.lower()))
        for information in installed:
            record = information / "RECORD"
            listed = record.read_text(encoding="utf-8", errors="replace") if record.is_file() else ""
            if any(f"\n{top}{end}" in f"\n{listed}" for end in ("/", ".py,")):
                return information.name.removesuffix(".dist-info")
    return ""
