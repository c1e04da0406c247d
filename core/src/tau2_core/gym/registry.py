"""All hosted episodes of a server: creation, look-up by key, expiry, and what is kept of the finished ones."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from tau2_core.episode.setting import Setting
from tau2_core.errors import RunError, TaskError, Tau2GymError
from tau2_core.foreign import describe_error
from tau2_core.gym.errors import RefusedError, expired_episode, unknown_episode
from tau2_core.gym.hosted_episode import Blueprint, HostedEpisode
from tau2_core.gym.metrics import Metrics
from tau2_core.gym.record_keeping import Kept, RecordKeeper
from tau2_core.gym.served_run import ServedRun
from tau2_core.gym.served_runs import ServedRuns
from tau2_core.gym.slots import Claim, Slots
from tau2_core.gym.workers import Workers
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
    """The episodes of one server. `runs` keeps their records; None keeps nothing.

    `evaluators` is a set's name or a file; without it, each domain is graded as `tau2-gym run` grades it.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        runs: ServedRuns | None,
        *,
        max_episodes: int,
        idle_seconds: float,
        evaluators: str | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.max_episodes = max_episodes
        self.idle_seconds = idle_seconds
        self.evaluators = evaluators
        self.workers = runs.workers if runs is not None else Workers()
        self.metrics = Metrics(lambda: len(self._episodes))
        self._graded_by: dict[Setting, EvaluatorSet] = {}
        self._episodes: dict[str, HostedEpisode] = {}
        self._keys: dict[str, tuple[HostedEpisode, Role]] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()
        self.runs = runs
        self._works: set[asyncio.Task[Any]] = set()
        self.keeping = RecordKeeper(runs)

    def admit(self, episode_id: str | None = None) -> None:
        """Refuse what could not be added now. Raises RefusedError: 409 for a taken id, 503 if full or out of money."""
        if episode_id in self._episodes:
            raise RefusedError(409, "taken_id", f"there is an episode {episode_id!r} already")
        if len(self._episodes) >= self.max_episodes:
            raise RefusedError(503, "full", f"{self.max_episodes} episodes are open; delete one, or try later")
        if self.runs is not None and self.runs.stopping.too_dear():
            raise RefusedError(503, "max_cost", "--max-cost is spent, so no more episodes are started")

    def build(self, blueprint: Blueprint, episode_id: str | None = None) -> HostedEpisode:
        """Make an episode, not added yet. Slow if the task's set-up is. Raises RefusedError: 422 for a bad task."""
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

    def add(self, episode: HostedEpisode) -> HostedEpisode:
        """Open an episode for requests. Raises RefusedError as `admit` does."""
        self.admit(episode.id)
        episode.before_first = self.keeping.enter_run
        self._list(episode)
        self.metrics.created += 1
        return episode

    async def claim(self) -> HostedEpisode:
        """Open the episode of the run's next slot.

        A task that cannot be set up is recorded as infrastructure's error, as in a run, and the next slot is taken.
        Raises RefusedError: 404 without a run to play, 409 or 410 when no slot is left or the run was stopped, 503 when
        the server is full.
        """
        run, slots = self.served()
        await self.expire()  # a slot whose time is over is handed out again
        while True:
            self.stop_run_if_due()
            slots.refuse_if_stopped()
            self.admit()
            claim = slots.claim()
            try:
                episode = await self._open_slot(run, claim)
            except BaseException:
                slots.give_back(claim.slot)
                raise
            if episode is not None:
                return episode
            slots.finish(claim.slot)

    async def _open_slot(self, run: ServedRun, claim: Claim) -> HostedEpisode | None:
        """Open the episode of a slot; None if its task cannot be set up, which is recorded. Raises RefusedError."""
        assert self.runs is not None
        assert self.runs.slots is not None
        blueprint = run.blueprint(claim.slot)
        try:
            episode = await self.workers.run(partial(self.build, blueprint))
        except RefusedError as error:
            self.runs.stopping.count(await run.keep_failed(claim.slot, blueprint.seed, str(error)))
            return None
        episode.attempt, episode.deadline = claim.attempt, time.monotonic() + self.runs.slots.seconds
        return self.add(episode)

    def stop_run_if_due(self) -> None:
        """Hand out no more slots once the run's time, money or patience is over, or a model cannot be used."""
        if self.runs is None or self.runs.slots is None or self.runs.slots.stopped:
            return
        if self.runs.out_of_time():
            self.runs.slots.stopped = f"the run's {self.runs.run_seconds:g} s have passed"
        elif self.runs.stopping.check():
            self.runs.slots.stopped = self.runs.stopping.why
        if self.runs.slots.stopped:
            log.error("%s; --resume goes on", self.runs.slots.stopped)

    def served(self) -> tuple[ServedRun, Slots]:
        """Return the run that this server was started for, and its slots. Raises RefusedError (404)."""
        if self.runs is None or self.runs.inventory is None or self.runs.slots is None:
            what = "this server was started without a run; give it --split, --task or --trials"
            raise RefusedError(404, "no_run", what)
        return self.runs.inventory, self.runs.slots

    def create(self, blueprint: Blueprint, episode_id: str | None = None) -> HostedEpisode:
        """Build and add an episode. Raises RefusedError."""
        return self.add(self.build(blueprint, episode_id))

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

    def opens(self, key: str) -> bool:
        """Tell whether a key opens an episode."""
        return key in self._keys

    def find(self, episode_id: str) -> HostedEpisode | None:
        return self._episodes.get(episode_id)

    def is_gone(self, episode_id: str) -> bool:
        """Tell whether there was such an episode, not long ago."""
        return episode_id in self._gone and episode_id not in self._episodes

    def all(self) -> list[HostedEpisode]:
        return list(self._episodes.values())

    async def use(self, episode: HostedEpisode, work: Work[T], *, at_once: bool = False) -> T:
        """Do something with an episode, to the end even if the client goes away; it does not expire meanwhile.

        When this returns, the record of an episode that has ended is kept. `at_once` promises that the work waits for
        nothing: then nobody can go away in the middle, which spares it a task of its own.
        """
        using = self._use(episode, work)
        return await (using if at_once else self._finish(using))

    async def _use(self, episode: HostedEpisode, work: Work[T]) -> T:
        episode.in_flight += 1
        try:
            return await work
        finally:
            episode.in_flight -= 1
            episode.last_used = time.monotonic()
            if episode.ended and not episode.kept:
                await self._finish(self.keeping.try_to_keep(episode))

    async def _finish(self, work: Work[T]) -> T:
        """Await work in a task of its own, which neither a client nor a session that is cancelled takes with it."""
        task = asyncio.create_task(work)
        self._works.add(task)
        task.add_done_callback(self._works.discard)
        return await asyncio.shield(task)

    async def grade(self, episode: HostedEpisode) -> Grade:
        """Grade an episode as it stands, from its record; one that is over and kept, with the judge's word."""
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
        """Return what grades the episodes of a setting; chosen once, then kept. Raises UsageError."""
        if setting not in self._graded_by:
            self._graded_by[setting] = choose_evaluators(self.catalogue, self.evaluators, setting)
        return self._graded_by[setting]

    def refuse_ungradable(self, blueprint: Blueprint) -> None:
        """Refuse a task that the evaluators cannot grade, as `run` does. Raises UsageError."""
        if not blueprint.free:
            chosen = self.graded_by(blueprint.setting)
            chosen.refuse_ungradable(chosen.grader(blueprint.setting), [blueprint.task])

    async def reset(self, episode: HostedEpisode, seed: int | None = None) -> None:
        """Start an episode again; what was played is kept first. Raises RunError if it cannot be."""
        await self._finish(self._reset(episode, seed))

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

    async def close(self, episode_id: str) -> None:
        """Close an episode; its URLs are gone at once, and its record is kept when a call in flight has ended.

        Raises RefusedError: 404 or 410. Raises RunError if the record cannot be kept; the episode is then open again.
        """
        await self._finish(self._close(self.get(episode_id)))

    async def _close(self, episode: HostedEpisode) -> None:
        if episode.closed:
            raise expired_episode()
        self._unlist(episode)
        try:
            async with episode.lock:
                await self.keeping.keep(episode)
        except RunError:
            self._list(episode)
            raise
        except asyncio.CancelledError:  # at shutdown, when a call that this waits for does not end
            if episode.kept:  # and it is a grade, or a plugin that is told of the record
                raise
            log.error("a call of episode %s did not end in time; its record ends there", episode.id)
            episode.interrupt("the server was stopped in the middle of a call")
            await self.keeping.keep(episode)

    def forget(self, episode: HostedEpisode) -> None:
        """Let go of an episode whose record somebody else keeps. A call in flight goes on, and nobody waits for it."""
        self._unlist(episode)

    def _list(self, episode: HostedEpisode) -> None:
        episode.closed = False
        self._episodes[episode.id] = episode
        self._keys[episode.agent_key] = (episode, "agent")
        if episode.blueprint.two_sided:
            self._keys[episode.user_key] = (episode, "user")

    def _unlist(self, episode: HostedEpisode) -> None:
        episode.closed = True
        episode.episode.close()
        del self._episodes[episode.id]
        for key in (episode.id, episode.agent_key, episode.user_key):
            self._keys.pop(key, None)
            self._gone[key] = None
        while len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)

    def expires_at(self, episode: HostedEpisode) -> datetime:
        """Return when an episode will expire if nobody uses it."""
        left = self.idle_seconds - (time.monotonic() - episode.last_used)
        return datetime.now(UTC) + timedelta(seconds=max(0.0, left))

    async def expire(self) -> None:
        """Close what nobody has used for too long, and keep what has come to an end by the time alone."""
        now = time.monotonic()
        self.stop_run_if_due()
        over = self.runs is not None and self.runs.out_of_time()
        for episode in self.all():
            if episode.in_flight or episode.closed:
                continue
            late = episode.deadline is not None and now > episode.deadline and not episode.ended
            stopped = over and episode.blueprint.slot is not None and not episode.ended
            if late or stopped or episode.last_used < now - self.idle_seconds:
                if stopped:
                    episode.lost, episode.stopping = "the time of the run was over before the episode was", True
                elif not episode.ended:
                    episode.lost = "the agent did not finish in time" if late else "the agent went away"
                await self._expire(episode)
            elif episode.ended and not episode.kept:
                await self._finish(self.keeping.try_to_keep(episode))

    async def _expire(self, episode: HostedEpisode) -> None:
        try:
            await self.close(episode.id)
        except RefusedError:
            return  # somebody else has closed it meanwhile
        except RunError as error:
            log.error("episode %s has expired but stays open, since its record cannot be kept: %s", episode.id, error)
        else:
            self.metrics.expired += 1
            log.info("episode %s expired", episode.id)

    def hurry(self) -> None:
        """Let `close_all`, now or later, wait for nothing any more: neither calls in flight nor grades."""
        self.keeping.hurry()

    async def close_all(self, grace: float) -> None:
        """Close everything at shutdown: all records are kept first, then the grades.

        Calls in flight have `grace` seconds to end; the record of one that does not ends there. Grades may take as
        long as they need, unless `hurry` is called.
        """
        for episode in self.all():
            if episode.blueprint.slot is not None and not episode.ended:
                episode.lost, episode.stopping = "the server was stopped before the episode was over", True
        works = set(self._works)
        busy = [episode for episode in self.all() if episode.lock.locked()]
        calling = {asyncio.create_task(self._after_call(episode)): episode for episode in busy}
        records = [await self._last_record(episode) for episode in self.all() if episode not in busy]
        await self.keeping.wait(works | set(calling), grace)
        for task, episode in calling.items():
            if not task.done():
                task.cancel()
                if not episode.kept:  # else it is only being graded
                    log.error("a call of episode %s did not end in time; its record ends there", episode.id)
                    episode.interrupt("the server was stopped in the middle of a call")
            records.append(await self._last_record(episode))
        for work in works:
            work.cancel()
        await self.keeping.wait(works, grace)
        await self.keeping.last_grades([kept for kept in records if kept is not None])
        await self.keeping.sum_up()

    async def _after_call(self, episode: HostedEpisode) -> None:
        async with episode.lock:
            pass

    async def _last_record(self, episode: HostedEpisode) -> Kept | None:
        if not episode.closed:
            self._unlist(episode)
        try:
            record = await self.keeping.keep_record(episode)
        except Tau2GymError as error:
            log.error("the record of episode %s is lost: %s", episode.id, error)
            return None
        return None if record is None else (episode, record)
