"""The tasks and splits of a domain written for tau2-bench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import RootModel, ValidationError

from tau2_core.errors import UsageError
from tau2_core.foreign_code import describe_error, foreign
from tau2_core.model.tasks import Task
from tau2_core.name_suggestions import did_you_mean
from tau2_core.validation_errors import first_wrong_part

ALL = "all"
_Splits = RootModel[dict[str, list[str]]]


def read_tasks(target: str, listed: Any) -> list[Task]:
    """Return tasks from what `get_tasks` returned: models of tau2-bench, or dicts. Raises UsageError."""
    if not isinstance(listed, Sequence) or isinstance(listed, str | bytes):
        what = f"its get_tasks returned {type(listed).__name__}"
        raise UsageError(f"{target}: {what}; it should return a list of tasks")
    tasks: dict[str, Task] = {}
    for index, entry in enumerate(listed):
        task = _task(target, index, entry)
        if task.id in tasks:
            raise UsageError(f"{target}: two tasks have the id {task.id!r}; rename one")
        tasks[task.id] = task
    if not tasks:
        raise UsageError(f"{target}: its get_tasks returned no task; write at least one")
    return list(tasks.values())


def _task(target: str, index: int, entry: Any) -> Task:
    own_id = entry.get("id") if isinstance(entry, Mapping) else getattr(entry, "id", None)
    where = f"{target}: task {index}" + ("" if own_id is None else f" (id {own_id!r})")
    try:
        with foreign():
            plain = entry if isinstance(entry, Mapping) else entry.model_dump(mode="json")
            return Task.model_validate(plain)
    except ValidationError as error:
        raise UsageError(f"{where}: {first_wrong_part(error)}; correct it as tau2-bench's Task has it") from error
    except Exception as error:
        raise UsageError(f"{where} cannot be read: {describe_error(error)}; it should be a Task or a dict") from error


def read_splits(target: str, found: Any, tasks: Sequence[Task]) -> dict[str, list[str]]:
    """Return the splits. Tasks that are in none of them are reached by a split of all tasks. Raises UsageError."""
    ids = [task.id for task in tasks]
    try:
        splits = {} if found is None else _Splits.model_validate(found).root
    except ValidationError as error:
        what = f"its splits: {first_wrong_part(error)}"
        raise UsageError(f"{target}: {what}; a split is a name with a list of task ids") from error
    for name, members in splits.items():
        for each in members:
            if each not in ids:
                what = f"its split {name!r} names task {each!r}, which get_tasks does not return"
                raise UsageError(f"{target}: {what} ({did_you_mean(each, ids)}); correct the split")
    if not splits:
        return {"base": ids}
    if set(ids) - {each for members in splits.values() for each in members}:
        splits[ALL] = ids
    return splits
