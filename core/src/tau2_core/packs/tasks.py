"""Reading a pack's tasks (hand-written ones and those of families) and splits, with the line of each part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tau2_core.model.tasks import Task
from tau2_core.model.tools import Source
from tau2_core.name_suggestions import close_name
from tau2_core.packs.families import Families, read_families
from tau2_core.packs.family_tasks import FamilySource, FamilyTasks
from tau2_core.packs.manifest import TaskFiles
from tau2_core.packs.pack_files import matching_files
from tau2_core.packs.problems import Problems
from tau2_core.packs.split_rules import Rule
from tau2_core.packs.splits import Splits, read_splits
from tau2_core.packs.task_defaults import TaskDefaults
from tau2_core.packs.task_texts import TaskTextsReader, VariantTexts
from tau2_core.packs.yaml_source import Document, Place
from tau2_core.problem_kinds import ProblemKind

TaskSource = Place | FamilySource
T = TypeVar("T", covariant=True)


class Joined(Mapping[str, T]):
    """Two mappings with different keys, one after the other; values are looked up lazily."""

    def __init__(self, first: Mapping[str, T], second: Mapping[str, T]) -> None:
        self.first = first
        self.second = second

    def __getitem__(self, key: str) -> T:
        return self.first[key] if key in self.first else self.second[key]

    def __contains__(self, key: object) -> bool:
        return key in self.first or key in self.second

    def __iter__(self) -> Iterator[str]:
        yield from self.first
        yield from self.second

    def __len__(self) -> int:
        return len(self.first) + len(self.second)


@dataclass(frozen=True)
class VariantTasks:
    """The tasks of a pack with the texts of a variant; `document` holds the texts, if it can be read."""

    tasks: Mapping[str, Task]
    families: FamilyTasks
    document: Document | None


@dataclass(frozen=True)
class TaskSet:
    """All tasks of a pack and its splits: first the hand-written tasks in file order, then the families'.

    `tasks` lists ids without building anything; each access to a family's task builds it anew.
    """

    tasks: Mapping[str, Task]
    splits: Splits
    written: Mapping[str, Task]
    families: FamilyTasks
    places: Mapping[str, Place]
    variants: Mapping[str, VariantTasks] = field(default_factory=dict)

    def tasks_in(self, variant: str) -> Mapping[str, Task]:
        """Return all tasks with the texts that a variant ("" for none) gives them."""
        return self.variants[variant].tasks if variant in self.variants else self.tasks

    def source(self, task_id: str) -> TaskSource:
        """Return the locations of a task's parts."""
        return self.places[task_id] if task_id in self.places else self.families.source(task_id)


def read_tasks(
    folder: Path,
    files: TaskFiles,
    defaults: TaskDefaults,
    problems: Problems,
    texts: Mapping[str, VariantTexts] | None = None,
    named_by: Mapping[str, Source] | None = None,
) -> TaskSet:
    """Read all task files, families, the splits and the texts of variants. Wrong entries are noted and left out.

    `named_by` is where the manifest names each of the `files`.
    """
    written, named = _Written(defaults, problems), named_by or {}
    if files.files is not None:
        written.read_all(folder, files.files, named.get("files"))
    declared, before = Families(), len(problems.found)
    if files.families is not None:
        declared = read_families(folder, files.families, problems, named.get("families"))
    if len(problems.found) > before:
        written.refused = None  # a wrong family leaves out an unknown number of tasks
    families = FamilyTasks(declared, defaults)
    tasks = Joined(written.tasks, families)
    for task_id in [task_id for task_id in written.tasks if "[" in task_id and task_id in families]:
        problems.at(
            written.places[task_id].source(),
            ProblemKind.REPEATED_TASK,
            f"task {task_id!r} is also a task of a family",
            hint="rename it",
        )
    splits = read_splits(folder / files.splits, tasks, families, written.refused, problems, named.get("splits"))
    if splits is not None:
        _require_splits(written, splits, files.splits, problems)
    reader = TaskTextsReader(written.tasks, written.refused, declared, problems)
    variants: dict[str, VariantTasks] = {}
    for variant, place in (texts or {}).items():
        own, document = reader.read(place)
        changed = {task_id: own.of_task(task) for task_id, task in written.tasks.items()}
        theirs = FamilyTasks(own.of_families(declared), defaults)
        variants[variant] = VariantTasks(Joined(changed, theirs), theirs, document)
    splits = splits or Splits({}, tasks, families)
    return TaskSet(tasks, splits, written.tasks, families, written.places, variants)


class _Written:
    """Reads the hand-written tasks."""

    def __init__(self, defaults: TaskDefaults, problems: Problems) -> None:
        self.defaults = defaults
        self.problems = problems
        self.tasks: dict[str, Task] = {}
        self.places: dict[str, Place] = {}
        self.refused: set[str] | None = set()  # ids of wrong tasks; None if not all of them are known

    def read_all(self, folder: Path, pattern: str, named_by: Source | None) -> None:
        files = matching_files(folder, pattern)
        if not files:
            self.refused = None
            self.problems.at(
                named_by or Source(folder / pattern),
                ProblemKind.MISSING_FILE,
                f"no task file matches {folder / pattern}",
                hint="write tasks, or correct `tasks.files`",
            )
        for file in files:
            self._read(file)

    def _read(self, file: Path) -> None:
        document = self.problems.read(file)
        if document is None or not isinstance(document.value, list):
            if document is not None:
                self.problems.add(file, ProblemKind.WRONG_SHAPE, "should be a list of tasks", line=1)
            self.refused = None
            return
        for index, value in enumerate(document.value):
            place = Place(document, (index,))
            task = self.problems.validate(Task, document, value, place.path)
            if task is None:
                own_id = value.get("id") if isinstance(value, dict) else None
                if not isinstance(own_id, str):
                    self.refused = None
                elif self.refused is not None:
                    self.refused.add(own_id)
            elif task.id in self.tasks:
                self.refused = None  # a split may use the name that this task was meant to have
                first = self.places[task.id].source()
                self.problems.at(
                    place.source(), ProblemKind.REPEATED_TASK, f"task {task.id!r} occurs twice, first at {first}"
                )
            else:
                self.tasks[task.id], self.places[task.id] = self.defaults.fill_in(task), place


def _require_splits(written: _Written, splits: Splits, file: str, problems: Problems) -> None:
    """Note every hand-written task that no split names; rules are evaluated only if the lists leave any."""
    if not splits.declared:
        where = Source(splits.document.file if splits.document else Path(file), 1)
        problems.at(where, ProblemKind.NO_SPLIT, "it names no split", hint="name every task: `base: [ID, …]`")
        return
    missing = set(written.tasks)
    for name in sorted(splits.declared, key=lambda name: isinstance(splits.declared[name], Rule)):
        if missing:
            named = set(splits[name])
            # A misspelt name is noted where it is written, and counts as the task that it resembles.
            missing -= named | {close_name(each, splits.known_tasks()) for each in named - splits.known_tasks()}
    for task_id in sorted(missing):
        what = f"task {task_id!r} is in no split"
        problems.at(written.places[task_id].source(), ProblemKind.NO_SPLIT, what, hint=f"name it in {Path(file).name}")
