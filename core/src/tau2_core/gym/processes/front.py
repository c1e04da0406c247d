"""The front of a server of several processes: it starts workers, replaces one that dies, and knows all episodes."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from tau2_core.errors import RunError, Tau2GymError
from tau2_core.gym.errors import RefusedError
from tau2_core.gym.metrics import Figures, total
from tau2_core.gym.processes.addresses import Address, position_of
from tau2_core.gym.processes.content import content_of_run
from tau2_core.gym.processes.directory import Directory
from tau2_core.gym.processes.messages import Expire, GetFigures, GetStates, Known, RunOver, Setup, Stop, Where
from tau2_core.gym.processes.orphaned_episodes import OPEN
from tau2_core.gym.processes.worker_entries import SharedState, WorkerEntries
from tau2_core.gym.processes.worker_handle import WorkerHandle
from tau2_core.gym.registry import Registry
from tau2_core.gym.served_runs import ServedRuns
from tau2_core.gym.server_settings import ServerSettings
from tau2_core.records.journal import lock_folder
from tau2_core.runs.executors.shared_models import SharedModels
from tau2_core.runs.options import Options

log = logging.getLogger(__name__)
START_SECONDS = 60.0  # seconds for a worker to become ready; after that, its clients are refused
TRY_AGAIN = 1  # seconds
LONGEST_PAUSE = 30.0  # seconds between attempts to replace a worker
CHECK_SECONDS = 1.0  # seconds between checks of the served run's time limit


class Front:
    """The workers of a server, and the routing of requests to them. `back` takes a connection that a worker returns."""

    def __init__(
        self, options: Options, settings: ServerSettings, registry: Registry, runs: ServedRuns, count: int
    ) -> None:
        self.count = count
        self.back: Callable[[int, bytes], None] = _not_expected
        self._options = options
        self._settings = settings
        self._registry = registry
        self._runs = runs
        self._models = SharedModels(settings.pool.opened)
        self._directory = Directory(registry.max_episodes, runs)
        self._members: dict[int, WorkerHandle] = {}
        self._past = Figures()
        self._lost = 0
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._folder = Path()
        self._lock: int | None = None
        self._new_entries: Callable[[], WorkerEntries] = _no_entries

    async def start(self) -> None:
        """Start all workers and wait until they are ready. Raises RunError."""
        self._options.out.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix=OPEN, dir=self._options.out))
        self._lock = lock_folder(self._folder)
        shared = SharedState(self._settings, self._registry, self._runs, self._models, self._folder)
        self._new_entries = lambda: WorkerEntries(shared)
        await self._registry.workers.run(self._load)
        starts = [asyncio.create_task(self._add(position)) for position in range(self.count)]
        try:
            await asyncio.gather(*starts)
        except BaseException:
            await asyncio.wait(starts)
            self.hurry()
            await self.stop()
            raise
        self._spawn(self._tell_of_the_end())

    async def _add(self, position: int) -> None:
        """Start the worker with this number and wait until it is ready. Raises RunError."""
        member = WorkerHandle(
            position, self._new_entries(), self._directory, self._models, self._take_back, self._forget
        )
        await member.start(self._setup(position))
        self._members[position] = member
        self._spawn(self._watch(member))
        await member.ready

    def _setup(self, position: int) -> Setup:
        return Setup(
            pickle.dumps(self._options),
            position,
            self.count,
            self._settings.port,
            self._settings.overview_token,
            str(self._folder.resolve()),
            self._registry.lost_names(),
            self._known(),
        )

    def _load(self) -> None:
        """Load the named domains, so that those of the workers can be compared with them."""
        for domain in dict.fromkeys(self._options.domain):
            try:
                self._runs.prepare(self._settings.blueprint(domain), self._registry.graded_by)
            except Tau2GymError as error:  # for example with a customer that does not fit; requests for it are refused
                log.debug("%s is loaded when it is asked for: %s", domain, error)

    def _known(self) -> list[Known]:
        """Return the content that is loaded here, which every worker must have too."""
        known = [
            Known(Where(*self._settings.key_of(setting), user), content_of_run(config))
            for setting, user, config in self._runs.prepared()
        ]
        planned = self._runs.planned
        return known if planned is None else [*known, Known(None, content_of_run(planned.config))]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self, member: WorkerHandle) -> None:
        """Wait until a worker ends, keep the records that it left, and replace it."""
        how = await member.wait()
        was_ready = member.ready.done() and member.ready.exception() is None
        member.refuse(RunError(f"a worker ended before it was ready: {how}"))
        why = f"the process that hosted this episode has ended: {how}"
        gradings = await member.entries.recover(why)
        names = self._directory.close_all_of(member)
        self._registry.remember_gone(names, why)
        self._past = total([self._past, member.figures])
        self._past.open = 0
        member.settled.set()
        if was_ready and not self._stopping:
            self._lost += 1
            log.warning("a worker has ended: %s; its %d open episodes have ended with it", how, len(gradings))
            self._spawn(self._replace(member.position))
        for grading in gradings:
            try:
                await grading
            except Tau2GymError as error:
                log.error("an episode whose worker has ended is not graded: %s", error)

    async def _replace(self, position: int) -> None:
        pause = float(TRY_AGAIN)
        while not self._stopping:
            try:
                await self._add(position)
            except RunError as error:
                if self._stopping:
                    return
                log.error("a worker cannot be replaced: %s; the next attempt is in %g s", error, pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                return

    async def _tell_of_the_end(self) -> None:
        """Notify the workers when the time limit of the served run is reached."""
        while not self._runs.out_of_time():
            await asyncio.sleep(CHECK_SECONDS)
        self._tell_all(RunOver())

    def _tell_all(self, notice: RunOver) -> None:
        for member in self._members.values():
            member.tell(notice)

    def _take_back(self, handle: int, received: bytes) -> None:
        self.back(handle, received)

    def _forget(self, names: list[str]) -> None:
        self._registry.remember_gone(names)

    def clients(self) -> int:
        """Return how many clients are connected to workers."""
        return sum(member.connections for member in self._members.values())

    async def place(self, where: Address) -> WorkerHandle | None:
        """Return the worker that answers a request; None if the front answers it. Raises RefusedError (503)."""
        if where.kind == "name":
            member = self._directory.find(where.name)
            if member is not None and member.is_over:
                await member.settled.wait()  # the worker's episodes are lost, and the front says so
                return None
            return member
        if where.kind == "session":
            return await self._ready(lambda: self._at(position_of(where.name, self.count)))
        if where.kind in ("new", "any"):
            member = await self._ready(self._least_loaded)
            if where.kind == "new":
                member.expect()
            return member
        return None

    def placed_at_once(self, where: Address) -> WorkerHandle | None:
        """Return the worker for a WebSocket; None if none is ready."""
        if where.kind == "session":
            return self._at(position_of(where.name, self.count))
        member = self._least_loaded() if where.kind == "new" else None
        if member is not None:
            member.expect()
        return member

    def _at(self, position: int) -> WorkerHandle | None:
        member = self._members.get(position)
        return member if member is not None and member.is_ready else None

    def _least_loaded(self) -> WorkerHandle | None:
        ready = [member for member in self._members.values() if member.is_ready]
        return min(ready, key=lambda member: member.load, default=None)

    async def _ready(self, find: Callable[[], WorkerHandle | None]) -> WorkerHandle:
        try:
            async with asyncio.timeout(START_SECONDS):
                while (member := find()) is None:
                    await asyncio.sleep(0.01)
        except TimeoutError:
            what = "the process that would answer this is being replaced; try again later"
            raise RefusedError(503, "no_worker", what, retry_after=TRY_AGAIN) from None
        return member

    async def states(self) -> list[dict[str, Any]]:
        """Return the states of the episodes of all workers."""
        found = await asyncio.gather(*(self._states(member) for member in self._members.values()))
        return [state for states in found for state in states]

    @staticmethod
    async def _states(member: WorkerHandle) -> list[dict[str, Any]]:
        try:
            return await member.ask(GetStates(), list[dict[str, Any]]) if member.is_ready else []
        except RunError:
            return []  # it has just ended, and its episodes with it

    async def expire(self) -> None:
        """Let all workers close the episodes whose time is up, also that of the served run."""
        if self._runs.out_of_time():
            self._tell_all(RunOver())
        await asyncio.gather(*(self._expire(member) for member in self._members.values()))

    @staticmethod
    async def _expire(member: WorkerHandle) -> None:
        with suppress(RunError):  # it has just ended, and its episodes with it
            if member.is_ready:
                await member.ask(Expire(), type(None))

    async def figures(self) -> list[Figures]:
        """Return the metrics of all workers; for one that has died, the last that it reported."""
        for member in list(self._members.values()):
            try:
                if member.is_ready:
                    member.figures = await member.ask(GetFigures(), Figures)
            except RunError:
                continue
        return [self._past, *(member.figures for member in self._members.values() if not member.is_over)]

    def gauges(self) -> dict[str, tuple[str, str, int]]:
        ready = sum(member.is_ready for member in self._members.values())
        return {
            "tau2_gym_workers": ("gauge", "Worker processes that are ready", ready),
            "tau2_gym_workers_lost_total": ("counter", "Worker processes that have died", self._lost),
        }

    async def stop(self) -> None:
        """Stop all workers after they have kept their records and grades, and wait for that."""
        self._stop_workers(hurry=False)
        for member in list(self._members.values()):
            await member.settled.wait()
        for task in list(self._tasks):
            task.cancel()
        with suppress(OSError):  # records that could not be recovered remain on disk
            self._folder.rmdir()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def hurry(self) -> None:
        """Let all workers end without waiting for calls and grades."""
        self._stop_workers(hurry=True)

    def _stop_workers(self, *, hurry: bool) -> None:
        self._stopping = True
        for member in self._members.values():
            if member.is_ready:
                member.tell(Stop(hurry))
            else:
                member.kill()


def _not_expected(_handle: int, _received: bytes) -> None:
    raise RunError("a worker sent a connection before the front was ready")


def _no_entries() -> WorkerEntries:
    raise RunError("the front is not started")
