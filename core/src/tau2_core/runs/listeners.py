"""Notifying plugins of runs and episodes, for runs, servers and tests."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal, get_args
from weakref import finalize

from tau2_core.errors import RunError
from tau2_core.foreign_code import describe_error, foreign, stop_thread
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.runtime.watchdog import place_of

log = logging.getLogger(__name__)
Event = Literal["run_started", "episode_started", "episode_finished", "run_finished"]
Listener = Callable[[Any], object]
SECONDS = 30.0  # seconds of a listener for one notification about an episode
RUN_SECONDS = 60.0  # seconds at the beginning and the end of a run


class Listeners:
    """The notification hooks of all plugins, for the run in one folder.

    All are called in one thread, one after the other, so that none blocks the event loop. A listener that does not
    return in time is logged and not called again; the run continues. `episode_seconds` is its time for an episode, if
    that is less than usual.
    """

    def __init__(self, catalogue: Catalogue, folder: Path, episode_seconds: float | None = None) -> None:
        self.folder = folder
        self._of: dict[Event, list[Listener]] = {
            event: catalogue.listeners(f"tau2_{event}") for event in get_args(Event)
        }
        self._episode_seconds = SECONDS if episode_seconds is None else min(SECONDS, episode_seconds)
        self._thread: _Thread | None = None
        self._turn = asyncio.Lock()  # it is fair: waiters get it in the order of their arrival

    def any(self, event: Event) -> bool:
        """Tell whether a plugin listens to an event."""
        return bool(self._of[event])

    async def notify(self, event: Event, subject: object) -> None:
        """Notify every plugin without blocking the event loop. Raises RunError, with a location, if one raises."""
        async with self._turn:
            await self._notify(event, subject)

    async def _notify(self, event: Event, subject: object) -> None:
        for listener in list(self._of[event]):
            call = self._call(listener, subject)
            waiting = asyncio.wrap_future(call)
            waiting.add_done_callback(lambda done: done.cancelled() or done.exception())  # checked below
            await asyncio.wait([waiting], timeout=self._seconds(event))
            self._check(call, event, listener)

    def notify_now(self, event: Event, subject: object) -> None:
        """Notify every plugin and block until that is done."""
        for listener in list(self._of[event]):
            call = self._call(listener, subject)
            with suppress(TooLate):
                call.exception(self._seconds(event))
            self._check(call, event, listener)

    def close(self) -> None:
        """Release the thread, when there are no more notifications."""
        if self._thread is not None:
            self._thread.end()
            self._thread = None

    def _seconds(self, event: Event) -> float:
        return RUN_SECONDS if event.startswith("run") else self._episode_seconds

    def _call(self, listener: Listener, subject: object) -> Future[object]:
        if self._thread is None:
            self._thread = _Thread()
            finalize(self, self._thread.end)
        return self._thread.do(partial(listener, subject))

    def _check(self, call: Future[object], event: Event, listener: Listener) -> None:
        code = inspect.unwrap(listener).__code__
        what = f"a plugin's tau2_{event} ({code.co_filename}:{code.co_firstlineno})"
        if not call.done():
            self._give_up(event, listener, what)
        elif error := call.exception():
            raise RunError(
                f"{what} failed: {describe_error(error)}; finished episodes are kept in "
                f"{self.folder}. Fix the plugin, or block it with --no-plugin, then run again"
            ) from error

    def _give_up(self, event: Event, listener: Listener, what: str) -> None:
        self._of[event].remove(listener)
        thread, self._thread = self._thread, None
        place = thread.stop() if thread is not None else ""
        log.error("%s did not end within %g s and is not called again; it was at %s", what, self._seconds(event), place)


class _Thread:
    """A thread that makes calls one after the other.

    Python waits for it, and for threads started in it, before the process ends: they may be saving data.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[tuple[Callable[[], object], Future[object]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=_work, args=(self._calls,), name="tau2-gym listeners")
        self._thread.start()

    def do(self, work: Callable[[], object]) -> Future[object]:
        """Queue a call; the future gets its result or error."""
        call: Future[object] = Future()
        self._calls.put((work, call))
        return call

    def end(self) -> None:
        """End after the queued calls."""
        self._calls.put(None)

    def stop(self) -> str:
        """Interrupt the running call, which ends a loop but not a call of C code; return where it was."""
        self.end()
        place = place_of(sys._current_frames().get(self._thread.ident or 0))
        stop_thread(self._thread)
        return place


def _work(calls: SimpleQueue[tuple[Callable[[], object], Future[object]] | None]) -> None:
    while (job := calls.get()) is not None:
        work, call = job
        try:
            with foreign():
                call.set_result(work())
        except Exception as error:  # noqa: BLE001 - it is reported when the future is read
            call.set_exception(error)
        del job, work, call  # so that its objects are not kept until the next one
