"""Work with a time limit: its result or its error, and where it was at the limit."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest
from tau2_core.evaluators.time_limit import TimeLimitError, run_aside, run_within

SECONDS = 60.0  # more seconds than anything takes
COLOUR: ContextVar[str] = ContextVar("colour", default="none")


class LeavingError(BaseException):
    pass


def fail() -> None:
    raise LookupError("it is not there")


def leave() -> None:
    raise LeavingError


def test_the_work_runs_in_the_callers_context() -> None:
    COLOUR.set("blue")
    assert run_within(SECONDS, COLOUR.get) == "blue"
    assert asyncio.run(run_aside(COLOUR.get)) == "blue"


def test_an_error_is_raised_again_and_always_an_exception() -> None:
    with pytest.raises(LookupError, match="it is not there"):
        run_within(SECONDS, fail)
    with pytest.raises(Exception, match="LeavingError") as raised:
        run_within(SECONDS, leave)
    assert isinstance(raised.value, Exception)
    with pytest.raises(LookupError, match="it is not there"):
        asyncio.run(run_aside(fail))


def test_work_past_its_limit_is_stopped_and_located() -> None:
    begun, ended = threading.Event(), threading.Event()

    def inner() -> None:
        begun.set()
        while True:
            pass

    def outer() -> None:
        try:
            begun.clear()
            inner()
        finally:
            ended.set()

    with pytest.raises(TimeLimitError, match=r"^it did not end within 0\.5 s$") as raised:
        run_within(0.5, outer)
    assert begun.is_set()
    assert [frame.f_code.co_name for frame, _ in raised.value.stack] == ["inner", "outer"]
    assert all(line > 0 for _, line in raised.value.stack)
    assert ended.wait(SECONDS)


def test_the_event_loop_continues_and_may_stop_waiting() -> None:
    begun, released, ended = threading.Event(), threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert released.wait(SECONDS)
        ended.set()

    async def play() -> None:
        work = asyncio.create_task(run_aside(wait))
        while not begun.is_set():
            await asyncio.sleep(0)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert not ended.is_set()

    asyncio.run(play())  # the loop is closed when the work ends
    released.set()
    assert ended.wait(SECONDS)
