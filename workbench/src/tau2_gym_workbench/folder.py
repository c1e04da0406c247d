"""The folder of runs: the runs in it, the key of each in URLs, and the index of each."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from tau2_core.errors import RunError, Tau2GymError, UsageError
from tau2_core.records.journal import CONFIGURATION, EPISODES, GRADES
from tau2_core.records.reader import is_run

from tau2_gym_workbench.index import RunIndex

WHOLE = "~"  # the key of the folder itself, if it is a run; browsers would take `.` out of a URL
DEEPEST = 5  # levels of folders that are searched
QUIET_SECONDS = 60.0  # an incomplete run without a new line for this long counts as stopped


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run folder, and its key in URLs: its path below the folder, with `~` for `/`."""

    key: str
    folder: Path
    begun: float


class Runs:
    """All run folders below a folder, with their indexes, which this object caches."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._indexes: dict[Path, RunIndex] = {}
        self._lock = Lock()

    def found(self) -> list[FoundRun]:
        """Return the run folders, newest first. Raises UsageError if the folder cannot be read."""
        if self.folder.exists() and not self.folder.is_dir():
            raise UsageError(f"{self.folder} is not a folder; give one that holds runs")
        runs = [FoundRun(self._key(each), each, begun) for each, begun in _walk(self.folder, DEEPEST, set())]
        return sorted(runs, key=lambda run: (-run.begun, run.key))

    def index(self, key: str) -> RunIndex:
        """Return a run's index, up to date. Raises UsageError if there is no such run, RunError if it is damaged."""
        folder = self._folder(key)
        with self._lock:
            index = self._indexes.setdefault(folder, RunIndex(folder))
        try:
            index.refresh()
        except (OSError, Tau2GymError) as error:
            if not is_run(folder):
                with self._lock:
                    self._indexes.pop(folder, None)
                raise UsageError(f"run {key!r} no longer exists: its folder is gone") from error
            raise
        return index

    def _folder(self, key: str) -> Path:
        parts = [part for part in key.split("~") if part]
        if key != WHOLE:
            if not parts or any(part in (".", "..") or "/" in part or "\0" in part for part in parts):
                raise UsageError(f"there is no run {key!r}")
            folder = self.folder.joinpath(*parts)
        else:
            folder = self.folder
        try:
            hidden = folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK)
            found = is_run(folder)
        except OSError:  # no folder can have such a name
            hidden = found = False
        if hidden:
            raise RunError(f"{folder} may not be read by the user who started the workbench")
        if not found:
            raise UsageError(f"there is no run {key!r} in {self.folder}")
        return folder

    def _key(self, folder: Path) -> str:
        return "~".join(folder.relative_to(self.folder).parts) or WHOLE


def _walk(folder: Path, deepest: int, seen: set[tuple[int, int]]) -> Iterator[tuple[Path, float]]:
    """Yield run folders with the time at which they were started. Run folders are not searched for more runs.

    A folder that is reachable through several links is yielded once, under its own name if it is below this folder.
    """
    try:
        place = folder.stat()
    except OSError:  # it is being deleted, or is not readable
        return
    if (place.st_dev, place.st_ino) in seen:
        return
    seen.add((place.st_dev, place.st_ino))
    if is_run(folder):
        try:
            yield folder, (folder / CONFIGURATION).stat().st_mtime
        except OSError:  # it is being deleted
            return
        return
    if not deepest:
        return
    try:
        found = [each for each in os.scandir(folder) if each.is_dir() and not each.name.startswith(".")]
    except PermissionError:
        yield folder, place.st_mtime  # It may be a run: it is listed, and its page says that it cannot be read.
        return
    except OSError:
        return
    for each in sorted(found, key=lambda each: (each.is_symlink(), each.name)):
        if "~" not in each.name:
            yield from _walk(Path(each.path), deepest - 1, seen)


def is_written_to(folder: Path) -> bool:
    """Return whether a process is writing to a run's folder: the lock is held, or a line is less than a minute old."""
    if (locked := _is_locked(folder)) is not None:
        return locked
    newest = 0.0
    for name in (EPISODES, GRADES, CONFIGURATION):
        try:
            newest = max(newest, (folder / name).stat().st_mtime)
        except OSError:
            continue
    return time.time() - newest < QUIET_SECONDS


def _is_locked(folder: Path) -> bool | None:
    """Look for the writer's lock in the system's list; None if unknown. Trying to take it would disturb the writer."""
    try:
        held = Path("/proc/locks").read_text(encoding="ascii").splitlines()
        found = folder.stat()
    except (OSError, ValueError):
        return None
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    return True if any(" FLOCK " in line and place in line.split() for line in held) else None
