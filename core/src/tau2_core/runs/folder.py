"""A run folder, read back: what the run was told, its tasks, and every finished episode with its grade."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tau2_core.errors import RunError
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.evaluation import Grade
from tau2_core.model.tasks import Task
from tau2_core.runs.journal import Journal


def is_run(path: Path) -> bool:
    """Tell whether a folder is one of our runs."""
    return (path / "run.json").is_file()


@dataclass
class RunFolder:
    """One run as it stands on disk; `seconds` are those of each episode's play."""

    folder: Path
    configuration: dict[str, Any]
    tasks: dict[str, Task] = field(default_factory=dict)
    records: dict[Slot, EpisodeRecord] = field(default_factory=dict)
    grades: dict[Slot, Grade] = field(default_factory=dict)
    seconds: dict[Slot, float] = field(default_factory=dict)


def read_run(folder: Path) -> RunFolder:
    """Read a run folder; a later line for a slot replaces an earlier one. Raises RunError naming what is damaged."""
    if not is_run(folder):
        raise RunError(f"{folder} holds no run: there is no run.json; name the folder that `tau2-gym run` wrote")
    journal = Journal(folder, resume=True)
    run = RunFolder(folder, journal.read("run.json"))
    name = "tasks.jsonl"
    try:
        for line in journal.lines(name):
            task = Task.model_validate(line)
            run.tasks[task.id] = task
        name = "episodes.jsonl"
        for line in journal.lines(name):
            record = EpisodeRecord.model_validate(line)
            run.records[record.slot] = record
        name = "grades.jsonl"
        for line in journal.lines(name):
            grade = Grade.model_validate(line)
            run.grades[Slot(grade.task_id, grade.trial)] = grade
        name = "timings.jsonl"
        for line in journal.lines(name):
            run.seconds[Slot(line["task_id"], line["trial"])] = line["play_seconds"]
    except (ValidationError, KeyError, TypeError) as error:
        raise RunError(f"{folder / name} holds a line that is none of ours: {error}") from error
    return run
