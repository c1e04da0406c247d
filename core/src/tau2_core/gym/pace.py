"""Keeping a slow handler from holding up other worlds, without making the quick ones pay for it."""

from __future__ import annotations

import time
from weakref import WeakKeyDictionary

import anyio

from tau2_core.episode.stage import LocalStage
from tau2_core.model.messages import ToolCall
from tau2_core.model.tools import Handler, ToolResult

QUICK_SECONDS = 0.01
PROOFS = 3
DISTRUST = 100

# How often in a row a handler was quick; far below zero once it was slow where others had to wait for it.
_quick: WeakKeyDictionary[Handler, int] = WeakKeyDictionary()


class PacedStage(LocalStage):
    """Runs a handler in a worker thread until it has proved quick three times, then where it is called.

    A thread costs more than most handlers do. One that turns out slow later goes back to threads for a hundred calls.
    """

    async def _call(self, call: ToolCall) -> ToolResult:
        setting = self.environment.setting
        tool = setting.tools("agent").get(call.name) or setting.tools("user").get(call.name)
        if tool is None:
            return self.environment.call(call)
        proofs = _quick.get(tool.handler, 0)
        started = time.perf_counter()
        if proofs >= PROOFS:
            result = self.environment.call(call)
            if time.perf_counter() - started > QUICK_SECONDS:
                _quick[tool.handler] = -DISTRUST
            return result
        result = await anyio.to_thread.run_sync(self.environment.call, call)
        quick = time.perf_counter() - started < QUICK_SECONDS
        _quick[tool.handler] = proofs + 1 if quick else min(proofs, 0)
        return result
