"""The index of a run: a SQLite file with each episode's position in the run's files, and its figures.

The run's own files remain the source of truth. Whenever the index is opened, it is brought up to date from what
was appended to them; if they were changed in another way, it is rebuilt.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Annotated, Any

from pydantic import BaseModel, Field
from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.evaluation import Grade, Judgement
from tau2_core.model.latency import Speaker
from tau2_core.model.tasks import Task
from tau2_core.records.journal import CONFIGURATION, EPISODES, GRADES, JUDGEMENTS, SUMMARY, TASKS, TIMINGS
from tau2_core.records.lines import Line
from tau2_core.records.reader import read_configuration

from tau2_gym_workbench.index_tables import FORMAT, described, make_anew, put, storable
from tau2_gym_workbench.indexed_file import IndexedFile, Take, stamp_of
from tau2_gym_workbench.rows import episode_row, findings, grade_row, timing_row, tool_counts, total_cost

FILE = "workbench.sqlite"
_FILES = (CONFIGURATION, TASKS, EPISODES, JUDGEMENTS, TIMINGS, GRADES, SUMMARY)


_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Timing(BaseModel):
    """A line of `timings.jsonl`, as far as pages show it: how long an episode took, and its messages by speaker."""

    task_id: str
    trial: int
    seconds: _Seconds
    latency: dict[Speaker, dict[int, _Seconds]] = {}


class _Place(BaseModel):
    task_id: str
    trial: int


class RunIndex:
    """One run's index. `refresh` brings it up to date; `reading` gives a connection for queries."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config: dict[str, Any] = {}
        self._lock = Lock()
        self._file: Path | None = None
        self._fallback: tempfile.TemporaryDirectory[str] | None = None
        self._numbers: dict[str, int] = {}
        self._seen: tuple[Any, ...] = ()
        self.version = 0  # incremented when the content changes

    def refresh(self) -> bool:
        """Read what has been added since the last call; return whether there was anything.

        Raises RunError if run.json is damaged or of another format, OSError if the folder is gone.
        """
        with self._lock:
            stamps = tuple(stamp_of(self.folder / name) for name in _FILES)
            if stamps == self._seen:
                return False
            if not self._seen or stamps[0] != self._seen[0]:
                self.config = read_configuration(self.folder)
                self._numbers = {task: number for number, task in enumerate(self.config["tasks"])}
            try:
                changed = self._update()
            except sqlite3.DatabaseError:  # damaged, or not ours: rebuild it
                self._discard()
                changed = self._update()
            self._seen = stamps
            self.version += changed
            return changed

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection whose rows have names. Call `refresh` first."""
        assert self._file is not None
        connection = sqlite3.connect(self._file, timeout=30, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        try:
            yield connection
        finally:
            connection.close()

    def _place(self) -> Path:
        """Return the path of the index: in the run folder, or in a temporary one if the run folder is not writable."""
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
            description = {"format": FORMAT, "configuration": json.dumps(stamp_of(self.folder / CONFIGURATION))}
            if described(connection) != description:
                make_anew(connection, description)
            kinds: list[tuple[str, type[BaseModel], Take]] = [
                (TASKS, Task, self._take_task),
                (EPISODES, EpisodeRecord, self._take_episode),
                (JUDGEMENTS, _Place, self._take_judgement),
                (TIMINGS, Timing, self._take_timing),
                (GRADES, Grade, self._take_grade),
            ]
            changed = [IndexedFile(self.folder / name, connection, model, take).read() for name, model, take in kinds]
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        finally:
            connection.close()
        return any(changed) or not self._seen

    def _slot(self, place: Any) -> tuple[int, int] | None:
        """Return an episode's slot; None if the run has no such slot."""
        number = self._numbers.get(place.task_id)
        return (number, place.trial) if number is not None and 0 <= place.trial < self.config["trials"] else None

    def _take_task(self, connection: sqlite3.Connection, line: Line, task: Any) -> None:
        number = self._numbers.get(task.id)
        if number is not None:
            put(connection, "tasks", {"task": number, "id": task.id, "begin": line.start, "end": line.end})

    def _take_episode(self, connection: sqlite3.Connection, line: Line, record: Any) -> None:
        slot = self._slot(record)
        if slot is None:
            return
        connection.execute("DELETE FROM calls WHERE task = ? AND trial = ?", slot)
        put(connection, "episodes", _placed(slot, line) | episode_row(record))
        connection.executemany(
            "INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?)", [(*slot, *counts) for counts in tool_counts(record)]
        )

    def _take_grade(self, connection: sqlite3.Connection, line: Line, grade: Any) -> None:
        slot = self._slot(grade)
        if slot is None:
            return
        connection.execute("DELETE FROM findings WHERE task = ? AND trial = ?", slot)
        put(connection, "grades", _placed(slot, line) | grade_row(grade))
        for each in findings(grade):
            known = (each.kind, storable(each.key))
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
        put(connection, "judgements", _placed(slot, line) | row | {"tokens": tokens})

    def _take_timing(self, connection: sqlite3.Connection, line: Line, timing: Any) -> None:
        if (slot := self._slot(timing)) is not None:
            put(connection, "timings", _placed(slot, line) | timing_row(timing.seconds, timing.latency))


def _placed(slot: tuple[int, int], line: Line) -> dict[str, Any]:
    return {"task": slot[0], "trial": slot[1], "begin": line.start, "end": line.end}
