"""Tasks and splits of a dataset; unknown keys are ignored, as in the official loader."""

from __future__ import annotations

import reprlib
from pathlib import Path
from typing import Any

from pydantic import RootModel, ValidationError

from tau2_core.adapters.tau2_bench.files import read_json
from tau2_core.errors import DatasetError
from tau2_core.model.tasks import Task

_Splits = RootModel[dict[str, list[str]]]
_REASONS_SHOWN = 3


def load_tasks(file: Path) -> list[Task]:
    """Return all tasks in file order. Raises DatasetError with the task and the field."""
    entries = read_json(file)
    if isinstance(entries, dict):
        entries = entries.get("tasks")
    if not isinstance(entries, list):
        raise DatasetError(f"{file}: should be a list of tasks, or an object with such a list as `tasks`")
    tasks: dict[str, Task] = {}
    places: dict[str, int] = {}
    for index, entry in enumerate(entries):
        task = _task(file, index, entry)
        if task.id in tasks:
            raise DatasetError(f"{file}: tasks {places[task.id]} and {index} both have the id {task.id!r}; rename one")
        tasks[task.id], places[task.id] = task, index
    return list(tasks.values())


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
