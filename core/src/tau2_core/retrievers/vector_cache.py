"""Vectors on disk, one file for each text and model, which any number of processes may read and write at a time."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import tempfile
from array import array
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)
VARIABLE = "TAU2_GYM_CACHE"
_SUM = 32  # bytes of the checksum before the numbers


def cache_folder() -> Path:
    """Return the folder of cached vectors: in `TAU2_GYM_CACHE`, or in the user's folder for caches."""
    given = os.environ.get(VARIABLE)
    home = Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tau2-gym"
    return home / "embeddings"


class VectorCache:
    """The vectors of one model, by the digests of their texts.

    A file is a checksum and the numbers. It is written to a temporary file and then moved, so that nobody reads half
    a file. A damaged file is logged, and its vector counts as missing, so it is computed again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, digests: Iterable[str]) -> dict[str, Sequence[float]]:
        """Return the cached vectors."""
        found: dict[str, Sequence[float]] = {}
        for digest in digests:
            file = self._file(digest)
            try:
                content = file.read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                log.warning("the cached vector %s cannot be read: %s", file, error.strerror)
                continue
            vector = _decoded(content)
            if vector is None:
                log.warning("the cached vector %s is damaged and is computed again", file)
                continue
            found[digest] = vector
        return found

    def write(self, vectors: Mapping[str, Sequence[float]]) -> None:
        """Store vectors. A failure is only logged; they are then computed again later."""
        try:
            for digest, vector in vectors.items():
                file = self._file(digest)
                file.parent.mkdir(parents=True, exist_ok=True)
                handle, name = tempfile.mkstemp(dir=file.parent)
                try:
                    with os.fdopen(handle, "wb") as stream:
                        stream.write(_encoded(vector))
                    Path(name).replace(file)
                except BaseException:
                    with suppress(OSError):
                        Path(name).unlink()
                    raise
        except OSError as error:
            log.warning("vectors cannot be kept in %s: %s; set %s to a folder", self.folder, error.strerror, VARIABLE)

    def _file(self, digest: str) -> Path:
        return self.folder / digest[:2] / f"{digest}.vector"


def _encoded(vector: Sequence[float]) -> bytes:
    numbers = array("d", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    content = numbers.tobytes()
    return hashlib.sha256(content).digest() + content


def _decoded(content: bytes) -> Sequence[float] | None:
    checksum, body = content[:_SUM], content[_SUM:]
    if not body or len(body) % 8 or hashlib.sha256(body).digest() != checksum:
        return None
    numbers = array("d", body)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
