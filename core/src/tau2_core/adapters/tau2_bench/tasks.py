"""Tasks and splits of a dataset; unknown keys are ignored, as in the official loader."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import RootModel, ValidationError

from tau2_core.adapters.tau2_bench.files import read_json
from tau2_core.errors import DatasetError
from tau2_core.model.tasks import Task

_Splits = RootModel[dict[str, list[str]]]
_REASONS_SHOWN = 3


def load_tasks(files: Sequence[Path]) -> list[Task]:
    """Return the tasks of all files in their order. Raises DatasetError with the task and the field."""
    tasks: dict[str, Task] = {}
    places: dict[str, tuple[Path, int]] = {}
    for file in files:
        for index, entry in enumerate(_entries(file)):
            task = _task(file, index, entry)
            if task.id in tasks:
                other, number = places[task.id]
                where = f"tasks {number} and {index}" if other == file else f"task {index} and task {number} of {other}"
                raise DatasetError(f"{file}: {where} both have the id {task.id!r}; rename one")
            tasks[task.id], places[task.id] = task, (file, index)
    return list(tasks.values())


def _entries(file: Path) -> list[Any]:
    """Return the tasks of a file: a list, an object with such a list as `tasks`, or one task. Raises DatasetError."""
    entries = read_json(file)
    if isinstance(entries, dict) and "id" in entries:
        return [entries]
    if isinstance(entries, dict):
        entries = entries.get("tasks")
    if not isinstance(entries, list):
        raise DatasetError(f"{file}: should be a list of tasks, or an object with such a list as `tasks`")
    return entries


def load_splits(file: Path) -> dict[str, list[str]]:
    """Return the splits as declared, including ids that the tasks file lacks. Raises DatasetError."""
    try:
        return _Splits.model_validate(read_json(file)).root
    except ValidationError as error:
        raise DatasetError(f"{file}: {_explain(error)}; a split is a name with a list of task ids") from error


def _task(file: Path, index: int, entry: Any) -> Task:
    try:
        return Task.model_validate(entry)
    except ValidationError as error:
        task_id = entry.get("id") if isinstance(entry, dict) else None
        name = f"task {index}" if task_id is None else f"task {index} (id {task_id!r})"
        raise DatasetError(f"{file}: {name}: {_explain(error)}") from error


def _explain(error: ValidationError) -> str:
    reasons = []
    for detail in error.errors(include_url=False):
        field = ".".join(str(part) for part in detail["loc"])
        value = "" if detail["type"] == "missing" else f", not {reprlib.repr(detail['input'])}"
        reasons.append(f"{field}: {detail['msg']}{value}" if field else f"{detail['msg']}{value}")
    more = len(reasons) - _REASONS_SHOWN
    return "; ".join(reasons[:_REASONS_SHOWN]) + (f" (and {more} more)" if more > 0 else "")
