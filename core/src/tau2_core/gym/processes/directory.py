"""Which worker hosts an episode, and how many episodes may be open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tau2_core.gym.errors import full, over_budget, taken_id
from tau2_core.gym.served_runs import ServedRuns

if TYPE_CHECKING:
    from tau2_core.gym.processes.worker_handle import WorkerHandle


class Directory:
    """The open episodes of all workers, by id and by key."""

    def __init__(self, max_episodes: int, runs: ServedRuns) -> None:
        self._max_episodes = max_episodes
        self._runs = runs
        self._members: dict[str, WorkerHandle] = {}
        self._names: dict[str, list[str]] = {}
        self._counts: Counter[WorkerHandle] = Counter()

    def find(self, name: str) -> WorkerHandle | None:
        """Return the worker that hosts the episode with an id or a key."""
        return self._members.get(name)

    def episodes_of(self, member: WorkerHandle) -> int:
        """Return the number of a worker's episodes."""
        return self._counts[member]

    def open(self, member: WorkerHandle, episode_id: str, keys: Sequence[str]) -> None:
        """Add an episode.

        Raises RefusedError: 409 for a taken id, 503 if the server is full or the cost limit is reached.
        """
        if episode_id in self._names:
            raise taken_id(episode_id)
        if len(self._names) >= self._max_episodes:
            raise full(self._max_episodes)
        if self._runs.over_budget():
            raise over_budget()
        self._counts[member] += 1
        names = self._names[episode_id] = [episode_id, *keys]
        for name in names:
            self._members[name] = member

    def close(self, episode_id: str) -> list[str]:
        """Remove an episode; return its id and keys."""
        names = self._names.pop(episode_id, [])
        if names:
            self._counts[self._members[episode_id]] -= 1
        for name in names:
            del self._members[name]
        return names

    def close_all_of(self, member: WorkerHandle) -> list[str]:
        """Remove the episodes of a worker; return their ids and keys."""
        ids = [episode_id for episode_id in self._names if self._members[episode_id] is member]
        names = [name for episode_id in ids for name in self.close(episode_id)]
        del self._counts[member]
        return names
