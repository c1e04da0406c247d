"""The run folder: what a run was told, and every finished episode, appended at once and never lost."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from tau2_core.errors import RunError

try:
    import fcntl
except ImportError:  # not on this system
    fcntl = None  # type: ignore[assignment]


CONFIGURATION = "run.json"
TASKS = "tasks.jsonl"
EPISODES = "episodes.jsonl"
JUDGEMENTS = "judgements.jsonl"
GRADES = "grades.jsonl"
TIMINGS = "timings.jsonl"
SUMMARY = "summary.json"


class Journal:
    """One run's folder, with one writer. A finished episode's line is handed to the system in one piece.

    `resume` opens a folder that is there already; one in which a run was only about to begin (`begun` is false) will
    do. Raises RunError, with what to do, when the folder cannot be made, found or written.
    """

    def __init__(self, folder: Path, *, resume: bool = False) -> None:
        self.folder = folder
        self.begun = (folder / CONFIGURATION).is_file()
        if resume:
            if not self.begun and not _about_to_begin(folder):
                raise RunError(f"--resume: {folder} holds no run; name one with --name, or start it without --resume")
            return
        try:
            folder.mkdir(parents=True)
        except FileExistsError as error:
            raise RunError(f"{folder} exists already; choose another --name, add --resume, or remove it") from error
        except OSError as error:
            raise RunError(f"cannot create {folder}: {error.strerror}; choose another place with --out") from error

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from writing into the folder while the block lasts. Raises RunError if one does."""
        handle = _locked(self.folder)
        try:
            yield
        finally:
            if handle is not None:
                os.close(handle)

    def write(self, name: str, content: Any) -> None:
        """Write a whole JSON file, through a temporary one so that it is never half there."""
        self._replace(name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def rewrite(self, name: str, lines: Iterable[Any]) -> None:
        """Write a whole file of JSON lines, through a temporary one."""
        self._replace(name, "".join(f"{_line(line)}\n" for line in lines))

    def _replace(self, name: str, text: str) -> None:
        file = self.folder / name
        draft = file.with_suffix(".draft")
        try:
            draft.write_bytes(text.encode("utf-8", "surrogatepass"))
            draft.replace(file)
        except OSError as error:
            raise _cannot_write(file, error) from error

    def append(self, name: str, content: Any) -> None:
        """Append one JSON line."""
        file = self.folder / name
        line = f"{_line(content)}\n".encode("utf-8", "surrogatepass")
        try:
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                before = os.fstat(handle).st_size
                try:
                    while line:
                        line = line[os.write(handle, line) :]
                except OSError:
                    os.ftruncate(handle, before)  # half a line would spoil the file for whoever reads it
                    raise
            finally:
                os.close(handle)
        except OSError as error:
            raise _cannot_write(file, error) from error

    def read(self, name: str) -> Any:
        """Return a JSON file's content. Raises RunError if it is damaged."""
        file = self.folder / name
        try:
            return json.loads(file.read_bytes())
        except (OSError, ValueError) as error:
            raise RunError(f"cannot read {file}: {error}; restore it, or start a new run") from error

    def lines(self, name: str) -> list[Any]:
        """Return the whole lines of a file; one that a kill cut off at the end is left out, damage before it is not.

        Raises RunError.
        """
        file = self.folder / name
        if not file.exists():
            return []
        raw = file.read_bytes().split(b"\n")[:-1]
        found = []
        for number, line in enumerate(raw, 1):
            try:
                found.append(json.loads(line.decode("utf-8", "surrogatepass")))
            except ValueError as error:
                raise RunError(f"{file}:{number}: not JSON: {error}; restore the file, or start a new run") from error
        return found


def _about_to_begin(folder: Path) -> bool:
    """Tell whether a folder is one of a run that was killed before it had written its configuration."""
    return folder.is_dir() and all(file.name in {TASKS, "tasks.draft", "run.draft"} for file in folder.iterdir())


def _locked(folder: Path) -> int | None:
    """Return a handle that keeps other processes from writing into a folder; the system lets go of a dead one's."""
    if fcntl is None:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise RunError(f"another process is writing into {folder}; wait for it, or stop it") from error
        return None  # a file system that cannot lock
    return handle


def _line(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False)


def _cannot_write(file: Path, error: OSError) -> RunError:
    return RunError(f"cannot write {file}: {error.strerror}; what is finished is kept there. Make room, then run again")


def default_name(domain: str, agent: str) -> str:
    """Return a name that sorts by time; slashes in a model's name become dashes."""
    return f"{datetime.now():%Y%m%d-%H%M%S-%f}-{domain}-{agent}".replace("/", "-")
