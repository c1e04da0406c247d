"""Running our own processes, such as the command line, on a faster event loop and with rare garbage collection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tau2_core.runtime.background_tasks import tracked_loops
from tau2_core.runtime.garbage_collection import rare_garbage_collection

T = TypeVar("T")


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
