"""Packs for wrapped domains, in folders that are removed when this process ends."""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

from tau2_core.adapters.tau2_python.pack_text import pack_text
from tau2_core.adapters.tau2_python.source import read_source
from tau2_core.errors import UsageError


def wrapped_folder(target: str) -> Path:
    """Write the pack of a domain and return its folder. The same content is always in the same folder.

    Raises UsageError if the domain cannot be wrapped.
    """
    try:
        source = read_source(target)
    except UsageError as error:
        raise UsageError(f"--pack-tau2 {error}") from error
    files = pack_text(source, source.name, to_edit=False)
    content = "\0".join(f"{name}\0{text}" for name, text in sorted(files.items()))
    digest = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
    # The folder's name becomes that of a package, which must not be the domain's own.
    plain = re.sub(r"\W", "_", source.name)
    folder = _root(os.getpid()) / f"tau2_{plain}_{digest[:12]}"
    for name, text in files.items():
        file = folder / name
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    return folder


@lru_cache(maxsize=1)
def _root(_process: int) -> Path:
    """Return a folder that is removed when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="tau2-gym-"))
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: Path, process: int) -> None:
    if os.getpid() == process:  # a forked process inherits this, but not the folder
        shutil.rmtree(folder, ignore_errors=True)
