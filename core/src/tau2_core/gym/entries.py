"""The interface between hosted episodes and their runs, which this process or another one writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from tau2_core.episode.setting import Setting
from tau2_core.gym.hosted_episode import Blueprint
from tau2_core.gym.served_run import ServedRun
from tau2_core.gym.slots import Claim, Slots
from tau2_core.gym.worker_threads import WorkerThreads
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.evaluation import Grade
from tau2_core.model.latency import Latency
from tau2_core.model.tokens import TracedCall
from tau2_core.runs.evaluator_sets import EvaluatorSet

GradedBy = Callable[[Setting], EvaluatorSet]


class Entry(Protocol):
    """One episode's entry in a run: it has a trial, and gets a record and a grade."""

    trial: int

    async def keep(self, episode_id: str, record: EpisodeRecord, traced: Sequence[TracedCall], *, lost: bool) -> None:
        """Append the record; `lost` means that the agent did not finish. Raises RunError."""

    def asks_judge(self, record: EpisodeRecord) -> bool:
        """Tell whether a model must judge the episode, which takes seconds."""

    async def grade(self, record: EpisodeRecord, seconds: float, latency: Latency) -> Grade | None:
        """Notify plugins of the kept record, grade it and append the grade; None without a task. Raises RunError."""


class Runs(Protocol):
    """The runs of a server."""

    @property
    def workers(self) -> WorkerThreads:
        """The threads for slow work."""

    @property
    def slot_attempts(self) -> int:
        """How many times a lost slot is handed out in total."""

    @property
    def slot_seconds(self) -> float:
        """The time that an agent has for a slot."""

    def prepare(self, blueprint: Blueprint, graded_by: GradedBy) -> None:
        """Prepare the run of an episode, once per setting. Slow, so it belongs in a worker thread."""

    async def begin(self, blueprint: Blueprint, episode_id: str) -> Entry:
        """Add an episode before its first call or message, and notify plugins. Raises RunError."""

    def over_budget(self) -> bool:
        """Tell whether the cost limit is reached."""

    def out_of_time(self) -> bool:
        """Tell whether the time limit of the served run has been reached."""

    def stop_if_due(self) -> None:
        """Stop handing out slots if the run's time or budget is used up, or it cannot continue."""

    async def claim(self) -> Claim:
        """Take the next slot. Raises RefusedError: 404 without a run, 409 or 410 if none is left or it was stopped."""

    def blueprint(self, slot: Slot) -> Blueprint:
        """Return the blueprint of a slot's episode."""

    def give_back(self, slot: Slot) -> None:
        """Return a slot whose episode could not be opened, as if it had not been claimed."""

    def lose(self, slot: Slot) -> None:
        """Hand a slot out again unless that was its last attempt."""

    async def fail(self, slot: Slot, seed: int, why: str) -> None:
        """Record a slot whose task cannot be set up. Raises RunError."""

    def served(self) -> tuple[ServedRun, Slots]:
        """Return the served run and its slots. Raises RefusedError (404)."""

    async def grade_what_is_left(self) -> None:
        """Grade the records of a resumed run that are not graded yet."""

    async def close(self) -> None:
        """Write outstanding data, notify plugins, and release the folders. Raises RunError at the end."""
