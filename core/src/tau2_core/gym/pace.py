"""Keeping a slow handler from holding up other worlds, without making the quick ones pay for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from weakref import WeakKeyDictionary

from anyio import CapacityLimiter, to_thread

from tau2_core.episode.environment import Environment
from tau2_core.episode.stage import LocalStage
from tau2_core.model.messages import ToolCall
from tau2_core.model.tools import Handler, Tool, ToolResult
from tau2_core.plugins.catalogue import Wrapper

QUICK_SECONDS = 0.01
PROOFS = 3
DISTRUST = 100
THREADS = 256


class Pace:
    """What a server knows of its handlers' speed, and the threads for those that it does not trust.

    A thread costs more than most handlers do, so a handler runs in one until it has proved quick three times, then
    where it is called. One that turns out slow later has to prove itself once more, as the machine may have been busy;
    if that happens again within a hundred calls, it goes back to threads for a hundred.
    """

    def __init__(self) -> None:
        self.threads = CapacityLimiter(THREADS)
        # How often in a row a handler was quick; far below zero once it was slow where others had to wait for it.
        self._quick: WeakKeyDictionary[Handler, int] = WeakKeyDictionary()

    def trusts(self, environment: Environment, name: str) -> bool:
        """Tell whether a tool's handler would be run where it is called."""
        tool = _tool(environment, name)
        return tool is None or self._quick.get(tool.handler, 0) >= PROOFS

    async def call(self, environment: Environment, call: ToolCall) -> ToolResult:
        """Make a call, in a thread if its handler may be slow."""
        tool = _tool(environment, call.name)
        if tool is None:
            return environment.call(call)
        proofs = self._quick.get(tool.handler, 0)
        if proofs >= PROOFS:
            result, seconds = _timed(environment, call)
            if seconds > QUICK_SECONDS:
                self._quick[tool.handler] = PROOFS - 1 if proofs >= PROOFS + DISTRUST else -DISTRUST
            elif proofs < PROOFS + DISTRUST:
                self._quick[tool.handler] = proofs + 1
            return result
        result, seconds = await to_thread.run_sync(_timed, environment, call, limiter=self.threads)
        known = self._quick.get(tool.handler, 0)  # other calls may have ended meanwhile
        self._quick[tool.handler] = known + 1 if seconds < QUICK_SECONDS else min(known, 0)
        return result


def _tool(environment: Environment, name: str) -> Tool | None:
    setting = environment.setting
    return setting.tools("agent").get(name) or setting.tools("user").get(name)


def _timed(environment: Environment, call: ToolCall) -> tuple[ToolResult, float]:
    """Make a call and measure it where it is made: the wait for a thread is not the handler's."""
    started = time.perf_counter()
    result = environment.call(call)
    return result, time.perf_counter() - started


class PacedStage(LocalStage):
    """An environment whose calls are paced."""

    def __init__(self, environment: Environment, wrappers: Sequence[Wrapper], pace: Pace) -> None:
        super().__init__(environment, wrappers)
        self.pace = pace

    async def _call(self, call: ToolCall) -> ToolResult:
        return await self.pace.call(self.environment, call)
