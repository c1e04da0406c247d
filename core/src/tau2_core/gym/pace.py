"""Keeping a slow handler from holding up other worlds, without making the quick ones pay for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from weakref import WeakKeyDictionary

from anyio import CapacityLimiter, to_thread

from tau2_core.episode.environment import Environment
from tau2_core.episode.stage import LocalStage
from tau2_core.model.messages import ToolCall
from tau2_core.model.tools import Handler, ToolResult
from tau2_core.plugins.catalogue import Wrapper

QUICK_SECONDS = 0.01
PROOFS = 3
DISTRUST = 100
THREADS = 256


class Pace:
    """What a server knows of its handlers' speed, and the threads for those that it does not trust.

    A thread costs more than most handlers do, so a handler runs in one until it has proved quick three times, then
    where it is called. One that turns out slow later goes back to threads for a hundred calls.
    """

    def __init__(self) -> None:
        self.threads = CapacityLimiter(THREADS)
        # How often in a row a handler was quick; far below zero once it was slow where others had to wait for it.
        self._quick: WeakKeyDictionary[Handler, int] = WeakKeyDictionary()

    async def call(self, environment: Environment, call: ToolCall) -> ToolResult:
        """Make a call, in a thread if its handler may be slow."""
        tool = environment.setting.tools("agent").get(call.name) or environment.setting.tools("user").get(call.name)
        if tool is None:
            return environment.call(call)
        proofs = self._quick.get(tool.handler, 0)
        started = time.perf_counter()
        if proofs >= PROOFS:
            result = environment.call(call)
            if time.perf_counter() - started > QUICK_SECONDS:
                self._quick[tool.handler] = -DISTRUST
            return result
        result = await to_thread.run_sync(environment.call, call, limiter=self.threads)
        quick = time.perf_counter() - started < QUICK_SECONDS
        self._quick[tool.handler] = proofs + 1 if quick else min(proofs, 0)
        return result


class PacedStage(LocalStage):
    """An environment whose calls are paced."""

    def __init__(self, environment: Environment, wrappers: Sequence[Wrapper], pace: Pace) -> None:
        super().__init__(environment, wrappers)
        self.pace = pace

    async def _call(self, call: ToolCall) -> ToolResult:
        return await self.pace.call(self.environment, call)
