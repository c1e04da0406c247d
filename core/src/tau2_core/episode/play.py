"""Playing one whole episode, from its start state to its record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from tau2_core.episode.episode import Episode
from tau2_core.episode.episode_record import empty_record
from tau2_core.episode.participants import Participants
from tau2_core.episode.setting import Setting
from tau2_core.episode.tool_backend import ToolBackend
from tau2_core.foreign_code import describe_error
from tau2_core.llm.model import EpisodeModel
from tau2_core.model.episodes import EpisodeRecord, Slot, Termination
from tau2_core.model.knowledge import SearchContext
from tau2_core.model.latency import Latency
from tau2_core.model.llm import ModelRole
from tau2_core.model.tasks import Task
from tau2_core.model.tokens import TracedCall

OpenBackend = Callable[[Setting, Task, Participants, int], AbstractAsyncContextManager[ToolBackend]]
OpenEpisode = Callable[[Setting, Task, Participants, Slot, int], AbstractAsyncContextManager[Episode]]


@dataclass(frozen=True, slots=True)
class Sidecar:
    """Data of an episode that a run keeps outside its record: the models' calls with tokens, and durations."""

    traced: list[TracedCall]
    latency: Latency


OnSidecar = Callable[[Sidecar], None]


@asynccontextmanager
async def in_process(
    setting: Setting, task: Task, participants: Participants, slot: Slot, seed: int
) -> AsyncIterator[Episode]:
    """Open an episode with a fresh environment of this process, in the task's start state. Raises TaskError."""
    yield Episode(setting, task, participants, slot=slot, seed=seed)


def with_backends(open_backend: OpenBackend) -> OpenEpisode:
    """Return a function that opens episodes whose tool calls are executed by other backends."""

    @asynccontextmanager
    async def open_episode(
        setting: Setting, task: Task, participants: Participants, slot: Slot, seed: int
    ) -> AsyncIterator[Episode]:
        async with open_backend(setting, task, participants, seed) as backend:
            yield Episode(setting, task, participants, slot=slot, seed=seed, open_backend=lambda _seed: backend)

    return open_episode


async def play(
    setting: Setting,
    task: Task,
    participants: Participants,
    slot: Slot,
    seed: int,
    open_episode: OpenEpisode = in_process,
    on_sidecar: OnSidecar | None = None,
) -> EpisodeRecord:
    """Play one episode and return its record, ungraded. Errors are recorded, not raised.

    `on_sidecar` is called at the end with the data that is not in the record; it has tokens only if they are traced.
    """
    episode: Episode | None = None
    try:
        async with open_episode(setting, task, participants, slot, seed) as episode:
            try:
                await prepare_searches(setting, episode.models)
                episode.conversation.start_clock()
                await _play_in_time(episode, participants.limits.timeout_seconds)
            finally:
                episode.close()
            return await episode.final_record()
    except Exception as error:  # noqa: BLE001 - a failed episode is recorded; the run continues
        record = _unopened(setting, participants, slot, seed) if episode is None else episode.record_without_digests()
        record.termination, record.error = Termination.INFRASTRUCTURE_ERROR, describe_error(error)
        return record
    finally:
        if on_sidecar is not None:
            traced, latency = ([], Latency()) if episode is None else (episode.token_traces(), episode.latency)
            on_sidecar(Sidecar(traced, latency))


def _unopened(setting: Setting, participants: Participants, slot: Slot, seed: int) -> EpisodeRecord:
    record = empty_record(setting, slot, seed)
    record.usage = {role: model.usage for role, model in participants.episode_models(slot, seed).items()}
    return record


async def prepare_searches(setting: Setting, models: Mapping[ModelRole, EpisodeModel]) -> None:
    """Do what searches need once per process, such as embedding the documents. Raises ModelError."""
    for retriever in setting.awaited:
        await retriever.prepare(SearchContext(models))


async def _play_in_time(episode: Episode, seconds: float | None) -> None:
    """Play to the end or the deadline. Waiting for a model at the deadline counts as an infrastructure error."""
    try:
        async with asyncio.timeout(seconds) as deadline:
            await episode.begin()
    except TimeoutError:
        if not deadline.expired():
            raise
        waiting = [role for role, model in episode.models.items() if model.waiting]
        if waiting:
            episode.interrupt(f"the episode's {seconds:g} s passed while waiting for the {waiting[0]}'s model")
        else:
            episode.conversation.termination = Termination.TIMEOUT
