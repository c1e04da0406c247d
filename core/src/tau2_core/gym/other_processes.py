"""The interfaces between the processes of a server: a front that knows all episodes, and its workers."""

from __future__ import annotations

from typing import Any, Protocol

from tau2_core.gym.hosted_episode import HostedEpisode
from tau2_core.gym.metrics import Figures


class FrontLink(Protocol):
    """The front as a worker uses it: it registers episodes, and routes requests to them."""

    async def open(self, episode: HostedEpisode) -> None:
        """Register an episode before its client knows of it. Raises RefusedError: 409 for a taken id, 503 if full."""

    def close(self, episode: HostedEpisode) -> None:
        """Remove a closed episode."""

    def note(self, episode: HostedEpisode) -> None:
        """Report that something has happened in an episode."""


class WorkerProcesses(Protocol):
    """The workers as their front uses them."""

    async def states(self) -> list[dict[str, Any]]:
        """Return the states of all their episodes."""

    async def expire(self) -> None:
        """Close the episodes of all of them whose time is up."""

    async def figures(self) -> list[Figures]:
        """Return the metrics of all workers, including those that have ended."""

    async def stop(self) -> None:
        """Stop all workers after they have kept their records and grades."""

    def hurry(self) -> None:
        """Make `stop`, now or later, stop waiting for calls and grades."""

    def gauges(self) -> dict[str, tuple[str, str, int]]:
        """Return additional metrics: name to (kind, description, value)."""
