"""Reading a pack's tasks and splits, with the line of each part."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import RootModel

from tau2_core.model.tasks import Instructions, RewardType, Task
from tau2_core.model.tools import Source
from tau2_core.names import did_you_mean
from tau2_core.packs.problems import Problems
from tau2_core.packs.yaml_source import Document, YamlPath


@dataclass(frozen=True)
class TaskSource:
    """Where a task stands in its file."""

    document: Document
    index: int

    def source(self, *path: str | int) -> Source:
        full: YamlPath = (self.index, *path)
        return Source(self.document.file, self.document.line(full))


@dataclass(frozen=True)
class TaskSet:
    """All tasks of a pack in file order, where they stand, and the splits that name them."""

    tasks: Mapping[str, Task]
    sources: Mapping[str, TaskSource]
    splits: Mapping[str, Sequence[str]]


_Splits = RootModel[dict[str, list[str]]]


def read_tasks(
    folder: Path, pattern: str, splits_file: str, basis: Sequence[RewardType], domain: str, problems: Problems
) -> TaskSet:
    """Read all task files and the splits; what is wrong is noted and left out."""
    tasks: dict[str, Task] = {}
    sources: dict[str, TaskSource] = {}
    files = sorted(folder.glob(pattern))
    refused: set[str] | None = set()  # ids of tasks that are wrong themselves; None: a file does not tell its ids
    if not files:
        refused = None
        problems.add(folder / pattern, "no task file matches", hint="write tasks, or correct `tasks.files`")
    for file in files:
        document = problems.read(file)
        if document is None or not isinstance(document.value, list):
            if document is not None:
                problems.add(file, "should be a list of tasks", line=1)
            refused = None
            continue
        for index, value in enumerate(document.value):
            task = _read_task(document, index, value, basis, domain, problems)
            if task is None:
                if refused is not None and isinstance(value, dict) and isinstance(value.get("id"), str):
                    refused.add(value["id"])
                continue
            source = TaskSource(document, index)
            if task.id in tasks:
                problems.at(source.source(), f"task {task.id!r} stands twice, first at {sources[task.id].source()}")
                continue
            tasks[task.id], sources[task.id] = task, source
    return TaskSet(tasks, sources, _read_splits(folder / splits_file, tasks, sources, refused, problems))


def _read_task(
    document: Document, index: int, value: Any, basis: Sequence[RewardType], domain: str, problems: Problems
) -> Task | None:
    task = problems.validate(Task, document, value, (index,))
    if task is None:
        return None
    if task.evaluation_criteria is not None:
        if "reward_basis" not in task.evaluation_criteria.model_fields_set:
            task.evaluation_criteria.reward_basis = list(basis)
        for position, action in enumerate(task.gold()):
            action.action_id = action.action_id or f"{task.id}_{position}"
    if isinstance(task.user_scenario.instructions, Instructions) and not task.user_scenario.instructions.domain:
        task.user_scenario.instructions.domain = domain
    return task


def _read_splits(
    file: Path,
    tasks: Mapping[str, Task],
    sources: Mapping[str, TaskSource],
    refused: Container[str] | None,
    problems: Problems,
) -> dict[str, list[str]]:
    document = problems.read(file)
    parsed = problems.validate(_Splits, document, document.value or {}) if document else None
    if document is None or parsed is None:
        return {"base": list(tasks)}
    splits = dict(parsed.root)
    for name, ids in splits.items():
        for position, task_id in enumerate(ids):
            line = document.line((name, position))
            if task_id not in tasks:
                if refused is not None and task_id not in refused:
                    what = f"split {name!r} names a task {task_id!r} that does not exist"
                    problems.add(file, what, line=line, hint=did_you_mean(task_id, tasks))
            elif task_id in ids[:position]:
                problems.add(file, f"split {name!r} names task {task_id!r} twice", line=line)
    named = {task_id for ids in splits.values() for task_id in ids}
    for position, task_id in enumerate(splits.get("test", [])):
        if task_id in splits.get("train", []):
            line = document.line(("test", position))
            problems.add(file, f"task {task_id!r} is in both train and test", line=line)
    for task_id in sorted(tasks.keys() - named):
        problems.at(sources[task_id].source(), f"task {task_id!r} is in no split", hint=f"name it in {file.name}")
    splits.setdefault("base", [task_id for task_id in tasks if task_id in named])
    return splits
