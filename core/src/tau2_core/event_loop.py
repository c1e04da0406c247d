"""How a process runs that is all ours, as the command line's is: on the faster loop, looking for garbage seldom."""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tau2_core.background import watched

T = TypeVar("T")
ALLOCATIONS = 20_000  # between two looks; after Python's 700, what many open requests still need is looked through


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Do asynchronous work to its end, as `asyncio.run` does. Raises what it raises, and KeyboardInterrupt."""
    with rare_garbage_collection(), asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(work)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes uvloop's event loops, which are faster; asyncio's own where there is no uvloop."""
    try:
        import uvloop
    except ImportError:  # on Windows
        return watched(asyncio.new_event_loop)
    return watched(uvloop.new_event_loop)


@contextmanager
def rare_garbage_collection() -> Iterator[None]:
    """Look for garbage less often, and never among what exists already: packs and databases, which stay.

    It changes the whole process, and costs a few MB at most.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def release_memory() -> None:
    """Collect garbage, and give free memory back to the system where the C library can (glibc). Takes milliseconds."""
    gc.collect()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):  # another C library
        return
    trim(0)
