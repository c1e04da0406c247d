"""Read one file of a run into the index: only its new lines, or all if it was changed in another way."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any

from pydantic import ValidationError
from tau2_core.errors import RunError
from tau2_core.records.lines import Line, whole_lines
from tau2_core.validation_errors import first_wrong_part

from tau2_gym_workbench.index_tables import Entry, Layout, Place, put

CHECKED_TAIL = 4096  # bytes before the end of what is indexed, compared to see whether the file was only appended to
AT_ONCE = 2000  # lines whose entries are written together


@dataclass(frozen=True, slots=True)
class Kind:
    """The lines of one file: where their entries are kept, and how they are made."""

    name: str
    layout: Layout
    read: Callable[[bytes], Any]
    """Decodes a line. Raises ValueError or RecursionError."""

    place: Callable[[Any], Place | None]
    """Returns the place of a line's content, or None if the run has no such task or trial."""

    entry: Callable[[Any], Entry]
    """Makes the entry. Raises ValueError."""


class IndexedFile:
    """A file of a run, read from where the index left off."""

    def __init__(self, folder: Path, connection: sqlite3.Connection, kind: Kind) -> None:
        self.file = folder / kind.name
        self.name = kind.name
        self.connection = connection
        self.kind = kind
        self._entries: dict[Place, Entry] = {}

    def read(self) -> bool:
        """Read the new lines; return whether anything changed. Raises OSError."""
        stamp = stamp_of(self.file)
        known = self.connection.execute(
            "SELECT inode, size, mtime, done, lines, tail FROM files WHERE name = ?", [self.name]
        ).fetchone()
        if stamp is None:
            return self._forget() if known else False
        if known and tuple(known[:3]) == stamp:
            return False
        done, lines = (known[3], known[4]) if known else (0, 0)
        if known and (known[0] != stamp[0] or stamp[1] < done or known[5] != _tail(self.file, done)):
            self._forget()
            done = lines = 0
        before = done
        for line in whole_lines(self.file, start=done, number=lines):
            done, lines = line.end + 1, line.number
            self._take(line)
        self._write()
        row = {"name": self.name, "inode": stamp[0], "size": stamp[1], "mtime": stamp[2]}
        put(self.connection, "files", [row | {"done": done, "lines": lines, "tail": _tail(self.file, done)}])
        return done != before

    def _take(self, line: Line) -> None:
        try:
            content = self.kind.read(line.content)
            place = self.kind.place(content)
            if place is None:
                return
            entry = self.kind.entry(content)
        except ValidationError as error:
            self._note(line, first_wrong_part(error))
        except (ValueError, RecursionError) as error:
            self._note(line, str(error))
        else:
            entry.row.update(begin=line.start, end=line.end)
            self._entries[place] = entry  # the last line of a place counts
            if len(self._entries) == AT_ONCE:
                self._write()

    def _write(self) -> None:
        self.kind.layout.put(self.connection, self._entries)
        self._entries.clear()

    def _note(self, line: Line, why: str) -> None:
        put(self.connection, "damage", [{"file": self.name, "line": line.number, "why": why[:300]}])

    def _forget(self) -> bool:
        for table in self.kind.layout.tables:
            self.connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
        for table in ("files", "damage"):
            column = "name" if table == "files" else "file"
            self.connection.execute(f"DELETE FROM {table} WHERE {column} = ?", [self.name])  # noqa: S608 - as above
        return True


def stamp_of(file: Path) -> tuple[int, int, int] | None:
    """Return a file's inode, size and modification time; None if there is no such file.

    Raises OSError, and RunError if it is not a regular file: reading a pipe, for example, might never end.
    """
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    if not S_ISREG(found.st_mode):
        raise RunError(f"{file} is not a regular file")
    return found.st_ino, found.st_size, found.st_mtime_ns


def _tail(file: Path, end: int) -> str:
    with file.open("rb") as stream:
        stream.seek(max(0, end - CHECKED_TAIL))
        return hashlib.sha256(stream.read(end - max(0, end - CHECKED_TAIL))).hexdigest()
