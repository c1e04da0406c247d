"""Background tasks that plugins start during an episode. They are cancelled with it, and their errors stay local."""

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
    """The tasks that some packages start within `tracking()`, in an event loop whose task factory is `new_task`.

    Other tasks, such as the workers of a model's client, may outlive an episode and are left alone.
    """

    def __init__(self, owners: Iterable[object]) -> None:
        self._packages = {_package(getattr(owner, "__module__", "")) for owner in owners} - {"tau2_core", ""}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._over = False

    @contextmanager
    def tracking(self) -> Iterator[None]:
        """Track the tasks that are started within the block."""
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
        """Cancel the tasks that are still running, and log failures that nobody has retrieved."""
        self._over = True
        for task in list(self._tasks):
            if not task.done():
                task.cancel()
            else:
                self._done(task)

    def _done(self, task: asyncio.Task[Any]) -> None:
        failed = getattr(task, "_log_traceback", False)  # False once the exception was retrieved
        if failed and not self._over:
            return  # it may still be awaited
        self._tasks.discard(task)
        error = task.exception() if failed else None
        if error is not None:
            log.warning("a background task, %s, failed: %s", task.get_name(), describe_error(error))


def new_task(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
    """Start a task; for use as an event loop's task factory."""
    background = _background.get()
    if background is None or not background.owns(work):
        return asyncio.Task(work, loop=loop, **options)
    name = options.get("name") or getattr(work, "__qualname__", "")
    task = asyncio.Task(_contained(work), loop=loop, **{**options, "name": name})
    background.add(task)
    return task


async def _contained(work: Coroutine[Any, Any, Any]) -> Any:
    """Await work. A `sys.exit()` in it fails only this task, not the process."""
    with foreign("a background task"):
        return await work


def tracked_loops(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return a factory of event loops whose tasks a Background can track."""

    def make() -> asyncio.AbstractEventLoop:
        loop = new_loop()
        loop.set_task_factory(new_task)
        return loop

    return make


def _package(module: str) -> str:
    return module.partition(".")[0]
