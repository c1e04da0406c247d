"""A time limit for foreign code, which may never return."""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections.abc import Callable
from contextvars import copy_context
from itertools import takewhile
from types import FrameType
from typing import Generic, TypeVar

from tau2_core.foreign_code import contain, stop_thread

T = TypeVar("T")


Stack = list[tuple[FrameType, int]]


class TimeLimitError(Exception):
    """Work did not end in time; `stack` is where it was: frames with lines, the innermost first."""

    def __init__(self, seconds: float, stack: Stack) -> None:
        super().__init__(f"it did not end within {seconds:g} s")
        self.stack = stack


class _Thread(Generic[T]):
    """A thread for one piece of work. It ends with the process, even during the work."""

    def __init__(self, work: Callable[[], T], on_done: Callable[[], object]) -> None:
        self._work = work
        self._on_done = on_done
        self._result: T | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=copy_context().run, args=(self._run,), daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001 - re-raised with the result
            self._error = contain(error)
        self._on_done()

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]

    def stop(self) -> Stack:
        """Raise an error in the thread, which ends a loop but not a call of C code; return where it was."""
        ident = self._thread.ident or 0
        frame = sys._current_frames().get(ident)
        stack = list(takewhile(_is_of_work, traceback.walk_stack(frame))) if frame is not None else []
        stop_thread(self._thread)
        return stack


def _is_of_work(place: tuple[FrameType, int]) -> bool:
    return place[0].f_code is not _Thread._run.__code__


def run_within(seconds: float, work: Callable[[], T]) -> T:
    """Run work in a thread and return its result. Raises its error, always an Exception, and TimeLimitError."""
    done = threading.Event()
    thread = _Thread(work, done.set)
    if not done.wait(seconds):
        raise TimeLimitError(seconds, thread.stop())
    return thread.result()


async def run_aside(work: Callable[[], T]) -> T:
    """Run work in a thread without blocking the event loop. Raises its error, always an Exception.

    If this is cancelled, the work continues, but nothing waits for it, not even the end of the process.
    """
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def wake() -> None:
        if not done.done():
            done.set_result(None)

    def tell() -> None:
        try:
            loop.call_soon_threadsafe(wake)
        except RuntimeError:  # the loop is closed, so nobody waits for the result
            return

    thread = _Thread(work, tell)
    await done
    return thread.result()
