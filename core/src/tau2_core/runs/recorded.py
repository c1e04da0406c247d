"""A run folder read back: its inventory, and what is recorded and graded of each slot."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tau2_core.errors import RunError, UsageError
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.evaluation import Grade, Judgement
from tau2_core.runs.configuration import FORMAT
from tau2_core.runs.journal import CONFIGURATION, TASKS, TIMINGS, Journal
from tau2_core.runs.resume import read_finished


@dataclass(frozen=True)
class RecordedRun:
    """What a run folder holds. Only slots of its inventory count, and only what is said of recorded episodes."""

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
        """Return the set that graded, "" if there is none or more than one."""
        names = {grade.evaluators for grade in self.grades.values()}
        return names.pop() if len(names) == 1 else ""

    @cached_property
    def evaluators(self) -> str:
        """The set that graded. Raises RunError where there are two: they are never mixed in one number."""
        names = sorted({grade.evaluators for grade in self.grades.values()}) or [str(self.config["evaluators"])]
        if len(names) > 1:
            raise RunError(f"{self.folder} holds grades of the sets {' and '.join(names)}; grade it anew with one")
        return names[0]

    @property
    def judge(self) -> str | None:
        """The model that judged, of all episodes or, where none is judged yet, is to; None without a judge."""
        names = {judgement.model for judgement in self.judgements.values() if not judgement.error}
        told = self.config["models"].get("judge")
        return " and ".join(sorted(names)) or (told and str(told["model"]))

    def slots(self, task_id: str, trials: int | None = None) -> list[Slot]:
        """Return a task's slots, played or not; all, or of the first `trials`."""
        return [Slot(task_id, trial) for trial in range(self.trials if trials is None else trials)]

    def solved(self, task_id: str, trials: int | None = None) -> int:
        """Return how many of a task's slots are solved; one without a usable grade is not."""
        slots = self.slots(task_id, trials)
        return sum(slot in self.grades and self.grades[slot].solved for slot in slots)

    def evaluable(self, task_id: str, trials: int | None = None) -> int:
        """Return how many of a task's slots have a reward."""
        slots = self.slots(task_id, trials)
        return sum(slot in self.grades and self.grades[slot].reward is not None for slot in slots)

    def task_contents(self) -> dict[str, Any]:
        """Return the tasks as they were played, by id."""
        return {line["id"]: line for line in Journal(self.folder, resume=True).lines(TASKS)}


def read_run(folder: Path) -> RecordedRun:
    """Read a run folder, also one of a run that is going on or was stopped.

    Raises UsageError if there is no run, RunError if a file is damaged or of another format.
    """
    if not (folder / CONFIGURATION).is_file():
        hint = f"did you mean {Path('runs') / folder}?" if (Path("runs") / folder / CONFIGURATION).is_file() else ""
        raise UsageError(f"{folder} holds no run ({hint or 'name a folder that `tau2-gym run` has left'})")
    journal = Journal(folder, resume=True)
    config = journal.read(CONFIGURATION)
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise RunError(f"{folder / CONFIGURATION} is not of format {FORMAT}; read it with the version that wrote it")
    found = read_finished(journal)
    try:
        inventory = {Slot(task_id, trial) for task_id in config["tasks"] for trial in range(config["trials"])}
        seconds = {Slot(line["task_id"], line["trial"]): line["seconds"] for line in journal.lines(TIMINGS)}
    except (KeyError, TypeError) as error:
        raise RunError(f"{folder} holds a line that is none of ours: {error}") from error
    played = inventory & found.records.keys()
    return RecordedRun(
        folder,
        config,
        {slot: record for slot, record in found.records.items() if slot in played},
        {slot: judgement for slot, judgement in found.judgements.items() if slot in played},
        {slot: grade for slot, grade in found.grades.items() if slot in played},
        {slot: each for slot, each in seconds.items() if slot in played},
    )
