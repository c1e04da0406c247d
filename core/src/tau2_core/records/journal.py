"""The run folder: the run's configuration, and every finished episode, which is appended at once and never lost."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tau2_core.errors import RunError
from tau2_core.records.lines import Line, json_content, whole_lines
from tau2_core.redaction import Redactor, environment_redactor
from tau2_core.validation_errors import first_wrong_part

try:
    import fcntl
except ImportError:  # on Windows, where two processes writing into one folder are not prevented
    fcntl = None  # type: ignore[assignment]

Content = TypeVar("Content", bound=BaseModel)
FORMAT = 1  # of run.json
_json = json.JSONEncoder(ensure_ascii=False).encode
CONFIGURATION = "run.json"
TASKS = "tasks.jsonl"
EPISODES = "episodes.jsonl"
JUDGEMENTS = "judgements.jsonl"
REVIEWS = "reviews.jsonl"
GRADES = "grades.jsonl"
TIMINGS = "timings.jsonl"
SUMMARY = "summary.json"
TOKENS = "tokens.jsonl"
AS_IT_IS = getattr(os, "O_BINARY", 0)  # for Windows, which would otherwise write a line end as two characters


class Journal:
    """One run's folder, with one writer. A finished episode's line is written in one piece.

    `resume` opens an existing folder, also one in which a run has not begun yet (`begun` is false). Raises RunError,
    with advice, if the folder cannot be created, found or written.
    """

    def __init__(self, folder: Path, *, resume: bool = False, redactor: Redactor | None = None) -> None:
        self.folder = folder
        self.redactor = redactor or environment_redactor()
        self._locked = False
        self._open: dict[str, int] = {}
        try:
            self.begun = (folder / CONFIGURATION).exists()
        except (OSError, ValueError) as error:
            raise RunError(f"the file system does not allow the folder {str(folder)!r}: {_why(error)}") from error
        if resume:
            if not self.begun and not _about_to_begin(folder):
                raise RunError(
                    f"--resume: {folder} contains no run; name one with --name, or start it without --resume"
                )
            return
        try:
            folder.mkdir(parents=True)
        except FileExistsError as error:
            raise RunError(f"{folder} already exists; choose another --name, add --resume, or remove it") from error
        except OSError as error:
            raise RunError(f"cannot create {folder}: {error.strerror}; choose another place with --out") from error

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Lock the folder against other processes within the block.

        Raises RunError if another process is writing into it.
        """
        handle = lock_folder(self.folder)
        self._locked = True
        try:
            yield
        finally:
            self._locked = False
            for name in list(self._open):
                self._close(name)
            if handle is not None:
                os.close(handle)

    def write(self, name: str, content: Any) -> None:
        """Write a whole JSON file atomically, through a temporary one."""
        text = json.dumps(self.redactor.value(content), indent=2, ensure_ascii=False) + "\n"
        self.replace(name, [_encoded(text)])

    def rewrite(self, name: str, lines: Iterable[Any]) -> None:
        """Write a whole file of JSON lines atomically, through a temporary one."""
        self.replace(name, (encoded_line(line, self.redactor) for line in lines))

    def replace(self, name: str, parts: Iterable[bytes]) -> None:
        """Write a whole file atomically, through a temporary one. Raises RunError."""
        with self.replacing(name) as write:
            for part in parts:
                write(part)

    @contextmanager
    def replacing(self, name: str) -> Iterator[Callable[[bytes], object]]:
        """Write a whole file part by part; it replaces the old file at the end. Raises RunError."""
        file = self.folder / name
        draft = file.with_suffix(".draft")
        try:
            with draft.open("wb") as stream:
                yield stream.write
            self._close(name)
            draft.replace(file)
        except OSError as error:
            raise _cannot_write(file, error) from error
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    def truncate(self, name: str, size: int) -> None:
        """Cut a file off after `size` bytes. Raises RunError."""
        file = self.folder / name
        try:
            if file.stat().st_size != size:
                os.truncate(file, size)
        except OSError as error:
            raise _cannot_write(file, error) from error

    def append(self, name: str, content: Any) -> None:
        """Append one JSON line."""
        self.append_line(name, encoded_line(content, self.redactor))

    def append_line(self, name: str, line: bytes) -> None:
        """Append a line returned by `encoded_line`. Raises RunError."""
        try:
            handle = self._handle(name)
            try:
                _write(handle, line)
            finally:
                if name not in self._open:
                    os.close(handle)
        except OSError as error:
            raise _cannot_write(self.folder / name, error) from error

    def _handle(self, name: str) -> int:
        """Return the handle for appending to a file. While the folder is locked, it stays open."""
        handle = self._open.get(name)
        if handle is not None and os.fstat(handle).st_nlink:
            return handle
        self._close(name)  # somebody has removed the file
        handle = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND | AS_IT_IS, 0o644)
        if self._locked:
            self._open[name] = handle
        return handle

    def _close(self, name: str) -> None:
        handle = self._open.pop(name, None)
        if handle is not None:
            os.close(handle)

    def read(self, name: str) -> Any:
        """Return a JSON file's content. Raises RunError if it is damaged."""
        file = self.folder / name
        try:
            return json.loads(_bytes(file))
        except (ValueError, RecursionError) as error:
            raise RunError(f"cannot read {file}: {error}; restore it, or start a new run") from error

    def raw_lines(self, name: str) -> Iterator[Line]:
        """Yield the complete lines of a file. An incomplete last line, as after a killed process, is ignored.

        Raises RunError if the file cannot be read.
        """
        file = self.folder / name
        try:
            if os.path.lexists(file):
                _refuse_special(file)
                yield from whole_lines(file)
        except OSError as error:
            raise RunError(f"cannot read {file}: {_why(error)}; restore it, or start a new run") from error

    def lines(self, name: str) -> list[Any]:
        """Return the contents of the complete lines of a file. Raises RunError if it is damaged."""
        return [json_content(self.folder / name, line) for line in self.raw_lines(name)]

    def validated(self, name: str, model: type[Content]) -> Iterator[tuple[int, Content]]:
        """Yield each line's number and its content as a model. Raises RunError with file and line."""
        for number, line in enumerate(self.lines(name), 1):
            yield number, self.content(name, number, model, line)

    def content(self, name: str, number: int, model: type[Content], line: Any) -> Content:
        """Return a line's content as a model. Raises RunError with file and line."""
        return content_of(self.folder / name, number, model, line)


def content_of(file: Path, number: int, model: type[Content], line: Any) -> Content:
    """Return the content of a file's line as a model. Raises RunError with file and line."""
    try:
        return model.model_validate(line)
    except ValidationError as error:
        what = f"it has the wrong form: {first_wrong_part(error)}"
        raise RunError(f"{file}:{number}: {what}; restore the file, or start a new run") from error


def _about_to_begin(folder: Path) -> bool:
    """Tell whether a folder belongs to a run that was killed before it wrote its configuration."""
    try:
        names = {file.name for file in folder.iterdir()}
    except OSError:
        return False
    return names <= {TASKS, "tasks.draft", "run.draft"}


def lock_folder(folder: Path) -> int | None:
    """Lock a folder and return the handle, None on a file system without locks.

    The system releases the lock of a process that dies. Raises RunError if another process has locked it.
    """
    if fcntl is None:
        return None
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise RunError(f"cannot open {folder}: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise RunError(f"another process is writing into {folder}; wait for it, or stop it") from error
        return None  # a file system without locks
    return handle


def _write(handle: int, line: bytes) -> None:
    """Append a whole line, or nothing. Raises OSError."""
    written = 0
    try:
        while written < len(line):
            written += os.write(handle, line[written:] if written else line)
    except OSError:
        if written:  # an incomplete line would damage the file
            os.ftruncate(handle, os.fstat(handle).st_size - written)
        raise


def encoded_line(content: Any, redactor: Redactor) -> bytes:
    """Return content as one line of JSON, with its line break and without the run's secrets."""
    line = _json(content)
    if redactor.found_in(line):
        line = _json(redactor.value(content))
    return _encoded(f"{line}\n")


def _encoded(text: str) -> bytes:
    r"""Return JSON text as UTF-8. A lone surrogate, which UTF-8 cannot encode, becomes a JSON escape."""
    return text.encode("utf-8", "backslashreplace")


def _bytes(file: Path) -> bytes:
    try:
        _refuse_special(file)
        return file.read_bytes()
    except OSError as error:
        raise RunError(f"cannot read {file}: {_why(error)}; restore it, or start a new run") from error


def _refuse_special(file: Path) -> None:
    """Refuse a pipe or a device, since reading it could block. Raises RunError, OSError."""
    if file.exists() and not file.is_file() and not file.is_dir():
        raise RunError(f"cannot read {file}: it is not a regular file; restore it, or start a new run")


def _why(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _cannot_write(file: Path, error: OSError) -> RunError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    advice = "Free some space" if full else "Make room for it, or make it writable"
    return RunError(
        f"cannot write {file}: {error.strerror}; finished episodes are kept there. {advice}, then run again"
    )
