"""The run's handle of one worker: its process, its connection, and its jobs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tau2_core.model.executors import WorkerProcess
from tau2_core.runs.executors.connection import Connection
from tau2_core.runs.executors.messages import (
    Admitted,
    Compute,
    Computed,
    FromWorker,
    GradedSlot,
    PlayedSlot,
    PlaySlot,
    Regrade,
)
from tau2_core.runs.executors.shared_models import SharedModels, Turns

ATTEMPTS = 2  # attempts at a job whose worker ends
GRACE = 5.0  # seconds that a worker without work may take to end


class WorkerEndedError(Exception):
    """A worker has ended while it was working; the text says how."""


class Job:
    """Work for a worker: a slot to play, grade or both, or a part of a computation."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.played: asyncio.Future[PlayedSlot] = loop.create_future()
        self.done: asyncio.Future[GradedSlot | Computed] = loop.create_future()

    def fail(self, error: Exception) -> None:
        """Raise an error for those that await the results."""
        for future in (self.played, self.done):
            if not future.done():
                future.set_exception(error)
                future.exception()  # a cancelled run no longer awaits it


@dataclass(eq=False)
class WorkerHandle:
    """A worker that was started. `alone`: it gets no other job before this one is done."""

    number: int
    key: str
    models: SharedModels
    process: WorkerProcess | None = None
    connection: Connection[FromWorker] | None = None
    listening: asyncio.Task[None] | None = None
    is_ready: bool = False
    alone: bool = False
    jobs: dict[int, Job] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.turns = Turns(self.models, self._send)

    def _send(self, message: Admitted) -> None:
        assert self.connection is not None
        self.connection.send(message)

    def assign(self, message: PlaySlot | Regrade | Compute) -> Job:
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

    def note_done(self, message: GradedSlot | Computed) -> None:
        """Pass on a result; the job is done."""
        job = self.jobs.pop(message.number, None)
        self.alone = False
        if job is not None and not job.done.done():
            job.done.set_result(message)

    def refuse(self, error: Exception) -> None:
        """Raise an error in the code that waits until the worker is ready."""
        if not self.ready.done():
            self.ready.set_exception(error)
            self.ready.exception()  # nobody may be waiting for its start any more

    def fail(self, error: Exception) -> None:
        """Fail its jobs and end its turns."""
        self.turns.give_up()
        for job in self.jobs.values():
            job.fail(error)
        self.jobs.clear()

    async def end(self) -> None:
        """Close the connection, which ends the worker; kill it if it has not ended soon, or at a second Ctrl-C."""
        try:
            if self.connection is not None:
                await self.connection.close()
                if self.process is not None:
                    await asyncio.wait([asyncio.ensure_future(self.process.wait())], timeout=GRACE)
        finally:
            if self.process is not None:
                self.process.kill()
                await self.process.wait()  # it may never end if the event loop closes before its processes have ended
