"""The workers of a run: they are started, replaced when one ends, and given jobs as they become free."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any

from tau2_core.errors import RunError, Tau2GymError
from tau2_core.foreign_code import describe_error, foreign
from tau2_core.model.executors import Invitation, Launcher, WorkerProcess
from tau2_core.runs.executors.connection import accept
from tau2_core.runs.executors.messages import (
    Broken,
    Compute,
    Computed,
    Failed,
    FromWorker,
    GradedSlot,
    Judged,
    PlayedSlot,
    PlaySlot,
    Ready,
    Recorded,
    Refused,
    Regrade,
    Released,
    Setup,
    Traced,
    Used,
    Wanted,
)
from tau2_core.runs.executors.shared_models import SharedModels
from tau2_core.runs.executors.worker_handle import GRACE, Job, WorkerEndedError, WorkerHandle

log = logging.getLogger(__name__)
DONE = (GradedSlot, Computed)
STARTS = 3  # attempts to replace a worker

Note = Callable[[Traced | Recorded | Used | Failed | Judged], None]


class WorkerPool:
    """The workers of a run, started by a launcher. `note` receives all messages except the results of jobs."""

    def __init__(self, launcher: Launcher, workers: int, setup: Setup, models: SharedModels) -> None:
        self.workers = workers
        self._launcher = launcher
        self._setup = setup
        self._models = models
        self.note: Note = _not_expected
        self._port = 0
        self._members: dict[int, WorkerHandle] = {}
        self._numbers = count()
        self._changed = asyncio.Event()
        self._waiting_alone = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._error: RunError | None = None
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> WorkerPool:
        try:
            await self.start()
        except BaseException:
            await self.end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    async def start(self) -> None:
        """Start all workers, and wait until each is ready. Raises RunError."""
        try:
            self._server = await asyncio.start_server(self._accept, self._launcher.host, 0)
        except OSError as error:
            raise RunError(f"workers cannot reach the run at {self._launcher.host!r}: {error}") from error
        self._port = self._server.sockets[0].getsockname()[1]
        starts = [asyncio.create_task(self._add()) for _ in range(self.workers)]
        try:
            await asyncio.gather(*starts)
        finally:
            for each in starts:
                each.cancel()
            await asyncio.wait(starts)

    async def end(self) -> None:
        """End all workers."""
        server, self._server = self._server, None
        for task in self._tasks:
            task.cancel()
        members = list(self._members.values())
        for member in members:
            member.fail(WorkerEndedError("the run has ended"))
        try:
            await asyncio.gather(*(member.end() for member in members))
        finally:
            if server is not None:
                server.close()

    async def assign(self, make: Callable[[int], PlaySlot | Regrade | Compute], *, alone: bool) -> Job:
        """Give a job to the worker with the fewest, or (`alone`) to one that does nothing else. Raises RunError."""
        member = await self._free_alone() if alone else await self._free()
        member.alone = alone
        return member.assign(make(next(self._numbers)))

    async def _free(self) -> WorkerHandle:
        while True:
            free = [each for each in self._ready() if each.jobs or not self._waiting_alone]
            if free:
                return min(free, key=lambda member: len(member.jobs))
            await self._changed.wait()

    async def _free_alone(self) -> WorkerHandle:
        self._waiting_alone += 1
        try:
            while True:
                for member in self._ready():
                    if not member.jobs:
                        return member
                await self._changed.wait()
        finally:
            self._waiting_alone -= 1
            self._wake()

    def _ready(self) -> list[WorkerHandle]:
        if self._error is not None:
            raise self._error
        return [each for each in self._members.values() if each.is_ready and not each.alone]

    def _wake(self) -> None:
        """Wake everything that waits for a worker."""
        self._changed.set()
        self._changed.clear()

    async def _add(self) -> None:
        """Start a worker and wait until it is ready. Raises RunError."""
        member = WorkerHandle(next(self._numbers), secrets.token_hex(32), self._models)
        self._members[member.number] = member
        invitation = Invitation(self._launcher.host, self._port, member.number, member.key)
        try:
            with foreign("the executor"):
                member.process = await self._launcher.start(invitation)
        except Exception as error:
            del self._members[member.number]
            why = str(error) if isinstance(error, Tau2GymError) else describe_error(error)
            raise RunError(f"a worker could not be started: {why}") from error
        self._spawn(self._watch(member, member.process))
        await member.ready

    async def _replace(self) -> None:
        for _ in range(STARTS):
            try:
                await self._add()
            except RunError as error:
                last = error
                log.warning("%s", error)
            else:
                return
        if not self._members:
            self._fail(RunError(f"no worker is left: {last}"))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self, member: WorkerHandle, process: WorkerProcess) -> None:
        """Detect a worker that ends before it connects, or whose connection other processes keep open."""
        how = await process.wait()
        if member.connection is None:
            self._lose(member, how)
        elif member.listening is not None:
            await asyncio.wait([member.listening], timeout=GRACE)
            await member.connection.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = await accept(reader, writer, self._key)
        if found is None:
            return
        number, connection = found
        member = self._members[number]
        member.connection, member.listening = connection, asyncio.current_task()
        connection.send(self._setup)
        while (message := await connection.receive()) is not None:
            try:
                self._hear(member, message)
            except RunError as error:
                self._fail(error)
        await connection.close()
        if self._server is not None:
            self._lose(member, await self._how_it_ended(member))

    def _key(self, number: int) -> str | None:
        member = self._members.get(number)
        return member.key if member is not None and member.connection is None else None

    def _hear(self, member: WorkerHandle, message: FromWorker) -> None:
        if isinstance(message, PlayedSlot):
            member.note_played(message)
        elif isinstance(message, DONE):
            member.note_done(message)
            self._wake()
        elif isinstance(message, Wanted):
            member.turns.take(message)
        elif isinstance(message, Released):
            member.turns.release(message)
        elif isinstance(message, Ready):
            member.is_ready = True
            member.ready.set_result(None)
            self._wake()
        elif isinstance(message, Refused):
            member.refuse(RunError(message.why))
        elif isinstance(message, Broken):
            self._fail(RunError(message.why))
        else:
            self.note(message)

    async def _how_it_ended(self, member: WorkerHandle) -> str:
        assert member.process is not None
        try:
            return await asyncio.wait_for(member.process.wait(), GRACE)
        except TimeoutError:
            member.process.kill()
            return "its connection was lost"

    def _lose(self, member: WorkerHandle, how: str) -> None:
        """Remove a worker that has ended, and start a new one."""
        if self._members.pop(member.number, None) is None:
            return
        if member.is_ready:
            if self._error is None:
                log.warning("a worker has ended: %s; unfinished jobs: %d", how, len(member.jobs))
            self._spawn(self._replace())
        else:
            member.refuse(RunError(f"a worker ended before it was ready: {how}"))
        member.fail(WorkerEndedError(how))
        self._wake()

    def _fail(self, error: RunError) -> None:
        """End the run with an error."""
        self._error = self._error or error
        for member in self._members.values():
            member.fail(error)
        self._wake()


def _not_expected(message: object) -> None:
    raise RunError(f"a worker sent {type(message).__name__} before it had a job")
