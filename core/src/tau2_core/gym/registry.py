"""All hosted episodes of a server: creation, look-up by key, use and closing."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from tau2_core.episode.setting import Setting
from tau2_core.errors import RunError, TaskError, Tau2GymError
from tau2_core.foreign_code import describe_error
from tau2_core.gym.entries import Runs
from tau2_core.gym.errors import RefusedError, expired_episode, full, over_budget, taken_id, unknown_episode
from tau2_core.gym.hosted_episode import Blueprint, HostedEpisode
from tau2_core.gym.metrics import Figures, metrics_text, total
from tau2_core.gym.other_processes import FrontLink, WorkerProcesses
from tau2_core.gym.record_keeping import RecordKeeper
from tau2_core.gym.slot_claims import SlotClaims
from tau2_core.gym.tool_lists import ToolLists
from tau2_core.gym.worker_threads import WorkerThreads
from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.evaluation import Grade
from tau2_core.model.tools import Role
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.runs.evaluator_sets import EvaluatorSet, choose_evaluators

log = logging.getLogger(__name__)
REMEMBERED = 10_000
T = TypeVar("T")
Work = Coroutine[Any, Any, T]


class Registry:
    """The episodes of one server, or of one of its processes.

    `runs` keeps their records; without it nothing is kept. A worker process has a link to its `front`; a front has
    `worker_processes`. `evaluators` is the name of a set or a file; by default each domain is graded as by
    `tau2-gym run`.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        runs: Runs | None,
        *,
        max_episodes: int,
        idle_seconds: float,
        evaluators: str | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.max_episodes = max_episodes
        self.idle_seconds = idle_seconds
        self.evaluators = evaluators
        self.workers = runs.workers if runs is not None else WorkerThreads()
        self.metrics = Figures()
        self._graded_by: dict[Setting, EvaluatorSet] = {}
        self._episodes: dict[str, HostedEpisode] = {}
        self._keys: dict[str, tuple[HostedEpisode, Role]] = {}
        self._gone: OrderedDict[str, str] = OrderedDict()
        self.runs = runs
        self.front: FrontLink | None = None
        self.worker_processes: WorkerProcesses | None = None
        self.works: set[asyncio.Task[Any]] = set()
        self.keeping = RecordKeeper(runs)
        self.claims = SlotClaims(self)
        self.tool_lists = ToolLists()

    def admit(self, episode_id: str = "") -> None:
        """Check that an episode can be added.

        Raises RefusedError: 409 for a taken id, 503 if the server is full or the cost limit is reached.
        """
        if episode_id in self._episodes:
            raise taken_id(episode_id)
        if len(self._episodes) >= self.max_episodes:
            raise full(self.max_episodes)
        if self.runs is not None and self.runs.over_budget():
            raise over_budget()

    def build(self, blueprint: Blueprint, episode_id: str | None = None) -> HostedEpisode:
        """Build an episode without adding it; as slow as the task's set-up. Raises RefusedError: 422 for a bad task."""
        if self.runs is not None:
            self.runs.prepare(blueprint, self.graded_by)
        try:
            return HostedEpisode(episode_id or secrets.token_urlsafe(12), blueprint, self.workers)
        except TaskError as error:
            raise RefusedError(422, "bad_task", str(error)) from error
        except Tau2GymError:
            raise
        except Exception as error:
            what = f"{blueprint.setting.domain} with user {blueprint.participants.user.name!r} cannot be set up"
            raise RefusedError(424, "unusable_domain", f"{what}: {describe_error(error)}") from error

    async def add(self, episode: HostedEpisode) -> HostedEpisode:
        """Open an episode for requests. Raises RefusedError as `admit` does."""
        self.admit(episode.id)
        if self.front is not None:
            await self.front.open(episode)
        episode.before_first = self.keeping.enter_run
        self._list(episode)
        self.metrics.created += 1
        return episode

    def get(self, episode_id: str) -> HostedEpisode:
        """Return an episode by id. Raises RefusedError: 404, or 410 if it is gone."""
        episode = self._episodes.get(episode_id)
        if episode is None:
            raise self._missing(episode_id)
        return episode

    def by_key(self, key: str) -> tuple[HostedEpisode, Role]:
        """Return the episode and the side of a key. Raises RefusedError: 404, or 410 if it is gone."""
        found = self._keys.get(key)
        if found is None:
            raise self._missing(key)
        return found

    def _missing(self, name: str) -> RefusedError:
        return expired_episode(self._gone[name]) if name in self._gone else unknown_episode()

    def opens(self, key: str) -> bool:
        """Tell whether a key belongs to an open episode."""
        return key in self._keys

    def find(self, episode_id: str) -> HostedEpisode | None:
        return self._episodes.get(episode_id)

    def is_gone(self, episode_id: str) -> bool:
        """Tell whether an id or key belonged to an episode that existed recently."""
        return episode_id in self._gone and episode_id not in self._episodes

    def all(self) -> list[HostedEpisode]:
        return list(self._episodes.values())

    def lost_names(self) -> dict[str, str]:
        """Return the ids and keys of episodes that were lost with their process, with the reason."""
        return {name: why for name, why in self._gone.items() if why}

    def figures(self) -> Figures:
        """Return the figures of this process."""
        self.metrics.open = len(self._episodes)
        return self.metrics

    async def metrics_text(self) -> str:
        """Return the metrics of the whole server in the Prometheus text format."""
        if self.worker_processes is None:
            return metrics_text(self.figures(), {})
        return metrics_text(total(await self.worker_processes.figures()), self.worker_processes.gauges())

    async def use(self, episode: HostedEpisode, work: Work[T], *, at_once: bool = False) -> T:
        """Do work on an episode, to its end even if the client disconnects; the episode does not expire meanwhile.

        When this returns and the episode has ended, its record is kept. `at_once` promises that the work never waits,
        so it cannot be cancelled half-way and needs no separate task.
        """
        using = self._use(episode, work)
        return await (using if at_once else self.finish(using))

    async def _use(self, episode: HostedEpisode, work: Work[T]) -> T:
        episode.in_flight += 1
        try:
            return await work
        finally:
            episode.in_flight -= 1
            episode.last_used = time.monotonic()
            if self.front is not None:
                self.front.note(episode)
            self.tool_lists.note(episode)
            if episode.ended and not episode.kept:
                await self.finish(self.keeping.try_to_keep(episode))

    async def finish(self, work: Work[T]) -> T:
        """Await work in a separate task, which is not cancelled with the client's request or session."""
        task = asyncio.create_task(work)
        self.works.add(task)
        task.add_done_callback(self.works.discard)
        return await asyncio.shield(task)

    async def grade(self, episode: HostedEpisode) -> Grade:
        """Grade an episode in its present state; if it has ended and is kept, with the judge's decision."""
        grade = await asyncio.shield(episode.grading) if episode.grading is not None else None
        if grade is not None:
            return grade
        return await self._graded(episode, await episode.record())

    async def _graded(self, episode: HostedEpisode, record: EpisodeRecord) -> Grade:
        plan = episode.blueprint

        def work() -> Grade:
            return self.graded_by(plan.setting).grader(plan.setting).grade(record, plan.task)

        return await self.workers.run(work)

    def graded_by(self, setting: Setting) -> EvaluatorSet:
        """Return the evaluators for a setting's episodes, chosen once. Raises UsageError."""
        if setting not in self._graded_by:
            self._graded_by[setting] = choose_evaluators(self.catalogue, self.evaluators, setting)
        return self._graded_by[setting]

    def refuse_ungradable(self, blueprint: Blueprint) -> None:
        """Refuse a task that the evaluators cannot grade, as `run` does. Raises UsageError."""
        if not blueprint.free:
            chosen = self.graded_by(blueprint.setting)
            chosen.refuse_ungradable(chosen.grader(blueprint.setting), [blueprint.task])

    async def reset(self, episode: HostedEpisode, seed: int | None = None) -> None:
        """Start an episode again, after keeping its record. Raises RunError if that is not possible."""
        await self.finish(self._reset(episode, seed))

    async def _reset(self, episode: HostedEpisode, seed: int | None) -> None:
        async with episode.lock:
            if episode.closed:
                raise expired_episode()
            if episode.blueprint.slot is not None:
                raise RefusedError(409, "slot", "a slot of a run is played once, so its episode cannot be reset")
            await self.keeping.keep(episode)
            episode.episode.close()
            await self.workers.run(partial(episode.begin, seed))
            episode.last_used = time.monotonic()
            self.tool_lists.note(episode)

    async def close(self, episode_id: str) -> None:
        """Close an episode. Its URLs stop working at once; its record is kept after a call in flight has ended.

        Raises RefusedError: 404 or 410. Raises RunError if the record cannot be kept; the episode is then open again.
        """
        await self.finish(self._close(self.get(episode_id)))

    async def _close(self, episode: HostedEpisode) -> None:
        if episode.closed:
            raise expired_episode()
        self.unlist(episode)
        try:
            async with episode.lock:
                await self.keeping.keep(episode)
            if self.front is not None:
                self.front.close(episode)
        except RunError:
            self._list(episode)
            raise
        except asyncio.CancelledError:  # at shutdown, if the call in progress does not end
            if episode.kept:  # waiting only for the grade or for plugins
                raise
            log.error("a call of episode %s did not end in time; the record ends before it", episode.id)
            episode.interrupt("the server was stopped during a call")
            await self.keeping.keep(episode)

    def forget(self, episode: HostedEpisode) -> None:
        """Remove an episode whose record is kept elsewhere. A call in progress continues, but nothing waits for it."""
        self.unlist(episode)

    def _list(self, episode: HostedEpisode) -> None:
        episode.closed = False
        self._episodes[episode.id] = episode
        self._keys[episode.agent_key] = (episode, "agent")
        if episode.blueprint.two_sided:
            self._keys[episode.user_key] = (episode, "user")

    def unlist(self, episode: HostedEpisode) -> None:
        """Close an episode's URLs, for good or until it is listed again."""
        episode.closed = True
        episode.episode.cancel_background()
        self.tool_lists.close(episode)
        del self._episodes[episode.id]
        for key in (episode.agent_key, episode.user_key):
            self._keys.pop(key, None)
        self.remember_gone([episode.id, episode.agent_key, episode.user_key])

    def remember_gone(self, names: Iterable[str], why: str = "") -> None:
        """Remember the ids and keys of closed episodes, to answer later requests."""
        for name in names:
            self._gone[name] = why
        while len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)

    def expires_at(self, episode: HostedEpisode) -> datetime:
        """Return when an episode will expire if it is not used."""
        left = self.idle_seconds - (time.monotonic() - episode.last_used)
        return datetime.now(UTC) + timedelta(seconds=max(0.0, left))

    def hurry(self) -> None:
        """Make `close_all`, now or later, stop waiting for calls in progress and grades."""
        self.keeping.hurry()
        if self.worker_processes is not None:
            self.worker_processes.hurry()
