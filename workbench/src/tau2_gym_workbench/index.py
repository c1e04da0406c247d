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
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from tau2_core.model.tasks import Task
from tau2_core.records.figures import JudgementFigures, PlaceFigures
from tau2_core.records.journal import CONFIGURATION, EPISODES, GRADES, JUDGEMENTS, SUMMARY, TASKS, TIMINGS
from tau2_core.records.reader import read_configuration

from tau2_gym_workbench.index_tables import FORMAT, Entry, Groups, Layout, Place, described, recreate_tables
from tau2_gym_workbench.indexed_file import IndexedFile, Kind, stamp_of
from tau2_gym_workbench.line_parts import (
    EpisodePart,
    GradePart,
    Timing,
    read_episode_part,
    read_grade,
    read_judgement,
    read_timing,
)
from tau2_gym_workbench.rows import episode_row, findings, grade_row, judgement_row, timing_row, tool_counts

FILE = "workbench.sqlite"
_FILES = (CONFIGURATION, TASKS, EPISODES, JUDGEMENTS, TIMINGS, GRADES, SUMMARY)


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
        """Open a connection whose rows can be read by column name. Call `refresh` first."""
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
                recreate_tables(connection, description)
            changed = [IndexedFile(self.folder, connection, kind).read() for kind in self._kinds(connection)]
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        finally:
            connection.close()
        return any(changed) or not self._seen

    def _kinds(self, connection: sqlite3.Connection) -> list[Kind]:
        groups = Groups(connection)
        return [
            Kind(TASKS, Layout("tasks"), Task.model_validate_json, self._task, _task_entry),
            Kind(EPISODES, Layout("episodes", "calls"), read_episode_part, self._slot, _episode_entry),
            Kind(JUDGEMENTS, Layout("judgements"), read_judgement, self._slot, _judgement_entry),
            Kind(TIMINGS, Layout("timings"), read_timing, self._slot, _timing_entry),
            Kind(GRADES, Layout("grades", "findings"), read_grade, self._slot, partial(_grade_entry, groups)),
        ]

    def _task(self, task: Task) -> Place | None:
        number = self._numbers.get(task.id)
        return None if number is None else (number,)

    def _slot(self, place: PlaceFigures) -> Place | None:
        number = self._numbers.get(place.task_id)
        return (number, place.trial) if number is not None and 0 <= place.trial < self.config["trials"] else None


def _task_entry(task: Task) -> Entry:
    return Entry({"id": task.id})


def _episode_entry(record: EpisodePart) -> Entry:
    return Entry(episode_row(record), list(tool_counts(record)))


def _judgement_entry(judgement: JudgementFigures) -> Entry:
    return Entry(judgement_row(judgement))


def _timing_entry(timing: Timing) -> Entry:
    return Entry(timing_row(timing))


def _grade_entry(groups: Groups, grade: GradePart) -> Entry:
    return Entry(grade_row(grade), [(groups.number(each.kind, each.key),) for each in findings(grade)])
