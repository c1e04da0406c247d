"""A tool backend: where tool calls of a conversation are carried out, here in process, elsewhere behind a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tau2_core.episode.environment import Environment
from tau2_core.errors import Tau2GymError
from tau2_core.hookspecs import Proceed
from tau2_core.model.messages import ToolCall
from tau2_core.model.tools import ToolResult
from tau2_core.plugins.catalogue import Wrapper


class BrokenOffError(Tau2GymError):
    """The episode behind a backend has ended in the middle of a call; the message says why."""


class ToolBackend(Protocol):
    """One private world that a conversation acts on."""

    async def call(self, call: ToolCall) -> ToolResult:
        """Carry out a call; whatever goes wrong with it is an error result."""

    async def settle(self) -> None:
        """Let effects spread between the databases, where a call has left that to do."""

    async def digests(self) -> dict[str, str]:
        """Return each side's digest."""


class LocalBackend:
    """An environment of this process, with the plugins' wrappers around its calls."""

    def __init__(self, environment: Environment, wrappers: Sequence[Wrapper] = ()) -> None:
        self.environment = environment
        self._proceed = wrapped(self._call, wrappers)

    async def _call(self, call: ToolCall) -> ToolResult:
        return self.environment.call(call)

    async def call(self, call: ToolCall) -> ToolResult:
        return await self._proceed(call)

    async def settle(self) -> None:
        self.environment.settle()

    async def digests(self) -> dict[str, str]:
        return self.environment.digests()


def wrapped(proceed: Proceed, wrappers: Sequence[Wrapper]) -> Proceed:
    """Return a call with wrappers around it, the first one outermost."""
    for wrapper in reversed(wrappers):
        proceed = _around(wrapper, proceed)
    return proceed


def _around(wrapper: Wrapper, inner: Proceed) -> Proceed:
    async def call(tool_call: ToolCall) -> ToolResult:
        result: ToolResult = await wrapper(tool_call, inner)
        return result

    return call
