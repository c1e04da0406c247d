"""Sessions: one client in one environment, with one episode at a time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from tau2_core.gym.dialect_sessions import Session
from tau2_core.gym.errors import RefusedError, expired_episode
from tau2_core.gym.hosted_episode import HostedEpisode
from tau2_core.gym.openenv.environments import Environments
from tau2_core.gym.openenv.messages import CallTool, ListTools, ResetOptions, State, Stepped


@dataclass(slots=True, kw_only=True)
class EnvironmentSession(Session):
    """A session in the environment of `domain`. `attached`: used by a WebSocket that did not open it."""

    environments: Environments
    domain: str
    attached: bool = False
    episode: HostedEpisode | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def has_world(self) -> bool:
        """Whether its episode is open."""
        return self.episode is not None and not self.episode.closed

    async def reset(self, options: ResetOptions) -> Stepped:
        """End the session's episode, whose record is kept, and begin another."""
        async with self._lock:
            await self._end_episode()
            self.episode = await self.environments.begin(self.domain, options)
            return await self.environments.first(self.episode)

    async def step(self, action: ListTools | CallTool) -> Stepped:
        """Carry out an action in the session's episode."""
        return await self.environments.step(self.current(), action)

    def current(self) -> HostedEpisode:
        """Return the session's episode. Raises RefusedError: 409 before the first reset, 410 if it is gone."""
        if self.episode is None:
            raise RefusedError(409, "not_reset", "there is no episode yet: reset the environment first")
        if self.episode.closed:
            raise expired_episode()
        return self.episode

    def state(self) -> State:
        """Return the state of the session's episode; default values before the first reset."""
        return State() if self.episode is None else self.environments.state(self.episode)

    async def close(self) -> None:
        """End the session's episode. Raises RunError if its record cannot be kept."""
        async with self._lock:
            await self._end_episode()

    async def _end_episode(self) -> None:
        if self.episode is not None and not self.episode.closed:
            with suppress(RefusedError):  # it has expired in the meantime
                await self.environments.registry.close(self.episode.id)
        self.episode = None
