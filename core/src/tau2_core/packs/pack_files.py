"""The author's files in a folder, without files that the system, an editor or Python leaves there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Hidden names (.DS_Store, ._name, .ipynb_checkpoints, .name.swp, .#name) are excluded by their dot.
_NAMES = frozenset({"__pycache__", "__MACOSX", "Thumbs.db", "desktop.ini", "Icon\r"})
_ENDINGS = ("~", ".pyc", ".pyo", ".swp", ".swo", ".bak", ".orig", ".rej", ".tmp", "___jb_tmp___", "___jb_old___")


def is_left_behind(file: Path, folder: Path) -> bool:
    """Tell whether a file below `folder` is a leftover, by its name or the names of its folders."""
    parts = file.relative_to(folder).parts if file.is_relative_to(folder) else (file.name,)
    return any(map(_is_left_behind, parts))


def _is_left_behind(name: str) -> bool:
    # `..` leads out of the folder; it is not a hidden name.
    hidden = name.startswith(".") and name not in (".", "..")
    return hidden or name in _NAMES or name.endswith(_ENDINGS) or (name.startswith("#") and name.endswith("#"))


def matching_files(folder: Path, pattern: str) -> list[Path]:
    """Return the author's files that match a glob pattern below a folder, sorted."""
    return sorted(file for file in folder.glob(pattern) if file.is_file() and not is_left_behind(file, folder))


def all_files(folder: Path) -> Iterator[Path]:
    """Yield the author's files below a folder, following links; a folder in a cycle of links is entered once."""
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not _is_left_behind(name))
        for name in sorted(names):
            if not _is_left_behind(name) and (file := Path(place, name)).is_file():
                yield file
