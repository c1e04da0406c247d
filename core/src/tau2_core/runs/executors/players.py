"""Playing and grading the slots of a run in this process."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from tau2_core.episode.participants import Participants
from tau2_core.episode.play import OnSidecar, OpenBackend, Sidecar, in_process, play
from tau2_core.episode.setting import Setting
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.evaluation import Grade, Judgement
from tau2_core.model.latency import Latency
from tau2_core.model.tasks import Task
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.records.journal import encoded_line
from tau2_core.runs.checked_plan import CheckedPlan
from tau2_core.runs.judgements import Judging
from tau2_core.runs.plan import Plan

PlayEpisode = Callable[
    [Setting, Task, Participants, Slot, int, OpenBackend, OnSidecar | None], Awaitable[EpisodeRecord]
]
OpenBackends = Callable[[Plan, Catalogue], AbstractAsyncContextManager[OpenBackend]]


@dataclass(frozen=True, slots=True)
class Played:
    """A record that was just played, its line for `episodes.jsonl`, and the seconds that it and its messages took.

    The record of a worker has no messages: parsing them would be most of a run's own work. `whole` has them.
    """

    record: EpisodeRecord
    line: bytes
    seconds: float
    latency: Latency = field(default_factory=Latency)

    def whole(self) -> EpisodeRecord:
        """Return the record with its messages."""
        return self.record if self.record.messages else EpisodeRecord.model_validate(json.loads(self.line))


@dataclass(frozen=True, slots=True)
class GradedRecord:
    """A grade, its line for `grades.jsonl`, and the seconds that it took."""

    grade: Grade
    line: bytes
    seconds: float


@dataclass(frozen=True, slots=True)
class Keep:
    """What a run keeps of an episode before its record and before its grade; only then does the player go on.

    `traced` gets lines of `tokens.jsonl`. `known` are the judgements from before a resume; it gets the new ones too.
    """

    traced: Callable[[bytes], None]
    judged: Callable[[Slot, Judgement], None]
    known: dict[Slot, Judgement]


class Player(Protocol):
    """Plays and grades episodes of a run. `workers` is the number of processes that do it."""

    workers: int

    async def play(self, slot: Slot, seed: int) -> Played:
        """Play a slot, whatever goes wrong in it."""

    async def grade(self, record: EpisodeRecord) -> GradedRecord:
        """Grade the record that `play` has just returned for a slot, or one from before a resume."""


NewPlayer = Callable[[Keep], Player]


@dataclass(frozen=True, slots=True)
class PlayableRun:
    """A checked run, and how it is played: `play_episode` plays one episode, `backends` execute its tool calls."""

    checked: CheckedPlan
    catalogue: Catalogue
    play_episode: PlayEpisode
    backends: OpenBackends


Executor = Callable[[PlayableRun], AbstractAsyncContextManager[NewPlayer]]


@asynccontextmanager
async def local_backends(_plan: Plan, _catalogue: Catalogue) -> AsyncIterator[OpenBackend]:
    """Execute tool calls in this process."""
    yield in_process


@asynccontextmanager
async def in_this_process(playing: PlayableRun) -> AsyncIterator[NewPlayer]:
    """Play and grade in the event loop of the run."""
    async with playing.backends(playing.checked.plan, playing.catalogue) as open_backend:

        def new_player(keep: Keep) -> Player:
            return LocalPlayer(playing.checked, keep, open_backend, playing.play_episode)

        yield new_player


class LocalPlayer:
    """Plays and grades in the running event loop. Runs and workers alike have one."""

    workers = 1

    def __init__(
        self,
        checked: CheckedPlan,
        keep: Keep,
        open_backend: OpenBackend = in_process,
        play_episode: PlayEpisode = play,
    ) -> None:
        plan = checked.plan
        self._plan = plan
        self._grader = checked.grader
        self._keep = keep
        self._open_backend = open_backend
        self._play_episode = play_episode
        judge = plan.participants.role_models.get("judge")
        self._judging = Judging(judge, checked.grader, keep.judged, keep.known, everywhere=plan.judge_all)
        self._redactor = plan.redactor()
        self._tasks = {task.id: task for task in plan.tasks}

    async def play(self, slot: Slot, seed: int) -> Played:
        started = time.perf_counter()
        plan = self._plan
        latency = Latency()

        def keep(sidecar: Sidecar) -> None:
            nonlocal latency
            latency = sidecar.latency
            for call in sidecar.traced:
                self._keep.traced(encoded_line(call.model_dump(mode="json", exclude_none=True), self._redactor))

        record = await self._play_episode(
            plan.setting,
            self._tasks[slot.task_id],
            plan.participants,
            slot,
            seed,
            self._open_backend,
            keep,
        )
        return Played(record, encoded_line(record.line(), self._redactor), time.perf_counter() - started, latency)

    async def grade(self, record: EpisodeRecord) -> GradedRecord:
        started = time.perf_counter()
        task = self._tasks[record.task_id]
        grade = await self._grader.grade_aside(record, task, await self._judging.judgement(record, task))
        line = encoded_line(grade.model_dump(mode="json"), self._redactor)
        return GradedRecord(grade, line, time.perf_counter() - started)
