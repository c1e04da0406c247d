"""The front's handle of one worker: its process, its episodes, and its connections."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from tau2_core.errors import RunError
from tau2_core.gym.metrics import Figures
from tau2_core.gym.processes.directory import Directory
from tau2_core.gym.processes.messages import (
    Closed,
    GaveBack,
    JudgedEntry,
    Left,
    Lost,
    Moved,
    Notice,
    Open,
    Prepared,
    Request,
    Setup,
)
from tau2_core.gym.processes.peer import Peer
from tau2_core.gym.processes.worker_entries import WorkerEntries
from tau2_core.model.episodes import Slot
from tau2_core.runs.executors.messages import Admitted, Failed, Recorded, Refused, Released, Used, Wanted
from tau2_core.runs.executors.processes import LocalProcess, start_worker
from tau2_core.runs.executors.shared_models import SharedModels, Turns

T = TypeVar("T")
OPENING_SECONDS = 1.0  # seconds after which a requested episode is assumed to have been refused
LAST_WORDS = 5.0  # seconds to wait for the remaining messages of a process that has ended


class WorkerHandle:
    """A worker process with a number.

    `back` takes a connection whose next request is for another process; `gone` gets the ids and keys of a closed
    episode. `settled` is set once the worker has ended and its records are kept.
    """

    def __init__(
        self,
        position: int,
        entries: WorkerEntries,
        directory: Directory,
        models: SharedModels,
        back: Callable[[int, bytes], None],
        gone: Callable[[list[str]], None],
    ) -> None:
        self.position = position
        self.entries = entries
        self.figures = Figures()
        self.is_ready = False
        self.is_over = False
        self.settled = asyncio.Event()
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.process: LocalProcess | None = None
        self.peer: Peer | None = None
        self._directory = directory
        self._models = models
        self._turns = Turns(models, self.tell)
        self._back = back
        self._gone = gone
        self._expected: deque[float] = deque()  # times at which clients requested episodes that are not open yet
        self._moved = 0
        self._left = 0

    async def start(self, setup: Setup) -> None:
        """Start the process and send it what to load. Raises RunError."""
        own, theirs = socket.socketpair()
        try:
            self.process = await start_worker("", "gym", str(theirs.fileno()), handles=[theirs.fileno()])
        except BaseException:
            own.close()
            raise
        finally:
            theirs.close()
        self.peer = Peer(own, self._answer, self._hear, self._lost)
        self.peer.send(setup)

    @property
    def load(self) -> int:
        """How many episodes it has or is about to open."""
        while self._expected and self._expected[0] < time.monotonic() - OPENING_SECONDS:
            self._expected.popleft()
        return self._directory.episodes_of(self) + len(self._expected)

    @property
    def connections(self) -> int:
        """How many clients are connected to it."""
        return 0 if self.is_over else self._moved - self._left

    def take(self, handle: int, received: bytes) -> None:
        """Transfer a connection to it."""
        self._moved += 1
        self.tell(Moved(received), handle)

    def expect(self) -> None:
        """Note that a client is requesting an episode from it."""
        self._expected.append(time.monotonic())

    def tell(self, notice: Notice | Admitted, handle: int | None = None) -> None:
        """Send a notification."""
        if self.peer is not None:
            self.peer.send(notice, handle)
        elif handle is not None:
            os.close(handle)

    async def ask(self, request: Request, kind: type[T]) -> T:
        """Send a request and return the answer. Raises RunError."""
        if self.peer is None:
            raise RunError("the worker is not started")
        return await self.peer.ask(request, kind)

    def kill(self) -> None:
        """Kill it."""
        if self.process is not None:
            self.process.kill()

    async def _answer(self, request: Request) -> Any:
        if isinstance(request, Open):
            if self._expected:
                self._expected.popleft()
            await self.entries.agree(request)
            self._directory.open(self, request.episode_id, request.keys)
            return None
        return await self.entries.answer(request)

    def _hear(self, notice: Notice, handle: int | None) -> None:
        match notice:
            case Moved(received) if handle is not None:
                self._back(handle, received)
            case Left(connections):
                self._left = connections
            case Closed(episode_id):
                self._gone(self._directory.close(episode_id))
            case Lost(task_id, trial):
                self.entries.lose(Slot(task_id, trial))
            case GaveBack(task_id, trial):
                self.entries.give_back(Slot(task_id, trial))
            case JudgedEntry():
                self.entries.judged(notice)
            case Wanted():
                self._turns.take(notice)
            case Released():
                self._turns.release(notice)
            case Used() | Failed() | Recorded():
                self._models.note(notice)
            case Prepared():
                self.is_ready = True
                self.ready.set_result(None)
            case Refused(why):
                self.refuse(RunError(why))

    def refuse(self, error: RunError) -> None:
        """Raise an error in `start`, which waits until the worker is ready."""
        if not self.ready.done():
            self.ready.set_exception(error)
            self.ready.exception()  # nobody may be waiting for its start any more

    def _lost(self) -> None:
        """Make sure that a process whose channel has closed ends."""
        self.kill()

    async def wait(self) -> str:
        """Wait until the process has ended; return how it ended."""
        assert self.process is not None
        how = await self.process.wait()
        self.is_over, self.is_ready = True, False
        self._turns.give_up()
        if self.peer is not None:
            with suppress(TimeoutError):  # child processes may keep its channel open
                async with asyncio.timeout(LAST_WORDS):
                    await self.peer.drained()
            self.peer.close()
        return how
