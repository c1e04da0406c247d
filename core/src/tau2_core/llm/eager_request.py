"""Requests that go out where they are made, on Pythons where aiohttp leaves their writing to a task of its own."""

from __future__ import annotations

import sys
import types
from collections.abc import Coroutine, Generator
from typing import Any

import aiohttp


class EagerRequest(aiohttp.ClientRequest):
    """Writes its body at once, as aiohttp itself does from Python 3.12 on, where tasks can begin at once.

    A task of its own would wait until everything that is ready has run: with 64 conversations under way, five
    hundredths of a run's time. Should aiohttp change, its own way of writing is what remains.
    """

    def write_bytes(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, None]:
        writing = super().write_bytes(*args, **kwargs)
        try:
            waits_for = writing.send(None)
        except StopIteration:
            return _nothing()
        return _rest(writing, waits_for)


async def _nothing() -> None:
    return


async def _rest(work: Coroutine[Any, Any, None], waits_for: Any) -> None:
    await _steps(work, waits_for)


@types.coroutine
def _steps(work: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    """Go on with a coroutine that has begun, and waits for something."""
    while True:
        try:
            try:
                sent = yield waits_for
            except BaseException as error:  # noqa: BLE001 - a cancellation too is the coroutine's to hear of
                waits_for = work.throw(error)
            else:
                waits_for = work.send(sent)
        except StopIteration:
            return


REQUEST_CLASS = aiohttp.ClientRequest if sys.version_info >= (3, 12) else EagerRequest
