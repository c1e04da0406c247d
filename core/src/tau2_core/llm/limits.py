"""The limits on requests to a model: deadlines, attempts and pauses, concurrency, and requests per minute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass

from tau2_core.errors import UsageError
from tau2_core.model.llm import WORTH_RETRYING, ModelError


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a run waits for models, in seconds, and how many attempts it makes.

    Between attempts it waits up to `longest_wait_seconds`, or as long as the provider requests. If that is more than
    `longest_asked_seconds`, there is no further attempt.
    """

    call_seconds: float = 120.0
    turn_seconds: float | None = None
    attempts: int = 5
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 60.0
    longest_asked_seconds: float = 300.0

    def __post_init__(self) -> None:
        for option, seconds in (("--call-timeout", self.call_seconds), ("--turn-timeout", self.turn_seconds)):
            if seconds is not None and not seconds > 0:
                raise UsageError(f"{option} must be more than 0 seconds, not {seconds}")

    def worth_retrying(self, error: ModelError) -> bool:
        """Tell whether the same request may succeed later, and soon enough."""
        return error.kind in WORTH_RETRYING and (error.retry_after or 0.0) <= self.longest_asked_seconds


class RequestLimit:
    """Limits a provider's concurrent requests and its requests per minute."""

    def __init__(self, concurrency: int | None = None, per_minute: float | None = None) -> None:
        self.limits = bool(concurrency or per_minute)
        self._semaphore = asyncio.Semaphore(concurrency) if concurrency else None
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0

    def pass_through(self) -> AbstractAsyncContextManager[None]:
        """Wait for a slot and hold it within the block."""
        return self._turn() if self.limits else nullcontext()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._interval:
            now = asyncio.get_running_loop().time()
            turn = max(now, self._next)
            self._next = turn + self._interval
            await asyncio.sleep(turn - now)
        if self._semaphore is None:
            yield
            return
        async with self._semaphore:
            yield
