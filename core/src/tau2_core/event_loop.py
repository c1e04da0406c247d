"""Running a process that belongs to us, such as the command line: on a faster event loop, with rare collections."""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tau2_core.background import tracked_loops

T = TypeVar("T")
ALLOCATIONS = 20_000  # between collections; Python's 700 would keep scanning the data of many open requests


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, as `asyncio.run` does. Raises what it raises, and KeyboardInterrupt."""
    with rare_garbage_collection(), asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(work)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return a factory of uvloop's event loops, which are faster, or of asyncio's where uvloop is not available."""
    try:
        import uvloop
    except ImportError:  # on Windows
        return tracked_loops(asyncio.new_event_loop)
    return tracked_loops(uvloop.new_event_loop)


@contextmanager
def rare_garbage_collection() -> Iterator[None]:
    """Collect garbage less often, and never scan what already exists, such as packs and databases.

    This affects the whole process and costs a few MB at most.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def collect_garbage() -> None:
    """Collect all garbage created since the process began to work. Takes milliseconds.

    The objects of a request form cycles. Until the next automatic collection, which is rare, they would fill memory
    that the process may then not be able to return.
    """
    gc.collect()


def release_memory() -> None:
    """Collect garbage and return free memory to the system if the C library can (glibc). Takes milliseconds."""
    collect_garbage()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):  # another C library
        return
    trim(0)
