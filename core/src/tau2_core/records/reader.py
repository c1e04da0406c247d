"""Reading a run folder: its inventory, and the record and grade of each slot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from tau2_core.records.customer_reviews import read_reviews
from tau2_core.records.episode_lines import find_episodes
from tau2_core.records.figures import EpisodeEnd, GradeFigures, GradePlace, JudgementFigures
from tau2_core.records.journal import CONFIGURATION, FORMAT, TASKS, Journal
from tau2_core.records.slot_lines import SlotLines, SlotNumbers
from tau2_core.records.tally import Tally
from tau2_core.validation_errors import first_wrong_part


class _Named(BaseModel):
    name: str


class _Model(BaseModel):
    model: str


class _Dataset(BaseModel):
    adapter: str
    folder: str


class _RunConfig(BaseModel):
    """The part of run.json that is needed to read a run."""

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


@dataclass(frozen=True)
class RunFolder:
    """A run folder with its configuration and tasks."""

    folder: Path
    config: dict[str, Any]

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def tasks(self) -> list[str]:
        return list(self.config["tasks"])

    @property
    def trials(self) -> int:
        return int(self.config["trials"])

    def model(self, role: str) -> str | None:
        """Return the name of a role's model; None if it has no model."""
        settings = self.config["models"].get(role)
        return str(settings["model"]) if settings else None

    def inventory(self, evaluators: str) -> Inventory:
        """Return the inventory that the run's figures refer to, for grades of the evaluator set with this name."""
        config = self.config
        dataset = config["dataset"]["folder"] if config.get("dataset") else None
        names = (config["domain"], config["agent"]["name"], config["user"]["name"])
        return Inventory(*names, evaluators, dataset, config.get("split"), self.tasks, self.trials)

    def slots(self, task_id: str, trials: int | None = None) -> list[Slot]:
        """Return a task's slots, played or not: all of them, or those of the first `trials` trials."""
        return [Slot(task_id, trial) for trial in range(self.trials if trials is None else trials)]

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


@dataclass(frozen=True)
class RecordedRun(RunFolder):
    """The content of a run folder, restricted to slots of its inventory with a record."""

    records: SlotLines[EpisodeRecord]
    judgements: SlotLines[Judgement]
    grades: SlotLines[Grade]
    seconds: SlotLines[float]

    @cached_property
    def _sets(self) -> set[str]:
        return {grade.evaluators for grade in self.grades.figures(GradePlace)}

    @property
    def graded_by(self) -> str:
        """The name of the evaluator set that graded, "" if there is none or more than one."""
        return next(iter(self._sets)) if len(self._sets) == 1 else ""

    @property
    def evaluators(self) -> str:
        """The evaluator set that graded. Raises RunError if there is more than one."""
        return one_set(self.folder, self._sets, self.config)

    @cached_property
    def judge(self) -> str | None:
        """The judge's model: the one that judged, or that will if nothing is judged yet. None without a judge."""
        judged = (each.model for each in self.judgements.figures(JudgementFigures) if not each.error)
        return judge_of(judged, self.config)

    def tally(self) -> Tally:
        """Return all counts of the run."""
        tally = self.tally_of_grades(self.tasks, self.trials)
        for grade in self._first_failures():
            tally.note_failure(grade)
        for record in self.records.figures(EpisodeEnd):
            tally.add_record(record)
        for judgement in self.judgements.figures(JudgementFigures):
            tally.add_judgement(judgement)
        for review in read_reviews(self.folder).values():
            tally.add_review(review.usage)
        return tally

    def tally_of_grades(self, tasks: Sequence[str], trials: int) -> Tally:
        """Return the counts of the grades of some tasks and of the first `trials` trials."""
        tally, wanted = Tally(tasks, trials), SlotNumbers(tasks, trials)
        for grade in self.grades.figures(GradeFigures):
            if wanted.number(grade.task_id, grade.trial) is not None:
                tally.add_figures(grade)
        return tally

    def _first_failures(self) -> Iterator[Grade]:
        """Yield the grade of each task's first trial that was not solved."""
        first: dict[str, int] = {}
        for grade in self.grades.figures(GradeFigures):
            if not grade.solved:
                first[grade.task_id] = min(grade.trial, first.get(grade.task_id, grade.trial))
        return (self.grades[Slot(task_id, first[task_id])] for task_id in self.tasks if task_id in first)


def one_set(folder: Path, sets: Iterable[str], config: Mapping[str, Any]) -> str:
    """Return the evaluator set that graded a run, or the one that will.

    Raises RunError if there is more than one, because their grades are never combined in one figure.
    """
    names = sorted(sets) or [str(config["evaluators"])]
    if len(names) > 1:
        raise RunError(f"{folder} contains grades of the sets {' and '.join(names)}; grade it again with one")
    return names[0]


def judge_of(judged: Iterable[str], config: Mapping[str, Any]) -> str | None:
    """Return the models that judged or, if nothing is judged yet, the one that will; None without a judge."""
    judge = config["models"].get("judge")
    return " and ".join(sorted(set(judged))) or (judge and str(judge["model"]))


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
    numbers = SlotNumbers(config["tasks"], config["trials"])
    return RecordedRun(folder, config, *find_episodes(journal, numbers, config["domain"]))


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
