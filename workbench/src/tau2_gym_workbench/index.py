"""The index of a run: where each episode is in the run's files, and its figures, in a SQLite file beside them.

The run's own files stay the only truth: the index is brought up to date from them whenever it is opened, reading
only what has been added, and made anew when they were changed otherwise.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

from pydantic import BaseModel, ValidationError
from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.evaluation import Grade, Judgement
from tau2_core.model.tasks import Task
from tau2_core.records.journal import CONFIGURATION, EPISODES, GRADES, JUDGEMENTS, SUMMARY, TASKS, TIMINGS
from tau2_core.records.lines import Line, whole_lines
from tau2_core.records.reader import read_configuration

from tau2_gym_workbench.rows import episode_row, findings, grade_row, tool_counts, total_cost

FILE = "workbench.sqlite"
CHECKED_TAIL = 4096  # bytes before the end of what is indexed, to see whether a file was only appended to
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE files (name TEXT PRIMARY KEY, inode INT, size INT, mtime INT, done INT, lines INT, tail TEXT)
    WITHOUT ROWID;
CREATE TABLE tasks (task INT PRIMARY KEY, id TEXT UNIQUE, begin INT, end INT);
CREATE TABLE episodes (task INT, trial INT, begin INT, end INT, seed INT, termination TEXT, error TEXT, messages INT,
    turns INT, steps INT, tool_calls INT, tool_errors INT, cost REAL, prompt_tokens INT, completion_tokens INT,
    PRIMARY KEY (task, trial)) WITHOUT ROWID;
CREATE TABLE grades (task INT, trial INT, begin INT, end INT, evaluators TEXT, reward REAL, outcome TEXT, solved INT,
    states TEXT, basis TEXT, reason TEXT, PRIMARY KEY (task, trial)) WITHOUT ROWID;
CREATE TABLE judgements (task INT, trial INT, begin INT, end INT, model TEXT, failed INT, cost REAL, tokens INT,
    PRIMARY KEY (task, trial)) WITHOUT ROWID;
CREATE TABLE timings (task INT, trial INT, seconds REAL, PRIMARY KEY (task, trial)) WITHOUT ROWID;
CREATE TABLE groups (number INTEGER PRIMARY KEY, kind TEXT, key TEXT, UNIQUE (kind, key));
CREATE TABLE findings (task INT, trial INT, number INT, PRIMARY KEY (task, trial, number)) WITHOUT ROWID;
CREATE TABLE calls (task INT, trial INT, side TEXT, name TEXT, made INT, failed INT,
    PRIMARY KEY (task, trial, side, name)) WITHOUT ROWID;
CREATE TABLE damage (file TEXT, line INT, why TEXT, PRIMARY KEY (file, line)) WITHOUT ROWID;
"""
FORMAT = hashlib.sha256(SCHEMA.encode()).hexdigest()  # an index of another shape is made anew

Take = Callable[[sqlite3.Connection, Line, Any], None]


class _Timing(BaseModel):
    task_id: str
    trial: int
    seconds: float


class _Place(BaseModel):
    task_id: str
    trial: int


class RunIndex:
    """One run's index. `refresh` brings it up to date; `reading` gives a connection to ask it with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config: dict[str, Any] = {}
        self._lock = Lock()
        self._file: Path | None = None
        self._fallback: tempfile.TemporaryDirectory[str] | None = None
        self._numbers: dict[str, int] = {}
        self._seen: tuple[Any, ...] = ()
        self.version = 0  # changes with the content

    def refresh(self) -> bool:
        """Read what has been added since; tell whether anything was.

        Raises RunError if run.json is damaged or of another format, OSError if the folder is gone.
        """
        with self._lock:
            stamps = tuple(_stamp(self.folder / name) for name in _FILES)
            if stamps == self._seen:
                return False
            if not self._seen or stamps[0] != self._seen[0]:
                self.config = read_configuration(self.folder)
                self._numbers = {task: number for number, task in enumerate(self.config["tasks"])}
            try:
                changed = self._update()
            except sqlite3.DatabaseError:  # damaged, or of somebody else: it is only an index
                self._discard()
                changed = self._update()
            self._seen = stamps
            self.version += changed
            return changed

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection whose rows have names; call `refresh` before."""
        assert self._file is not None
        connection = sqlite3.connect(self._file, timeout=30, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        try:
            yield connection
        finally:
            connection.close()

    def _place(self) -> Path:
        """Return where the index is: beside the run, or, where nothing can be written there, in a folder of ours."""
        if self._file is None:
            self._file = self.folder / FILE
            if not os.access(self.folder, os.W_OK):
                self._fallback = tempfile.TemporaryDirectory(prefix="tau2-gym-view-")
                self._file = Path(self._fallback.name) / FILE
        return self._file

    def _discard(self) -> None:
        for suffix in ("", "-journal"):
            self._place().with_name(FILE + suffix).unlink(missing_ok=True)

    def _update(self) -> bool:
        connection = sqlite3.connect(self._place(), timeout=30, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN IMMEDIATE")
            told = _stamp(self.folder / CONFIGURATION)
            if _meta(connection) != {"format": FORMAT, "told": json.dumps(told)}:
                _make_anew(connection, told)
            kinds: list[tuple[str, type[BaseModel], Take]] = [
                (TASKS, Task, self._take_task),
                (EPISODES, EpisodeRecord, self._take_episode),
                (JUDGEMENTS, _Place, self._take_judgement),
                (TIMINGS, _Timing, self._take_timing),
                (GRADES, Grade, self._take_grade),
            ]
            changed = [_Lines(self, connection, name, model, take).read() for name, model, take in kinds]
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        finally:
            connection.close()
        return any(changed) or not self._seen

    def _slot(self, place: Any) -> tuple[int, int] | None:
        """Return an episode's place in the run's inventory; None if it has none there."""
        number = self._numbers.get(place.task_id)
        return (number, place.trial) if number is not None and 0 <= place.trial < self.config["trials"] else None

    def _take_task(self, connection: sqlite3.Connection, line: Line, task: Any) -> None:
        number = self._numbers.get(task.id)
        if number is not None:
            _put(connection, "tasks", {"task": number, "id": task.id, "begin": line.start, "end": line.end})

    def _take_episode(self, connection: sqlite3.Connection, line: Line, record: Any) -> None:
        slot = self._slot(record)
        if slot is None:
            return
        connection.execute("DELETE FROM calls WHERE task = ? AND trial = ?", slot)
        _put(connection, "episodes", _placed(slot, line) | episode_row(record))
        connection.executemany(
            "INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?)", [(*slot, *counts) for counts in tool_counts(record)]
        )

    def _take_grade(self, connection: sqlite3.Connection, line: Line, grade: Any) -> None:
        slot = self._slot(grade)
        if slot is None:
            return
        connection.execute("DELETE FROM findings WHERE task = ? AND trial = ?", slot)
        _put(connection, "grades", _placed(slot, line) | grade_row(grade))
        for each in findings(grade):
            known = (each.kind, _storable(each.key))
            connection.execute("INSERT OR IGNORE INTO groups (kind, key) VALUES (?, ?)", known)
            connection.execute(
                "INSERT OR IGNORE INTO findings SELECT ?, ?, number FROM groups WHERE kind = ? AND key = ?",
                (*slot, *known),
            )

    def _take_judgement(self, connection: sqlite3.Connection, line: Line, place: Any) -> None:
        slot = self._slot(place)
        if slot is None:
            return
        content = json.loads(line.content)
        judgement = Judgement.model_validate({k: v for k, v in content.items() if k not in ("task_id", "trial")})
        usage = judgement.usage
        row = {"model": judgement.model, "failed": bool(judgement.error), "cost": total_cost([usage])}
        tokens = usage.prompt_tokens + usage.completion_tokens
        _put(connection, "judgements", _placed(slot, line) | row | {"tokens": tokens})

    def _take_timing(self, connection: sqlite3.Connection, _line: Line, timing: Any) -> None:
        if (slot := self._slot(timing)) is not None:
            _put(connection, "timings", {"task": slot[0], "trial": slot[1], "seconds": timing.seconds})


_FILES = (CONFIGURATION, TASKS, EPISODES, JUDGEMENTS, TIMINGS, GRADES, SUMMARY)
_TABLES = {
    TASKS: ["tasks"],
    EPISODES: ["episodes", "calls"],
    JUDGEMENTS: ["judgements"],
    TIMINGS: ["timings"],
    GRADES: ["grades", "findings"],
}


class _Lines:
    """One file of a run, read from where the index left off."""

    def __init__(
        self,
        index: RunIndex,
        connection: sqlite3.Connection,
        name: str,
        model: type[BaseModel],
        take: Take,
    ) -> None:
        self.file = index.folder / name
        self.connection = connection
        self.name = name
        self.model = model
        self.take = take

    def read(self) -> bool:
        """Take the lines that are new; tell whether anything changed. Raises OSError."""
        stamp = _stamp(self.file)
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
        row = {"name": self.name, "inode": stamp[0], "size": stamp[1], "mtime": stamp[2]}
        _put(self.connection, "files", row | {"done": done, "lines": lines, "tail": _tail(self.file, done)})
        return done != before

    def _take(self, line: Line) -> None:
        try:
            content = self.model.model_validate_json(line.content)
            self.take(self.connection, line, content)
        except ValidationError as error:
            what = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, what["loc"]))
            self._note(line, f"{place}: {what['msg']}" if place else what["msg"])
        except (ValueError, RecursionError) as error:
            self._note(line, str(error))

    def _note(self, line: Line, why: str) -> None:
        _put(self.connection, "damage", {"file": self.name, "line": line.number, "why": why[:300]})

    def _forget(self) -> bool:
        for table in _TABLES[self.name]:
            self.connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
        for table in ("files", "damage"):
            column = "name" if table == "files" else "file"
            self.connection.execute(f"DELETE FROM {table} WHERE {column} = ?", [self.name])  # noqa: S608 - as above
        return True


def _placed(slot: tuple[int, int], line: Line) -> dict[str, Any]:
    return {"task": slot[0], "trial": slot[1], "begin": line.start, "end": line.end}


def _put(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    values = [_storable(value) for value in row.values()]
    connection.execute(f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({marks})", values)  # noqa: S608 - our names


def _storable(value: Any) -> Any:
    """Return text without what SQLite cannot hold: half surrogate pairs, and integers beyond 64 bits as text."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return value


def _meta(connection: sqlite3.Connection) -> dict[str, str]:
    try:
        return dict(connection.execute("SELECT key, value FROM meta").fetchall())
    except sqlite3.OperationalError:  # it is new
        return {}


def _make_anew(connection: sqlite3.Connection, told: Any) -> None:
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (name,) in names:
        connection.execute(f'DROP TABLE "{name}"')
    for statement in SCHEMA.split(";"):
        connection.execute(statement)
    connection.executemany("INSERT INTO meta VALUES (?, ?)", [("format", FORMAT), ("told", json.dumps(told))])


def _stamp(file: Path) -> tuple[int, int, int] | None:
    """Return what changes with a file: its number, size and time; None if it is not there. Raises OSError."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _tail(file: Path, end: int) -> str:
    with file.open("rb") as stream:
        stream.seek(max(0, end - CHECKED_TAIL))
        return hashlib.sha256(stream.read(end - max(0, end - CHECKED_TAIL))).hexdigest()
