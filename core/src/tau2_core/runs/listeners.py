"""Telling plugins of runs and episodes: one place for runs that are played here, served, or tests."""

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
from tau2_core.foreign import describe_error, foreign, stop_thread
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.watchdog import place_of

log = logging.getLogger(__name__)
Event = Literal["run_started", "episode_started", "episode_finished", "run_finished"]
Listener = Callable[[Any], object]
SECONDS = 30.0  # that a listener has for an episode
RUN_SECONDS = 60.0  # and for the beginning and the end of a run


class Listeners:
    """The notification hooks of all plugins, for the run in one folder.

    All are called in one thread, one after the other, so that none holds up the event loop. One that does not come back
    in time is named in the log and called no more; the run goes on. `episode_seconds` is its time for an episode, if
    that is less than usual.
    """

    def __init__(self, catalogue: Catalogue, folder: Path, episode_seconds: float | None = None) -> None:
        self.folder = folder
        self._of: dict[Event, list[Listener]] = {
            event: catalogue.listeners(f"tau2_{event}") for event in get_args(Event)
        }
        self._episode_seconds = SECONDS if episode_seconds is None else min(SECONDS, episode_seconds)
        self._thread: _Thread | None = None
        self._turn = asyncio.Lock()  # given to those who wait in the order in which they came

    def any(self, event: Event) -> bool:
        """Tell whether a plugin wants to be told of an event."""
        return bool(self._of[event])

    async def tell(self, event: Event, subject: object) -> None:
        """Tell every plugin, while the event loop goes on. Raises RunError with the listener's place if one raises."""
        async with self._turn:
            await self._tell(event, subject)

    async def _tell(self, event: Event, subject: object) -> None:
        for listener in list(self._of[event]):
            call = self._call(listener, subject)
            waiting = asyncio.wrap_future(call)
            waiting.add_done_callback(lambda done: done.cancelled() or done.exception())  # which is looked at below
            await asyncio.wait([waiting], timeout=self._seconds(event))
            self._look_at(call, event, listener)

    def tell_now(self, event: Event, subject: object) -> None:
        """Do the same, and wait for it."""
        for listener in list(self._of[event]):
            call = self._call(listener, subject)
            with suppress(TooLate):
                call.exception(self._seconds(event))
            self._look_at(call, event, listener)

    def close(self) -> None:
        """Let go of the thread, when nothing more is to be told."""
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

    def _look_at(self, call: Future[object], event: Event, listener: Listener) -> None:
        code = inspect.unwrap(listener).__code__
        what = f"a plugin's tau2_{event} ({code.co_filename}:{code.co_firstlineno})"
        if not call.done():
            self._give_up(event, listener, what)
        elif error := call.exception():
            raise RunError(
                f"{what} failed: {describe_error(error)}; what is finished is kept in "
                f"{self.folder}. Mend the plugin, or block it with --no-plugin, then run again"
            ) from error

    def _give_up(self, event: Event, listener: Listener, what: str) -> None:
        self._of[event].remove(listener)
        thread, self._thread = self._thread, None
        place = thread.stop() if thread is not None else ""
        log.error("%s did not end within %g s, and is called no more; it was at %s", what, self._seconds(event), place)


class _Thread:
    """A thread that makes calls one after the other.

    Python waits for it, and for threads that are started in it, before the process ends: they may be saving something.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[tuple[Callable[[], object], Future[object]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=_work, args=(self._calls,), name="tau2-gym listeners")
        self._thread.start()

    def do(self, work: Callable[[], object]) -> Future[object]:
        """Make a call after those before it; its result or error will be in the future."""
        call: Future[object] = Future()
        self._calls.put((work, call))
        return call

    def end(self) -> None:
        """End when there is nothing more to do."""
        self._calls.put(None)

    def stop(self) -> str:
        """Interrupt what is under way, which ends a loop but no call of C code; return where it was."""
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
        except Exception as error:  # noqa: BLE001 - it is told of where the future is looked at
            call.set_exception(error)
        del job, work, call  # so that what they hold is not kept until the next one
