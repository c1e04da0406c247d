"""Faults of tool calls, drawn with a seed at a given rate. Also an example of a plugin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from tau2_core.hookspecs import Proceed, hookimpl
from tau2_core.model.registrations import FaultSpec
from tau2_core.model.tools import Failure, ToolResult

if TYPE_CHECKING:
    from tau2_core.model.messages import ToolCall

LATENCY_SECONDS = 2.0
KEPT_CHARACTERS = 200


@hookimpl
def tau2_faults() -> list[FaultSpec]:
    return [
        FaultSpec("tool-error", "a call fails and has no effect", tool_error),
        FaultSpec("latency", f"a call takes up to {LATENCY_SECONDS:g} s longer", latency),
        FaultSpec("truncated", f"a result is cut off after {KEPT_CHARACTERS} characters", truncated),
    ]


def tool_error(rate: float, seed: str) -> Callable[..., Any]:
    """Return a wrapper that makes calls fail before they reach the world."""
    random = Random(f"tool-error/{seed}")

    async def wrapper(call: ToolCall, proceed: Proceed) -> ToolResult:
        if random.random() >= rate:
            return await proceed(call)
        text = f"Error: {call.name} is not available at the moment; try again"
        return ToolResult(text, Failure.REFUSED, {"code": "injected"}, skipped=True)

    return wrapper


def latency(rate: float, seed: str) -> Callable[..., Any]:
    """Return a wrapper that delays calls."""
    import asyncio  # here, since every command imports this module

    random = Random(f"latency/{seed}")

    async def wrapper(call: ToolCall, proceed: Proceed) -> ToolResult:
        if random.random() < rate:
            await asyncio.sleep(random.uniform(0.0, LATENCY_SECONDS))
        return await proceed(call)

    return wrapper


def truncated(rate: float, seed: str) -> Callable[..., Any]:
    """Return a wrapper that truncates results; the calls take effect all the same."""
    random = Random(f"truncated/{seed}")

    async def wrapper(call: ToolCall, proceed: Proceed) -> ToolResult:
        result = await proceed(call)
        if random.random() >= rate or len(result.content) <= KEPT_CHARACTERS:
            return result
        return replace(result, content=result.content[:KEPT_CHARACTERS] + " …[cut off]")

    return wrapper
