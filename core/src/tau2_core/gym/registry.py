"""All hosted episodes of a server: creation, look-up by key, expiry, and what is kept of the finished ones."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from tau2_core.errors import TaskError
from tau2_core.evaluators.grade import Grader
from tau2_core.gym.errors import RefusedError, expired_episode, unknown_episode
from tau2_core.gym.hosted import FREE_TASK, Blueprint, HostedEpisode
from tau2_core.gym.metrics import Metrics
from tau2_core.model.evaluation import Grade
from tau2_core.model.tools import Role
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.runs.journal import Journal

log = logging.getLogger(__name__)
REMEMBERED = 10_000


class Registry:
    """The episodes of one server. `journal` opens the folder for records when the first one is to be kept."""

    def __init__(
        self,
        catalogue: Catalogue,
        journal: Callable[[], Journal],
        *,
        max_episodes: int,
        idle_seconds: float,
        evaluators: str = "tau2",
    ) -> None:
        self.catalogue = catalogue
        self.max_episodes = max_episodes
        self.idle_seconds = idle_seconds
        self.evaluators = evaluators
        self.metrics = Metrics(lambda: len(self._episodes))
        self._specs = catalogue.evaluators(evaluators)
        self._episodes: dict[str, HostedEpisode] = {}
        self._keys: dict[str, tuple[HostedEpisode, Role]] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._journal = journal

    def create(self, blueprint: Blueprint, episode_id: str | None = None) -> HostedEpisode:
        """Open an episode. Raises RefusedError: 503 when the server is full, 409 for a taken id, 422 for a bad task."""
        if episode_id in self._episodes:
            raise RefusedError(409, "taken_id", f"there is an episode {episode_id!r} already")
        if len(self._episodes) >= self.max_episodes:
            raise RefusedError(503, "full", f"{self.max_episodes} episodes are open; delete one, or try later")
        try:
            episode = HostedEpisode(episode_id or secrets.token_urlsafe(12), blueprint)
        except TaskError as error:
            raise RefusedError(422, "bad_task", str(error)) from error
        self._episodes[episode.id] = episode
        self._keys[episode.agent_key] = (episode, "agent")
        if "user" in blueprint.setting.pack.models and not blueprint.setting.solo:
            self._keys[episode.user_key] = (episode, "user")
        self.metrics.created += 1
        return episode

    def get(self, episode_id: str) -> HostedEpisode:
        """Return an episode by id. Raises RefusedError: 404, or 410 if it is gone."""
        episode = self._episodes.get(episode_id)
        if episode is None:
            raise expired_episode() if episode_id in self._gone else unknown_episode()
        return episode

    def by_key(self, key: str) -> tuple[HostedEpisode, Role]:
        """Return the episode and the side that a key opens. Raises RefusedError: 404, or 410 if it is gone."""
        found = self._keys.get(key)
        if found is None:
            raise expired_episode() if key in self._gone else unknown_episode()
        return found

    def find(self, episode_id: str) -> HostedEpisode | None:
        return self._episodes.get(episode_id)

    def all(self) -> list[HostedEpisode]:
        return list(self._episodes.values())

    @asynccontextmanager
    async def in_use(self, episode: HostedEpisode) -> AsyncIterator[None]:
        """Keep an episode from expiring while a request uses it, and keep its record once it has ended."""
        episode.in_flight += 1
        try:
            yield
        finally:
            episode.in_flight -= 1
            episode.last_used = time.monotonic()
            if episode.ended and not episode.kept:
                await self._keep(episode)

    async def grade(self, episode: HostedEpisode) -> Grade:
        """Grade an episode as it stands, from its record."""
        record = await episode.record()
        plan = episode.blueprint
        return await asyncio.to_thread(Grader(plan.setting, self.evaluators, self._specs).grade, record, plan.task)

    async def reset(self, episode: HostedEpisode, seed: int | None = None) -> None:
        """Start an episode again; what was played is kept first."""
        await self._keep(episode)
        await episode.reset(seed)

    async def close(self, episode_id: str) -> None:
        """Close an episode and free its world; its record is kept. Raises RefusedError: 404 or 410."""
        episode = self.get(episode_id)
        for key in (episode.id, episode.agent_key, episode.user_key):
            self._gone[key] = None
        while len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)
        del self._episodes[episode.id]
        self._keys.pop(episode.agent_key, None)
        self._keys.pop(episode.user_key, None)
        await self._keep(episode)

    def expires_at(self, episode: HostedEpisode) -> datetime:
        """Return when an episode will expire if nobody uses it."""
        left = self.idle_seconds - (time.monotonic() - episode.last_used)
        return datetime.now(UTC) + timedelta(seconds=max(0.0, left))

    async def expire(self) -> None:
        """Close what nobody has used for too long; runs until cancelled."""
        while True:
            await asyncio.sleep(min(self.idle_seconds / 4, 10.0))
            deadline = time.monotonic() - self.idle_seconds
            for episode in self.all():
                if episode.in_flight == 0 and episode.last_used < deadline:
                    self.metrics.expired += 1
                    log.info("episode %s expired", episode.id)
                    await self.close(episode.id)

    async def close_all(self) -> None:
        """Close everything at shutdown, keeping the records."""
        for episode in self.all():
            await self.close(episode.id)

    async def _keep(self, episode: HostedEpisode) -> None:
        """Write the record of an episode in which anything happened, once, and its grade if there is a task."""
        if episode.kept or not episode.conversation.tool_calls + episode.greeted:
            return
        episode.kept = True
        record = await episode.record()
        journal = self._journal()
        journal.append("episodes.jsonl", {"id": episode.id, **record.line()})
        if episode.blueprint.task.id != FREE_TASK:
            grade = await self.grade(episode)
            journal.append("grades.jsonl", {"id": episode.id, **grade.model_dump(mode="json")})
