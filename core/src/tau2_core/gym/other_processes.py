"""What a server of several processes has beyond one process: a front that knows all episodes, and the workers' part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from tau2_core.gym.hosted_episode import HostedEpisode
from tau2_core.gym.metrics import Figures


class Office(Protocol):
    """The front, as a worker sees it: it admits episodes and leads requests to them."""

    async def open(self, episode_id: str, keys: Sequence[str]) -> None:
        """Add an episode, before its client knows of it. Raises RefusedError: 409 for a taken id, 503 if full."""

    def close(self, episode: HostedEpisode) -> None:
        """Remove an episode that is gone."""

    def note(self, episode: HostedEpisode) -> None:
        """Note that something has happened in an episode."""


class Elsewhere(Protocol):
    """The workers, as their front sees them."""

    async def states(self) -> list[dict[str, Any]]:
        """Return the states of all their episodes."""

    async def figures(self) -> list[Figures]:
        """Return the figures of all workers that there have been."""

    async def stop(self) -> None:
        """Let all of them keep their records and grades, and end."""

    def hurry(self) -> None:
        """Make `stop`, now or later, wait for nothing."""

    def gauges(self) -> dict[str, tuple[str, str, int]]:
        """Return more metrics: name to (kind, description, value)."""
