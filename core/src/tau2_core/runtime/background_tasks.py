"""Background tasks that plugins start during an episode. They end with it, and their errors stay local."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

from tau2_core.foreign_code import describe_error, foreign
from tau2_core.runtime.watchdog import running_code

log = logging.getLogger(__name__)
SECONDS = 1.0  # seconds that a cancelled task has to end
_NEVER_TRACKED = frozenset({"tau2_core", ""})
_background: ContextVar[Background | None] = ContextVar("background", default=None)


class Background:
    """Tracks the tasks that some packages start within `tracking()`, in an event loop with the task factory `new_task`.

    Other tasks, such as the workers of a model's client, may outlive an episode and are left alone.
    """

    def __init__(self, packages: frozenset[str], *participants: object) -> None:
        """Track tasks of `packages`, and of the packages that define the participants."""
        self._packages = packages
        for participant in participants:
            package = package_of(participant)
            if package not in _NEVER_TRACKED:
                self._packages |= {package}
        self._tasks: dict[asyncio.Task[Any], _Driven] = {}
        self.over = False

    def tracking(self) -> AbstractContextManager[None] | None:
        """Track the tasks that are started within a block; None if no package's tasks are tracked."""
        return self._tracked() if self._packages else None

    @contextmanager
    def _tracked(self) -> Iterator[None]:
        before = _background.set(self)
        try:
            yield
        finally:
            _background.reset(before)

    def owns(self, work: Coroutine[Any, Any, Any]) -> bool:
        """Tell whether a coroutine is one of the packages' own functions."""
        frame = getattr(work, "cr_frame", None)
        return frame is not None and _package(str(frame.f_globals.get("__name__", ""))) in self._packages

    def add(self, task: asyncio.Task[Any], work: _Driven) -> None:
        self._tasks[task] = work
        task.add_done_callback(self._done)

    def cancel(self) -> None:
        """Cancel the tasks that are still running, and log failures that were not retrieved."""
        again, self.over = self.over, True
        for task in list(self._tasks):
            if task.done():
                self._done(task)
            elif not again:
                task.cancel()
                task.get_loop().call_later(SECONDS, self._stop, task)

    async def ended(self) -> list[str]:
        """Cancel the remaining tasks and wait for them; return the names of tasks that had to be stopped."""
        self.cancel()
        left = {task: work for task, work in self._tasks.items() if task is not asyncio.current_task()}
        if left:
            await asyncio.wait(left)
        return sorted(work.name for work in left.values() if work.stopped)

    def _stop(self, task: asyncio.Task[Any]) -> None:
        """Stop a task that continues after cancellation, by not resuming it again."""
        if not task.done():
            self._tasks[task].stopped = True
            task.cancel()

    def _done(self, task: asyncio.Task[Any]) -> None:
        failed = getattr(task, "_log_traceback", False)  # False once the exception was retrieved
        if failed and not self.over:
            return  # it may still be awaited
        work = self._tasks.pop(task, None)
        if work is not None and not work.begun:
            work.work.close()  # otherwise Python warns that it was never awaited
        error = task.exception() if failed else None
        if error is not None:
            log.warning("a background task, %s, failed: %s", task.get_name(), describe_error(error))


class _Driven:
    """A coroutine that is resumed step by step here, so it can be stopped whatever it does."""

    def __init__(self, work: Coroutine[Any, Any, Any]) -> None:
        code = getattr(work, "cr_code", None)
        self.work = work
        self.name = str(getattr(work, "__qualname__", "a task"))
        self.place = f"{code.co_filename}:{code.co_firstlineno}" if code is not None else "an unknown place"
        self.begun = False
        self.stopped = False

    def __await__(self) -> Generator[Any, Any, Any]:
        self.begun = True
        step: Callable[[Any], Any] = self.work.send
        value: Any = None
        while True:
            try:
                with running_code("a background task"):
                    awaited = step(value)
            except StopIteration as end:
                return end.value
            try:
                step, value = self.work.send, (yield awaited)
            except BaseException as error:
                if self.stopped:
                    self._give_up()
                    raise
                step, value = self.work.throw, error

    def _give_up(self) -> None:
        log.warning(
            "a background task, %s (%s), went on for %g s although it was cancelled, and was stopped",
            self.name,
            self.place,
            SECONDS,
        )
        try:
            with foreign(), running_code("a background task"):
                self.work.close()
        except Exception as error:  # noqa: BLE001 - it may even refuse to be closed
            log.warning("a background task, %s, raised as it was stopped: %s", self.name, describe_error(error))


def new_task(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
    """Start a task; for use as an event loop's task factory."""
    background = _background.get()
    if background is None or not background.owns(work):
        return asyncio.Task(work, loop=loop, **options)
    driven = _Driven(work)
    name = options.get("name") or getattr(work, "__qualname__", "")
    task = asyncio.Task(_contained(driven), loop=loop, **{**options, "name": name})
    background.add(task, driven)
    return task


async def _contained(work: _Driven) -> Any:
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


def package_of(code: object) -> str:
    """Return the name of the package that defines a function, class or object; "" if it is unknown."""
    return "" if code is None else _package(getattr(inspect.unwrap(code) if callable(code) else code, "__module__", ""))


def packages_of(*code: object) -> frozenset[str]:
    """Return the names of the packages that define functions, classes or objects, without the core and unknown ones."""
    return frozenset(map(package_of, code)) - _NEVER_TRACKED


def _package(module: str) -> str:
    return module.partition(".")[0]
