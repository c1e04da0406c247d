"""Tool backends: where a conversation's tool calls are executed, in this process or behind a server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from tau2_core.episode.environment import Environment
from tau2_core.errors import Tau2GymError
from tau2_core.hookspecs import Proceed
from tau2_core.model.knowledge import SearchContext
from tau2_core.model.llm import Model, ModelRole
from tau2_core.model.messages import ToolCall
from tau2_core.model.tools import Role, Tool, ToolResult
from tau2_core.plugins.hook_functions import Wrapper
from tau2_core.watchdog import running


class BrokenOffError(Tau2GymError):
    """The episode behind a backend has ended during a call; the message says why."""


class ToolBackend(Protocol):
    """Executes the tool calls of one episode."""

    @property
    def unlocked_so_far(self) -> Mapping[Role, Iterable[str]]:
        """The hidden tools that have been unlocked, by side, as known without a question to a server.

        A server is only asked for them in a variant that lists them.
        """

    async def call(self, call: ToolCall) -> ToolResult:
        """Execute a call. Every failure is an error result."""

    def use(self, models: Mapping[ModelRole, Model]) -> None:
        """Take the models that searches of this episode may ask."""

    def close(self) -> None:
        """Close what calls have kept open until the end of the episode, such as a folder of its own."""

    async def settle(self) -> None:
        """Run the sync between the databases, if a call has left it undone."""

    async def digests(self) -> dict[str, str]:
        """Return each side's digest."""

    async def unlocked(self) -> dict[str, list[str]]:
        """Return the hidden tools that have been unlocked, by side; a side without any is left out."""


class LocalBackend:
    """An environment in this process, with the plugins' wrappers around its calls."""

    def __init__(self, environment: Environment, wrappers: Sequence[Wrapper] = ()) -> None:
        self.environment = environment
        self._search = SearchContext()
        self._proceed = wrapped(self._call, wrappers)

    @property
    def unlocked_so_far(self) -> Mapping[Role, Iterable[str]]:
        return self.environment.unlocked

    async def _call(self, call: ToolCall) -> ToolResult:
        tool = await self._answered(call)
        with running(f"the handler of {call.name}"):
            return self.environment.call_tool(tool, call)

    async def _answered(self, call: ToolCall) -> Tool | None:
        """Return a call's tool; one that waits for something has its answer by then. Raises ModelError."""
        waiting = self.environment.waiting(call)
        if waiting is None:
            return self.environment.route(call)
        tool, search = waiting
        return replace(tool, handler=await search.answer(call.arguments, self._search))

    def use(self, models: Mapping[ModelRole, Model]) -> None:
        self._search = replace(self._search, models=models)

    def close(self) -> None:
        self._search.closing.close()

    async def call(self, call: ToolCall) -> ToolResult:
        return await self._proceed(call)

    async def settle(self) -> None:
        if self.environment.unsynced:
            with running("a sync"):
                self.environment.settle()

    async def digests(self) -> dict[str, str]:
        return self.environment.digests()

    async def unlocked(self) -> dict[str, list[str]]:
        return self.environment.all_unlocked()


def wrapped(proceed: Proceed, wrappers: Sequence[Wrapper]) -> Proceed:
    """Return a call with wrappers around it, the first one outermost."""
    for wrapper in reversed(wrappers):
        proceed = _around(wrapper, proceed)
    return proceed


def _around(wrapper: Wrapper, inner: Proceed) -> Proceed:
    async def proceed(tool_call: ToolCall) -> ToolResult:
        with running(None):
            return await inner(tool_call)

    async def call(tool_call: ToolCall) -> ToolResult:
        with running("a wrapper of tool calls"):
            result: ToolResult = await wrapper(tool_call, proceed)
        return result

    return call
