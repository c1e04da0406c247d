"""Playing one episode by itself, from its start state to its record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from tau2_core.episode.cast import Cast
from tau2_core.episode.episode import Episode, empty_record, local_stage
from tau2_core.episode.setting import Setting
from tau2_core.episode.stage import Stage
from tau2_core.foreign import describe
from tau2_core.model.episodes import EpisodeRecord, Slot, Termination
from tau2_core.model.tasks import Task

OpenStage = Callable[[Setting, Task, Cast, int], AbstractAsyncContextManager[Stage]]


@asynccontextmanager
async def in_process(setting: Setting, task: Task, cast: Cast, seed: int) -> AsyncIterator[Stage]:
    """Open a fresh environment of this process in the task's start state. Raises TaskError."""
    yield local_stage(setting, task, cast, seed)


async def play(
    setting: Setting, task: Task, cast: Cast, slot: Slot, seed: int, open_stage: OpenStage = in_process
) -> EpisodeRecord:
    """Play one episode and return its record, ungraded; whatever goes wrong is in the record, not raised."""
    models = cast.models(str(slot), seed)
    episode: Episode | None = None
    try:
        async with open_stage(setting, task, cast, seed) as stage:
            episode = Episode(setting, task, cast, slot=slot, seed=seed, open_stage=lambda _seed: stage, models=models)
            try:
                await _play_in_time(episode, cast.limits.timeout_seconds)
            finally:
                episode.close()
            return await episode.final_record()
    except Exception as error:  # noqa: BLE001 - one episode's failure is recorded; the run goes on
        record = empty_record(setting, slot, seed) if episode is None else episode.record_without_digests()
        record.termination, record.error = Termination.INFRASTRUCTURE_ERROR, describe(error)
        record.usage = {role: model.usage for role, model in models.items()}
        return record


async def _play_in_time(episode: Episode, seconds: float | None) -> None:
    """Play to the end or the deadline; one that strikes while a model is awaited is infrastructure's."""
    try:
        async with asyncio.timeout(seconds) as deadline:
            await episode.begin()
    except TimeoutError:
        if not deadline.expired():
            raise
        waiting = [role for role, model in episode.models.items() if model.waiting]
        if waiting:
            episode.interrupt(f"the episode's {seconds:g} s passed while the {waiting[0]}'s model was awaited")
        else:
            episode.conversation.termination = Termination.TIMEOUT
