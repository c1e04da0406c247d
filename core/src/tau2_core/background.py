"""Tasks that plugins start in an episode and leave: cancelled with it, and whatever they raise ends nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tau2_core.foreign import describe_error, foreign

log = logging.getLogger(__name__)
_background: ContextVar[Background | None] = ContextVar("background", default=None)


class Background:
    """The tasks that some packages start while `started_here` lasts, in an event loop that has `new_task`.

    Tasks of others, such as the workers of a model's client, outlive an episode and are left alone.
    """

    def __init__(self, owners: Iterable[object]) -> None:
        self._packages = {_package(getattr(owner, "__module__", "")) for owner in owners} - {"tau2_core", ""}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._over = False

    @contextmanager
    def started_here(self) -> Iterator[None]:
        """Take hold of what is started while the block lasts, by whoever it is awaited."""
        if not self._packages:
            yield
            return
        before = _background.set(self)
        try:
            yield
        finally:
            _background.reset(before)

    def owns(self, work: Coroutine[Any, Any, Any]) -> bool:
        """Tell whether a coroutine is one of the packages' own functions."""
        frame = getattr(work, "cr_frame", None)
        return frame is not None and _package(str(frame.f_globals.get("__name__", ""))) in self._packages

    def add(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def cancel(self) -> None:
        """Cancel what has not ended yet, and tell of failures that nobody has looked at."""
        self._over = True
        for task in list(self._tasks):
            if not task.done():
                task.cancel()
            else:
                self._done(task)

    def _done(self, task: asyncio.Task[Any]) -> None:
        failed = getattr(task, "_log_traceback", False)  # that of a task whose exception was retrieved is false
        if failed and not self._over:
            return  # it may still be awaited
        self._tasks.discard(task)
        error = task.exception() if failed else None
        if error is not None:
            log.warning("a background task, %s, failed: %s", task.get_name(), describe_error(error))


def new_task(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
    """Start a task, as an event loop's task factory."""
    background = _background.get()
    if background is None or not background.owns(work):
        return asyncio.Task(work, loop=loop, **options)
    name = options.get("name") or getattr(work, "__qualname__", "")
    task = asyncio.Task(_contained(work), loop=loop, **{**options, "name": name})
    background.add(task)
    return task


async def _contained(work: Coroutine[Any, Any, Any]) -> Any:
    """Await work; what would end the process (`sys.exit()`) is an error of the task alone."""
    with foreign("a background task"):
        return await work


def watched(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes event loops whose tasks a Background can take hold of."""

    def make() -> asyncio.AbstractEventLoop:
        loop = new_loop()
        loop.set_task_factory(new_task)
        return loop

    return make


def _package(module: str) -> str:
    return module.partition(".")[0]
