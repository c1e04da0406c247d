"""A watchdog for the event loop: foreign code that keeps it busy is logged, then interrupted.

    with running_code("the agent"):
        message = await agent.reply(history)

One event loop plays all episodes of a run or a server, so agents, customers and plugins must not compute or sleep in it
for long without `await`. Code that does so is interrupted by an exception after a while, even during a `time.sleep` or
a request. This uses a signal, so it works in the main thread only, and not on Windows.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType, TracebackType

from tau2_core.errors import HeldUpError

log = logging.getLogger(__name__)
LOOK = 0.1  # seconds between checks
NAMED = 1.0  # seconds after which code is logged
ADVICE = "await long operations, or run them with `asyncio.to_thread`"


class running_code:  # noqa: N801 - reads as a statement
    """Mark foreign code that runs on the event loop within the block. May surround an `await`.

    `None` marks our own code that is called from there, which is not interrupted.
    """

    __slots__ = ("_before", "what")

    def __init__(self, what: str | None) -> None:
        self.what = what

    def __enter__(self) -> None:
        self._before = _running.get()
        _running.set(self)

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        _running.set(self._before)  # without a token, since an abandoned coroutine may be closed in another context


_running: ContextVar[running_code | None] = ContextVar("running_code", default=None)


class _Watchdog:
    """Checks the event loop from a thread, and uses a signal to find out what is running if the loop does not respond.

    All users of the loop share one watchdog, because a signal has only one handler. The shortest of their limits
    applies.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._limits: list[float] = []
        self._over = threading.Event()
        self._asked = False
        self._seen: running_code | None = None
        self._since = 0.0
        self._named: running_code | None = None
        self._before = signal.signal(signal.SIGURG, self._look)  # a signal that is ignored by default
        self._thread = threading.Thread(target=self._watch, name="tau2-gym watchdog", daemon=True)
        self._thread.start()

    @classmethod
    def of_running_loop(cls) -> _Watchdog:
        """Return the watchdog of the running loop: the one that handles the signal, or a new one."""
        present = getattr(signal.getsignal(signal.SIGURG), "__self__", None)
        if isinstance(present, cls) and present._loop is asyncio.get_running_loop():
            return present
        return cls()

    @contextmanager
    def watching(self, seconds: float) -> Iterator[None]:
        """Watch within the block. When the last block ends, so does the watchdog."""
        self._limits.append(seconds)
        try:
            yield
        finally:
            self._limits.remove(seconds)
            if not self._limits:
                self._over.set()
                self._thread.join()
                signal.signal(signal.SIGURG, signal.SIG_DFL if self._before is None else self._before)

    def _watch(self) -> None:
        main = threading.main_thread().ident
        assert main is not None
        while not self._over.wait(LOOK):
            if self._asked:
                signal.pthread_kill(main, signal.SIGURG)
                continue
            self._asked = True
            try:
                self._loop.call_soon_threadsafe(self._answer)
            except RuntimeError:  # the loop is closed
                return

    def _answer(self) -> None:
        """Note that the loop responds, so the code that runs on it now has started since."""
        self._seen, self._asked = None, False

    def _look(self, _signal: int, frame: FrameType | None) -> None:
        code = _running.get()
        if code is None or code.what is None or not self._limits:
            self._seen = None
            return
        now = time.monotonic()
        if code is not self._seen:
            self._seen, self._since = code, now
            return
        seconds, limit = now - self._since, min(self._limits)
        if seconds >= min(NAMED, limit / 2) and code is not self._named:
            self._named = code
            log.warning(
                "%s keeps the event loop busy at %s, so everything waits; %s", code.what, place_of(frame), ADVICE
            )
        if seconds >= limit:
            text = f"it kept the event loop busy for {limit:g} s at {place_of(frame)}; {ADVICE}"
            raise HeldUpError(text)


def place_of(frame: FrameType | None) -> str:
    """Return the location of foreign code from its innermost frame: the line in the function that we called."""
    place = frame
    while frame is not None and not str(frame.f_globals.get("__name__", "")).startswith("tau2_core."):
        place, frame = frame, frame.f_back
    return "an unknown place" if place is None else f"{place.f_code.co_filename}:{place.f_lineno}"


@contextmanager
def watched_for(seconds: float) -> Iterator[None]:
    """Within the block, interrupt foreign code that keeps the running event loop busy for this many seconds.

    It does nothing where no signal can interrupt the loop.
    """
    if not hasattr(signal, "SIGURG") or threading.current_thread() is not threading.main_thread():
        yield
        return
    with _Watchdog.of_running_loop().watching(seconds):
        yield
