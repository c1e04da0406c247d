"""Writing a new folder completely or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tau2_core.errors import UsageError


def write_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Write files by their path below `folder`, which must not exist yet.

    They are written next to it first and moved as a whole, so that it is never incomplete.
    Raises UsageError if the folder exists, OSError if it cannot be written.
    """
    if os.path.lexists(folder):
        raise UsageError(f"{folder} already exists: choose another name, or another parent with --dir")
    if not folder.parent.is_dir():
        raise UsageError(f"there is no folder {folder.parent}: create it, or choose another with --dir")
    try:
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error
    try:
        for name, text in files.items():
            file = staging / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        staging.chmod(0o777 & ~_umask())  # a temporary folder is private
        staging.rename(folder)
    except BaseException as error:
        shutil.rmtree(staging, ignore_errors=True)
        if isinstance(error, OSError):  # for a full disk Python does not name the file
            raise OSError(error.errno, error.strerror, str(folder)) from error
        raise


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
