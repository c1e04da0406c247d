"""The guard around foreign code: what it raises is contained; real interrupts and deadlines pass."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable

import pytest
from tau2_core.foreign_code import MAX_TEXT, ForeignExit, describe_error, error_text, foreign


class Own(BaseException):
    pass


class UnreadableError(Exception):
    def __str__(self) -> str:
        raise SystemExit(0)


def exits() -> None:
    sys.exit(0)


def interrupts() -> None:
    raise KeyboardInterrupt


def cancels() -> None:
    raise asyncio.CancelledError


def closes() -> None:
    raise GeneratorExit


def ends() -> None:
    next(iter(()))


def own() -> None:
    raise Own("mine")


EXITS = [exits, interrupts, cancels, closes, ends, own]


@pytest.mark.parametrize("code", EXITS)
def test_what_would_end_the_process_is_an_exception(code: Callable[[], None]) -> None:
    with pytest.raises(ForeignExit) as caught, foreign("handler x"):
        code()
    assert "handler x raised" in str(caught.value)
    assert type(caught.value.__cause__).__name__ in str(caught.value)


@pytest.mark.parametrize("code", EXITS)
def test_it_holds_in_a_coroutine_and_in_a_thread(code: Callable[[], None]) -> None:
    caught: list[str] = []

    def guarded() -> None:
        try:
            with foreign():
                code()
        except Exception as error:  # noqa: BLE001 - what arrives is what is tested
            caught.append(type(error).__name__)

    async def work() -> None:
        try:
            with foreign():
                await asyncio.sleep(0)
                code()
        except Exception as error:  # noqa: BLE001 - what arrives is what is tested
            caught.append(type(error).__name__)

    thread = threading.Thread(target=guarded)
    thread.start()
    thread.join()
    asyncio.run(work())
    assert caught == ["ForeignExit", "ForeignExit"]


def test_an_ordinary_exception_passes_unchanged() -> None:
    with pytest.raises(ValueError, match="plain"), foreign("x"):
        raise ValueError("plain")


def test_a_real_interrupt_passes() -> None:
    with pytest.raises(KeyboardInterrupt), foreign("x"):
        signal.raise_signal(signal.SIGINT)


def test_a_real_cancellation_passes() -> None:
    async def main() -> None:
        task = asyncio.create_task(_forever())
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())


def test_a_deadline_passes() -> None:
    async def main() -> None:
        async with asyncio.timeout(0):
            await _forever()

    with pytest.raises(TimeoutError):
        asyncio.run(main())


async def _forever() -> None:
    with foreign("x"):
        await asyncio.Event().wait()


def test_closing_a_coroutine_passes() -> None:
    async def work() -> None:
        with foreign("x"):
            await asyncio.sleep(0)

    coroutine = work()
    coroutine.send(None)
    coroutine.close()


def test_an_error_whose_text_raises_has_a_description() -> None:
    assert describe_error(UnreadableError()) == "UnreadableError: (its text cannot be read: SystemExit)"


def test_a_huge_text_is_cut() -> None:
    text = error_text(ValueError("x" * 10_000_000))
    assert len(text) < MAX_TEXT + 50
    assert text.endswith("(10000000 characters)")
