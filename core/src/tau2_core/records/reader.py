"""Reading a run folder: its inventory, and the record and grade of each slot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from tau2_core.errors import RunError, UsageError
from tau2_core.model.episodes import ArgumentMode, EpisodeRecord, Slot
from tau2_core.model.evaluation import Grade, Judgement
from tau2_core.model.runs import MAX_EPISODES, Inventory
from tau2_core.model.tasks import Task
from tau2_core.records.finished import read_finished_slots
from tau2_core.records.journal import CONFIGURATION, FORMAT, TASKS, TIMINGS, Journal
from tau2_core.records.tally import Tally
from tau2_core.validation import first_wrong_part


class _Named(BaseModel):
    name: str


class _Model(BaseModel):
    model: str


class _Dataset(BaseModel):
    adapter: str
    folder: str


class _RunConfig(BaseModel):
    """The part of run.json that is needed for reading a run."""

    domain: str
    variant: str
    solo: bool
    mode: ArgumentMode
    dataset: _Dataset | None = None
    digests: dict[str, Any]
    agent: _Named
    user: _Named
    models: dict[str, _Model]
    evaluators: str
    tasks: list[str] = Field(min_length=1)
    trials: int = Field(ge=1)

    @field_validator("trials")
    @classmethod
    def _bounded(cls, trials: int, given: ValidationInfo) -> int:
        if len(given.data.get("tasks", [])) * trials > MAX_EPISODES:
            raise PydanticCustomError("episodes", "more than {most} episodes", {"most": f"{MAX_EPISODES:,}"})
        return trials


class _Timing(BaseModel):
    task_id: str
    trial: int
    seconds: float = Field(ge=0, allow_inf_nan=False)


@dataclass(frozen=True)
class RecordedRun:
    """The content of a run folder, restricted to slots of its inventory with a record."""

    folder: Path
    config: dict[str, Any]
    records: dict[Slot, EpisodeRecord]
    judgements: dict[Slot, Judgement]
    grades: dict[Slot, Grade]
    seconds: dict[Slot, float]

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def tasks(self) -> list[str]:
        return list(self.config["tasks"])

    @property
    def trials(self) -> int:
        return int(self.config["trials"])

    @property
    def graded_by(self) -> str:
        """The name of the evaluator set that graded, "" if there is none or more than one."""
        names = {grade.evaluators for grade in self.grades.values()}
        return names.pop() if len(names) == 1 else ""

    @cached_property
    def evaluators(self) -> str:
        """The evaluator set that graded. Raises RunError if there are two, which are never mixed in one number."""
        names = sorted({grade.evaluators for grade in self.grades.values()}) or [str(self.config["evaluators"])]
        if len(names) > 1:
            raise RunError(f"{self.folder} contains grades of the sets {' and '.join(names)}; grade it again with one")
        return names[0]

    @property
    def judge(self) -> str | None:
        """The model that judged, or that will if nothing is judged yet; None without a judge."""
        names = {judgement.model for judgement in self.judgements.values() if not judgement.error}
        judge = self.config["models"].get("judge")
        return " and ".join(sorted(names)) or (judge and str(judge["model"]))

    def model(self, role: str) -> str | None:
        """Return the name of a role's model, None if it has none."""
        settings = self.config["models"].get(role)
        return str(settings["model"]) if settings else None

    def inventory(self, evaluators: str) -> Inventory:
        """Return what the run's figures are about when a set of evaluators with this name grades it."""
        config = self.config
        dataset = config["dataset"]["folder"] if config.get("dataset") else None
        names = (config["domain"], config["agent"]["name"], config["user"]["name"])
        return Inventory(*names, evaluators, dataset, config.get("split"), self.tasks, self.trials)

    def slots(self, task_id: str, trials: int | None = None) -> list[Slot]:
        """Return a task's slots, played or not, of all or of the first `trials` trials."""
        return [Slot(task_id, trial) for trial in range(self.trials if trials is None else trials)]

    def tally(self, tasks: Sequence[str] | None = None, trials: int | None = None) -> Tally:
        """Return the counts of the run; of some tasks or of the first `trials` only, if they are given."""
        tasks, trials = self.tasks if tasks is None else tasks, self.trials if trials is None else trials
        slots = [slot for task in tasks for slot in self.slots(task, trials)]
        return Tally.of(
            tasks,
            trials,
            (self.grades[slot] for slot in slots if slot in self.grades),
            (self.records[slot] for slot in slots if slot in self.records),
            (self.judgements[slot] for slot in slots if slot in self.judgements),
        )

    def task_contents(self) -> dict[str, Any]:
        """Return the tasks as they were played, by id."""
        contents = {}
        for number, line in enumerate(Journal(self.folder, resume=True).lines(TASKS), 1):
            if not isinstance(line, dict) or not isinstance(line.get("id"), str):
                raise RunError(f"{self.folder / TASKS}:{number}: this is not a task; restore the file")
            contents[line["id"]] = line
        return contents

    def task_models(self) -> dict[str, Task]:
        """Return the tasks as they were played, by id. Raises RunError if one is damaged or missing."""
        contents = self.task_contents()
        journal = Journal(self.folder, resume=True)
        lines = {task_id: number for number, task_id in enumerate(contents, 1)}
        lacking = [task_id for task_id in self.tasks if task_id not in contents]
        if lacking:
            raise RunError(f"{self.folder / TASKS} lacks task {lacking[0]!r}, which run.json names; restore the file")
        return {task_id: journal.content(TASKS, lines[task_id], Task, contents[task_id]) for task_id in self.tasks}


def run_folders(place: Path) -> list[Path]:
    """Return the run folders in a folder, by name. Raises UsageError."""
    try:
        return sorted(each for each in place.iterdir() if is_run(each))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise UsageError(f"{place}: cannot be read as a folder: {error}") from error


def latest_run(place: Path) -> Path:
    """Return the run folder that was started last. Raises UsageError if there is none."""
    found = run_folders(place)
    if not found:
        raise UsageError(f"{place} contains no run; `tau2-gym run DOMAIN` creates one, or name a run's folder")
    return max(found, key=lambda folder: (folder / CONFIGURATION).stat().st_mtime)


def is_run(folder: Path) -> bool:
    """Tell whether a folder is a run folder, complete or damaged."""
    try:
        return (folder / CONFIGURATION).exists()
    except (OSError, ValueError):  # not a valid name for the file system
        return False


def read_run(folder: Path) -> RecordedRun:
    """Read a run folder, also of a run that is in progress or was stopped.

    Raises UsageError if there is no run, RunError with file and line if it is damaged or of another format.
    """
    if not is_run(folder):
        hint = f"did you mean {Path('runs') / folder}?" if is_run(Path("runs") / folder) else ""
        raise UsageError(f"{folder} contains no run ({hint or 'name a folder that `tau2-gym run` has created'})")
    journal = Journal(folder, resume=True)
    config = read_configuration(folder)
    found = read_finished_slots(journal, config["domain"])
    timings = (timing for _number, timing in journal.validated(TIMINGS, _Timing))
    seconds = {Slot(timing.task_id, timing.trial): timing.seconds for timing in timings}
    tasks = set(config["tasks"])

    def played(slot: Slot) -> bool:
        return slot.task_id in tasks and 0 <= slot.trial < config["trials"] and slot in found.records

    return RecordedRun(
        folder,
        config,
        {slot: record for slot, record in found.records.items() if played(slot)},
        {slot: judgement for slot, judgement in found.judgements.items() if played(slot)},
        {slot: grade for slot, grade in found.grades.items() if played(slot)},
        {slot: each for slot, each in seconds.items() if played(slot)},
    )


def read_configuration(folder: Path) -> dict[str, Any]:
    """Return the content of a run's run.json. Raises RunError if it is damaged or of another format."""
    config = Journal(folder, resume=True).read(CONFIGURATION)
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise RunError(f"{folder / CONFIGURATION} is not of format {FORMAT}; read it with the version that wrote it")
    try:
        _RunConfig.model_validate(config)
    except ValidationError as error:
        wrong = first_wrong_part(error)
        raise RunError(f"{folder / CONFIGURATION}: {wrong}; restore it, or start a new run") from error
    return config
