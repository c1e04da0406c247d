"""Reading a run folder: its episodes, grades and figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tau2_core.errors import UsageError
from tau2_core.model.episodes import EpisodeRecord, Slot, Termination
from tau2_core.model.evaluation import Grade, Judgement
from tau2_core.model.tasks import Task
from tau2_core.name_suggestions import did_you_mean
from tau2_core.records.reader import read_run
from tau2_core.records.reasons import reasons
from tau2_core.records.report import Report, build_report
from tau2_core.records.rows import criteria_of, episode_rows
from tau2_core.records.tally import Tally

if TYPE_CHECKING:
    from tau2_core.model.messages import Message


@dataclass(frozen=True)
class RunEpisode:
    """One episode of a run: its record, and its grade if it has one.

    `judgement` is the judge's decision on its assertions, None without a judge; `seconds` is the duration of the
    episode with its grading, None if it was not kept.
    """

    record: EpisodeRecord
    grade: Grade | None
    judgement: Judgement | None
    seconds: float | None

    @property
    def task_id(self) -> str:
        """The id of its task."""
        return self.record.task_id

    @property
    def trial(self) -> int:
        """The number of its trial, from 0."""
        return self.record.trial

    @property
    def messages(self) -> Sequence[Message]:
        """The whole conversation of both sides, with all tool calls."""
        return self.record.messages

    @property
    def termination(self) -> Termination:
        """How it ended."""
        return self.record.termination

    @property
    def reward(self) -> float | None:
        """The reward, 0 to 1; None if there is none."""
        return self.grade.reward if self.grade else None

    @property
    def solved(self) -> bool:
        """Whether its reward counts as solved."""
        return self.grade is not None and self.grade.solved

    @property
    def reasons(self) -> list[str]:
        """What was not met, one line each, and the error if there is one."""
        return reasons(self.grade) if self.grade else []


class Run:
    """A run, read from its folder: complete, stopped, or still in progress.

    It holds the content of the folder at its creation; create another one to see later additions.
    """

    def __init__(self, folder: str | Path, *, stopped: str = "") -> None:
        """Read a folder that `evaluate`, `tau2-gym run` or `tau2-gym serve` has left.

        `stopped` is the reason why the run stopped early, if it is known.

        Raises UsageError if there is no run, RunError with file and line if it is damaged or of another format.
        """
        self._read = read_run(Path(folder))
        self.stopped = stopped

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self._read.folder

    @property
    def name(self) -> str:
        """The name of the run's folder."""
        return self._read.name

    @property
    def configuration(self) -> dict[str, Any]:
        """The content of `run.json`: the run's configuration, with digests of everything that affects its results."""
        return self._read.config

    @property
    def tasks(self) -> list[str]:
        """The ids of its tasks."""
        return self._read.tasks

    @property
    def trials(self) -> int:
        """The number of trials of each task."""
        return self._read.trials

    @cached_property
    def episodes(self) -> list[RunEpisode]:
        """The finished episodes, trial by trial, in the order of the tasks."""
        slots = [Slot(task, trial) for trial in range(self.trials) for task in self.tasks]
        return [self._episode(slot) for slot in slots if slot in self._read.records]

    def __iter__(self) -> Iterator[RunEpisode]:
        return iter(self.episodes)

    def __len__(self) -> int:
        return len(self.episodes)

    def episode(self, task_id: str, trial: int = 0) -> RunEpisode:
        """Return one episode. Raises UsageError if it is not in the run, or not finished."""
        self._refuse_unknown(task_id)
        slot = Slot(task_id, trial)
        if slot not in self._read.records:
            raise UsageError(f"{self.name} has no finished episode of task {task_id!r}, trial {trial} of {self.trials}")
        return self._episode(slot)

    def task(self, task_id: str) -> Task:
        """Return a task as it was played. Raises UsageError for an unknown one, RunError if the file is damaged."""
        self._refuse_unknown(task_id)
        return self._tasks[task_id]

    @cached_property
    def _tasks(self) -> dict[str, Task]:
        return self._read.task_models()

    def _refuse_unknown(self, task_id: str) -> None:
        if task_id not in self.tasks:
            raise UsageError(f"{self.name} has no task {task_id!r} ({did_you_mean(task_id, self.tasks)})")

    def _episode(self, slot: Slot) -> RunEpisode:
        read = self._read
        return RunEpisode(read.records[slot], read.grades.get(slot), read.judgements.get(slot), read.seconds.get(slot))

    @cached_property
    def report(self) -> Report:
        """All figures with intervals, as shown by `tau2-gym report`.

        Raises RunError if the grades are from more than one set of evaluators, MissingExtraError without
        `tau2-core[stats]`.
        """
        return build_report(self._read)

    @property
    def mean_reward(self) -> float:
        """The mean reward over all slots; a slot without a reward counts as 0."""
        return self._tally.mean_reward

    @property
    def coverage(self) -> float:
        """The share of all slots that have a reward, 0 to 1."""
        return self._tally.coverage

    @property
    def solved(self) -> list[RunEpisode]:
        """The episodes that are solved."""
        return [each for each in self.episodes if each.solved]

    @property
    def pass_hat_k(self) -> dict[int, float]:
        """pass^k for k from 1 to `trials`: the chance that a task is solved in all of k trials."""
        return self._tally.pass_hat_k

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat dictionary per episode, for a data frame: `pandas.DataFrame(run.rows())`.

        Verdicts are columns named after their criterion (`DB`, `COMMUNICATE`, …): 0 to 1, None if there is none. The
        other columns are those of `tau2-gym export --to table`.
        """
        return list(episode_rows(self._read, criteria_of(self._read)))

    @cached_property
    def _tally(self) -> Tally:
        return self._read.tally()

    def __repr__(self) -> str:
        unscored = sum(each.reward is None for each in self.episodes)
        words = f"{len(self)} of {self._tally.slots} episodes, mean reward {self.mean_reward:.4f}"
        without = f", {unscored} without a reward" if unscored else ""
        return f"<Run {self.name}: {words}{without}{f', stopped: {self.stopped}' if self.stopped else ''}>"
