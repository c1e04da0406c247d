"""HTTP requests that are written at once, on Python versions where aiohttp would use a separate task."""

from __future__ import annotations

import sys
import types
from collections.abc import Coroutine, Generator
from typing import Any

import aiohttp


class EagerRequest(aiohttp.ClientRequest):
    """Writes its body at once, as aiohttp itself does from Python 3.12 on with eager tasks.

    A separate task waits until everything else that is ready has run; with 64 concurrent conversations that takes 5 %
    of a run's time. If aiohttp changes, its own way of writing is used.
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
    """Continue a coroutine that has started and awaits something."""
    while True:
        try:
            try:
                sent = yield waits_for
            except BaseException as error:  # noqa: BLE001 - cancellations are passed to the coroutine too
                waits_for = work.throw(error)
            else:
                waits_for = work.send(sent)
        except StopIteration:
            return


REQUEST_CLASS = aiohttp.ClientRequest if sys.version_info >= (3, 12) else EagerRequest
