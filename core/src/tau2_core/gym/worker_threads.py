"""Worker threads for packs' code, so that no handler blocks the server's event loop."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from tau2_core.episode.environment import Environment
from tau2_core.episode.tool_backend import LocalBackend
from tau2_core.foreign_code import contain
from tau2_core.json_values import is_small
from tau2_core.model.messages import ToolCall
from tau2_core.model.tools import Handler, Tool, ToolResult
from tau2_core.plugins.hook_functions import Wrapper
from tau2_core.runtime.watchdog import running_code

log = logging.getLogger(__name__)
T = TypeVar("T")
THREADS = 256  # further calls wait for a thread
REST = 10.0  # seconds without work after which a thread ends
PATIENCE = 0.001  # seconds for which the event loop itself waits for a thread
TURN = 0.0005  # seconds
LONGEST_ON_LOOP = 0.05  # seconds
MAX_PARTS = 500
CHARACTERS_A_PART = 100


@contextmanager
def short_turns() -> Iterator[None]:
    """Switch threads ten times as often as by default, so that a busy thread hardly delays the event loop.

    This affects the whole process.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


class _Job(Generic[T]):
    """One piece of work with its result or error, and its waiter."""

    __slots__ = ("done", "error", "finished", "loop", "result", "waiter", "work")

    def __init__(self, work: Callable[[], T], loop: asyncio.AbstractEventLoop) -> None:
        self.work = work
        self.loop = loop
        self.finished = False
        self.result: T | None = None
        self.error: BaseException | None = None
        self.waiter: asyncio.Future[None] | None = None
        self.done = threading.Lock()
        self.done.acquire()

    def run(self) -> None:
        """Do the work; in a worker thread."""
        try:
            self.result = self.work()
        except BaseException as error:  # noqa: BLE001 - re-raised where the result is awaited
            self.error = contain(error)
        self.finished = True
        self.done.release()
        if self.waiter is not None:
            try:
                self.loop.call_soon_threadsafe(self.wake)
            except RuntimeError:  # the loop is closed, since the server has stopped
                return

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def outcome(self) -> T:
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]


class WorkerThreads:
    """Threads that start on demand and end after some time without work.

    They also end with the process, even during work.

    Most handlers take microseconds, less than switching back to the event loop. So the loop itself blocks for up to a
    millisecond for the result, but only while no longer work is in progress; then it continues with other requests.
    """

    def __init__(self) -> None:
        self._idle: list[SimpleQueue[_Job[Any]]] = []
        self._count = 0
        self._queued: deque[_Job[Any]] = deque()
        self._handing_over = threading.Lock()
        self._under_way = 0
        self.slow: WeakSet[Handler] = WeakSet()

    async def run(self, work: Callable[[], T]) -> T:
        """Do blocking work in a thread and return its result. Raises what it raises, always an Exception."""
        job = _Job(work, asyncio.get_running_loop())
        self._start(job)
        if not self._under_way and job.done.acquire(timeout=PATIENCE):
            return job.outcome()
        self._under_way += 1
        try:
            job.waiter = job.loop.create_future()
            if not job.finished:
                await job.waiter
        finally:
            self._under_way -= 1
        return job.outcome()

    def _start(self, job: _Job[Any]) -> None:
        with self._handing_over:
            if self._idle:
                self._idle.pop().put(job)  # the most recently used one, so that unneeded threads stay idle
                return
            if self._count >= THREADS:
                self._queued.append(job)
                return
            self._count += 1
        threading.Thread(target=self._work, args=(job,), name="tau2-gym worker", daemon=True).start()

    def _work(self, job: _Job[Any]) -> None:
        inbox: SimpleQueue[_Job[Any]] = SimpleQueue()
        next_job: _Job[Any] | None = job
        del job
        while next_job is not None:
            next_job.run()
            next_job = None  # drop the job while this thread is idle
            next_job = self._next(inbox)

    def _next(self, inbox: SimpleQueue[_Job[Any]]) -> _Job[Any] | None:
        """Wait for work; None after a time without work, when the thread should end."""
        with self._handing_over:
            if self._queued:
                return self._queued.popleft()
            self._idle.append(inbox)
        try:
            return inbox.get(timeout=REST)
        except Empty:
            with self._handing_over:
                if inbox in self._idle:
                    self._idle.remove(inbox)
                    self._count -= 1
                    return None
            return inbox.get()  # work arrived at the last moment


class ServedBackend(LocalBackend):
    """An environment whose calls run in worker threads, except calls of packs that declare themselves quick.

    A call of a quick pack runs on the event loop if its arguments are small. If a handler takes long there, it runs in
    a thread from then on.
    """

    def __init__(self, environment: Environment, wrappers: Sequence[Wrapper], workers: WorkerThreads) -> None:
        super().__init__(environment, wrappers)
        self.workers = workers

    def runs_on_loop(self, arguments: Mapping[str, Any]) -> bool:
        """Tell whether a call with these arguments would be made on the event loop, whatever the tool."""
        quick = self.environment.setting.quick and not self.workers.slow
        return quick and is_small(arguments, MAX_PARTS, characters_a_part=CHARACTERS_A_PART)

    async def _call(self, call: ToolCall) -> ToolResult:
        tool = self.environment.route(call)
        search = self.environment.awaited(tool, call)
        if tool is not None and search is not None:
            tool = await self._answered(tool, search, call)
        if tool is not None and not self._is_quick(tool, call.arguments):
            return await self.workers.run(lambda: self.environment.call_tool(tool, call))
        started = time.perf_counter()
        with running_code(f"the handler of {call.name}"):
            result = self.environment.call_tool(tool, call)
        seconds = time.perf_counter() - started
        if seconds > LONGEST_ON_LOOP and tool is not None:
            self.workers.slow.add(tool.handler)
            log.warning(
                "%s of %s is declared `quick` but blocked the server for %.0f ms; it runs in a thread from now on",
                tool.name,
                tool.pack,
                seconds * 1000,
            )
        return result

    def _is_quick(self, tool: Tool, arguments: Mapping[str, Any]) -> bool:
        return (
            tool.quick
            and tool.handler not in self.workers.slow
            and is_small(arguments, MAX_PARTS, characters_a_part=CHARACTERS_A_PART)
        )

    async def settle(self) -> None:
        await self.workers.run(self.environment.settle)

    async def digests(self) -> dict[str, str]:
        return await self.workers.run(self.environment.digests)
