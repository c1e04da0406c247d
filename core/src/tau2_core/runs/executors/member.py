"""One worker of a run, as the run sees it: its process, its connection, and its jobs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tau2_core.model.executors import WorkerProcess
from tau2_core.runs.executors.connection import Connection
from tau2_core.runs.executors.messages import (
    Admitted,
    FromWorker,
    GradedSlot,
    PlayedSlot,
    PlaySlot,
    Regrade,
    Released,
    Wanted,
)
from tau2_core.runs.executors.shared_models import SharedModels

GRACE = 5.0  # seconds for which a worker that has no more work may take to end


class WorkerEndedError(Exception):
    """A worker has ended although it had work; the text says how."""


class Job:
    """A slot that a worker plays, grades or both."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.played: asyncio.Future[PlayedSlot] = loop.create_future()
        self.graded: asyncio.Future[GradedSlot] = loop.create_future()

    def fail(self, error: Exception) -> None:
        """Raise an error where results are awaited."""
        for future in (self.played, self.graded):
            if not future.done():
                future.set_exception(error)
                future.exception()  # a run that is cancelled awaits it no longer


@dataclass(eq=False)
class Member:
    """A worker that was started. `alone` means that it gets nothing else before its job is done."""

    number: int
    key: str
    models: SharedModels
    process: WorkerProcess | None = None
    connection: Connection[FromWorker] | None = None
    listening: asyncio.Task[None] | None = None
    is_ready: bool = False
    alone: bool = False
    jobs: dict[int, Job] = field(default_factory=dict)
    _turns: dict[int, asyncio.Task[None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def assign(self, message: PlaySlot | Regrade) -> Job:
        """Hand over a job."""
        assert self.connection is not None
        job = self.jobs[message.number] = Job()
        self.connection.send(message)
        return job

    def note_played(self, message: PlayedSlot) -> None:
        """Pass on a record."""
        job = self.jobs.get(message.number)
        if job is not None and not job.played.done():
            job.played.set_result(message)

    def note_graded(self, message: GradedSlot) -> None:
        """Pass on a grade; the job is done."""
        job = self.jobs.pop(message.number, None)
        self.alone = False
        if job is not None and not job.graded.done():
            job.graded.set_result(message)

    def refuse(self, error: Exception) -> None:
        """Raise an error where it is awaited that the worker is ready."""
        if not self.ready.done():
            self.ready.set_exception(error)
            self.ready.exception()  # its start may have been given up

    def take_turn(self, message: Wanted) -> None:
        """Let a request wait for its turn, and hold it."""
        connection = self.connection
        assert connection is not None
        turn = self.models.turn(message.role, lambda: connection.send(Admitted(message.number)))
        self._turns[message.number] = asyncio.create_task(turn)

    def release(self, message: Released) -> None:
        """End a turn."""
        turn = self._turns.pop(message.number, None)
        if turn is not None:
            turn.cancel()

    def fail(self, error: Exception) -> None:
        """Give up its jobs and turns."""
        for turn in self._turns.values():
            turn.cancel()
        self._turns.clear()
        for job in self.jobs.values():
            job.fail(error)
        self.jobs.clear()

    async def end(self) -> None:
        """Close the connection, on which the worker ends; kill it if it has not ended soon."""
        if self.connection is not None:
            await self.connection.close()
        if self.process is not None:
            waiting = asyncio.ensure_future(self.process.wait())
            if self.connection is not None:
                await asyncio.wait([waiting], timeout=GRACE)
            self.process.kill()
            await waiting
