"""Playing and grading the slots of a run in this process."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

from tau2_core.episode.participants import Participants
from tau2_core.episode.play import OnSidecar, OpenEpisode, Sidecar, in_process, play
from tau2_core.episode.setting import Setting
from tau2_core.model.episodes import EpisodeRecord, EpisodeStart, Slot
from tau2_core.model.evaluation import Grade, Judgement
from tau2_core.model.latency import Latency
from tau2_core.model.tasks import Task
from tau2_core.observing import Observers, open_observers
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.records.decoding import own_decoder
from tau2_core.records.episode_lines import head_of_record
from tau2_core.records.figures import EpisodeEnd, GradeFigures
from tau2_core.records.journal import encoded_line
from tau2_core.runs.checked_plan import CheckedPlan
from tau2_core.runs.judgements import Judging
from tau2_core.runs.plan import Plan

PlayEpisode = Callable[
    [Setting, Task, Participants, Slot, int, OpenEpisode, OnSidecar | None], Awaitable[EpisodeRecord]
]
OpenEpisodes = Callable[[Plan, Catalogue], AbstractAsyncContextManager[OpenEpisode]]
_end_of = own_decoder(EpisodeEnd)
_figures_of = own_decoder(GradeFigures)


@dataclass(frozen=True)
class Played:
    """A played slot: the line of its record for `episodes.jsonl`, and the durations of the episode and its messages.

    `record` is None if it was played elsewhere: validating records would be most of a run's own work.
    """

    slot: Slot
    line: bytes
    seconds: float = 0.0
    latency: Latency = field(default_factory=Latency)
    record: EpisodeRecord | None = None

    def whole(self) -> EpisodeRecord:
        """Return the record."""
        return self.record or EpisodeRecord.model_validate(json.loads(self.line))

    @cached_property
    def end(self) -> EpisodeRecord | EpisodeEnd:
        """The parts of the record that a run counts."""
        return self.record or _end_of(head_of_record(self.line))


@dataclass(frozen=True)
class GradedRecord:
    """A graded slot: the line of the grade for `grades.jsonl`, and the duration of grading.

    `grade` is None if it was graded elsewhere.
    """

    line: bytes
    seconds: float
    grade: Grade | None = None

    def whole(self) -> Grade:
        """Return the grade."""
        return self.grade or Grade.model_validate(json.loads(self.line))

    @cached_property
    def figures(self) -> Grade | GradeFigures:
        """The parts of the grade that a run counts."""
        return self.grade or _figures_of(self.line)


@dataclass(frozen=True, slots=True)
class Keep:
    """Callbacks that keep parts of an episode before its record and its grade; the player waits for them.

    `traced` gets lines of `tokens.jsonl`. `known` are existing judgements of episodes that are being graded.
    """

    traced: Callable[[bytes], None]
    judged: Callable[[Slot, Judgement], None]
    known: dict[Slot, Judgement]


class Player(Protocol):
    """Plays and grades episodes of a run. `workers` is the number of processes that do it."""

    workers: int

    async def play(self, slot: Slot, seed: int) -> Played:
        """Play a slot, whatever goes wrong in it."""

    async def grade(self, played: Played) -> GradedRecord:
        """Grade the record that `play` has just returned for a slot, or one that a resumed run already had."""


NewPlayer = Callable[[Keep], Player]


@dataclass(frozen=True, slots=True)
class PlayableRun:
    """A checked run, and how it is played: `play_episode` plays one episode, `episodes` opens it."""

    name: str
    checked: CheckedPlan
    catalogue: Catalogue
    play_episode: PlayEpisode
    episodes: OpenEpisodes


Executor = Callable[[PlayableRun], AbstractAsyncContextManager[NewPlayer]]


@asynccontextmanager
async def locally(_plan: Plan, _catalogue: Catalogue) -> AsyncIterator[OpenEpisode]:
    """Open episodes with environments of this process."""
    yield in_process


@asynccontextmanager
async def in_this_process(playing: PlayableRun) -> AsyncIterator[NewPlayer]:
    """Play and grade in the event loop of the run."""
    async with local_player(playing) as new_player:
        yield new_player


@asynccontextmanager
async def local_player(playing: PlayableRun) -> AsyncIterator[Callable[[Keep], LocalPlayer]]:
    """Open what plays and grades in this process, and the observers that watch it."""
    observers = open_observers(playing.catalogue.observers(), playing.name, playing.checked.config)
    try:
        async with playing.episodes(playing.checked.plan, playing.catalogue) as open_episode:
            yield lambda keep: LocalPlayer(playing.checked, keep, open_episode, playing.play_episode, observers)
    finally:
        if observers is not None:
            await asyncio.to_thread(observers.close)  # it may send what it has noted


class LocalPlayer:
    """Plays and grades in the running event loop. Runs and workers both use it."""

    workers = 1

    def __init__(
        self,
        checked: CheckedPlan,
        keep: Keep,
        open_episode: OpenEpisode = in_process,
        play_episode: PlayEpisode = play,
        observers: Observers | None = None,
    ) -> None:
        plan = checked.plan
        self._plan = plan
        self._observers = observers
        self._participants = plan.participants if observers is None else replace(plan.participants, observers=observers)
        self._grader = checked.grader
        self._keep = keep
        self._open_episode = open_episode
        self._play_episode = play_episode
        panel = plan.participants.panel
        self._judging = Judging(panel, checked.grader, keep.judged, keep.known, everywhere=plan.judge_all)
        self._redactor = plan.redactor()
        self._tasks = {task.id: task for task in plan.tasks}

    async def play(self, slot: Slot, seed: int) -> Played:
        started = time.perf_counter()
        plan = self._plan
        latency = Latency()
        if self._observers is not None:
            self._observers.started(EpisodeStart(plan.setting.domain, slot, seed))

        def keep(sidecar: Sidecar) -> None:
            nonlocal latency
            latency = sidecar.latency
            for call in sidecar.traced:
                self._keep.traced(encoded_line(call.model_dump(mode="json", exclude_none=True), self._redactor))

        record = await self._play_episode(
            plan.setting,
            self._tasks[slot.task_id],
            self._participants,
            slot,
            seed,
            self._open_episode,
            keep,
        )
        line = encoded_line(record.line(), self._redactor)
        return Played(slot, line, time.perf_counter() - started, latency, record)

    async def grade(self, played: Played) -> GradedRecord:
        started = time.perf_counter()
        record = played.whole()
        task = self._tasks[record.task_id]
        grade = await self._grader.grade_aside(record, task, await self._judging.judgement(record, task))
        if self._observers is not None:
            self._observers.finished(record, grade)
        line = encoded_line(grade.model_dump(mode="json"), self._redactor)
        return GradedRecord(line, time.perf_counter() - started, grade)
