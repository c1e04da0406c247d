"""The location of a pack: the folder of an installed package, also in a zip file, or the folder given with --pack."""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from tau2_core.errors import UsageError
from tau2_core.packs.pack_files import is_left_behind, matching_files

MANIFEST = "domain.yaml"
# The folder itself, then a package in it, also in a namespace package, each with and without `src`.
_LAYOUTS = ("", "src/*/", "*/", "src/*/*/", "*/*/")
_DEEPEST_NAME = 4


def package_folder(package: str, file: str) -> Path:
    """Return the folder of an importable package; of several (a namespace package), the one that contains `file`.

    A package in a zip file is unpacked for the lifetime of this process. Raises ModuleNotFoundError.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"no package {package!r} is installed")
    folders = [Path(place) for place in spec.submodule_search_locations]
    for folder in [each for each in folders if not each.is_dir()]:
        unpacked = _unpacked(folder)
        if unpacked is not None:
            # Folders without an __init__.py, such as `handlers`, cannot be imported from most zip files.
            importlib.import_module(package).__path__.append(str(unpacked))
            folders.append(unpacked)
    return next((folder for folder in folders if (folder / file).is_file()), folders[0])


def _unpacked(folder: Path) -> Path | None:
    archive = next((place for place in folder.parents if place.is_file() and zipfile.is_zipfile(place)), None)
    return _unpack(archive, folder.relative_to(archive).as_posix(), archive.stat().st_mtime_ns) if archive else None


@lru_cache(maxsize=64)
def _unpack(archive: Path, inner: str, _changed: int) -> Path:
    target = Path(tempfile.mkdtemp(prefix="tau2-gym-"))
    atexit.register(shutil.rmtree, target, ignore_errors=True)
    with zipfile.ZipFile(archive) as file:
        file.extractall(target, [name for name in file.namelist() if name.startswith(f"{inner}/")])
    return target / inner


def find_pack_folder(folder: Path) -> Path:
    """Return the folder of the manifest at or below `folder`. Raises UsageError if there is none, or several.

    Links are not resolved, since they determine the package's name.
    """
    top = Path(os.path.abspath(folder))  # noqa: PTH100 - `resolve` would follow the links
    for layout in _LAYOUTS:
        found = [file.parent for file in matching_files(top, f"{layout}{MANIFEST}") if not is_left_behind(file, top)]
        if len(found) > 1:
            names = ", ".join(str(each) for each in found)
            raise UsageError(f"--pack {folder}: it contains several packs; name one of {names}")
        if found:
            return found[0]
    raise UsageError(f"--pack {folder}: there is no {MANIFEST} in it or in src/<package>/; name the folder of a pack")


def pack_hint(domain: str) -> str:
    """Return a line for the error about an unknown domain whose name is a folder with a pack; "" for any other."""
    if not domain:
        return ""
    try:
        find_pack_folder(Path(domain))
    except (UsageError, OSError, ValueError):
        return ""
    return f"\nthe folder {domain} holds a pack: add --pack {domain}"


def package_name(folder: Path) -> str:
    """Return the name under which a pack's folder is imported, which is the one that its own code uses.

    It may be `acme.kiosk`, or the name of the folder behind a link. By default it is the folder's own name.
    Raises UsageError if no name is possible.
    """
    code = "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in matching_files(folder, "**/*.py"))
    names = list(dict.fromkeys([*_names(folder), *_names(folder.resolve())]))
    for name in names:
        if re.search(rf"^\s*(?:from|import)\s+{re.escape(name)}(?![\w])", code, re.MULTILINE):
            return name
    if not names:
        raise UsageError(f"--pack {folder}: a package's folder should be named like a Python module; rename it")
    return names[0]


def _names(folder: Path) -> Iterator[str]:
    """Yield the dotted names that a folder can have as a package, the shortest first."""
    parts: list[str] = []
    for place in (folder, *folder.parents):
        if not place.name.isidentifier() or len(parts) == _DEEPEST_NAME:
            return
        parts.insert(0, place.name)
        yield ".".join(parts)
