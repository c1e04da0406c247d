"""Tool backends: where a conversation's tool calls are executed, in this process or behind a server."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from tau2_core.episode.environment import Environment
from tau2_core.errors import Tau2GymError
from tau2_core.hookspecs import Proceed
from tau2_core.model.knowledge import SearchContext
from tau2_core.model.llm import Model, ModelRole
from tau2_core.model.messages import ToolCall
from tau2_core.model.tools import Role, Tool, ToolResult
from tau2_core.packs.retrieval import AwaitedSearching
from tau2_core.plugins.hook_functions import Wrapper
from tau2_core.runtime.watchdog import running_code


class BrokenOffError(Tau2GymError):
    """The episode behind a backend has ended during a call; the message says why."""


class ToolBackend(Protocol):
    """Executes the tool calls of one episode."""

    @property
    def unlocked_so_far(self) -> Mapping[Role, Iterable[str]]:
        """The hidden tools that have been unlocked, by side, as far as known without asking a server.

        A server is only asked for them in a variant that lists them.
        """

    def call(self, call: ToolCall) -> Awaitable[ToolResult]:
        """Execute a call. Every failure is an error result."""

    def use(self, models: Mapping[ModelRole, Model]) -> None:
        """Set the models that searches of this episode may use."""

    def close(self) -> None:
        """Close everything that calls keep open until the end of the episode, such as the episode's own folder."""

    @property
    def unsettled(self) -> bool:
        """Whether a call has left the sync between the databases undone."""

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
        self._wrappers = wrappers
        self._models: Mapping[ModelRole, Model] = {}
        self._search: SearchContext | None = None

    @property
    def unlocked_so_far(self) -> Mapping[Role, Iterable[str]]:
        return self.environment.unlocked

    async def _call(self, call: ToolCall) -> ToolResult:
        tool = self.environment.route(call)
        search = self.environment.awaited(tool, call)
        if tool is not None and search is not None:
            tool = await self._answered(tool, search, call)
        with running_code(f"the handler of {call.name}"):
            return self.environment.call_tool(tool, call)

    async def _answered(self, tool: Tool, search: AwaitedSearching, call: ToolCall) -> Tool:
        """Return a tool whose handler gives the answer of a search to a call. Raises ModelError."""
        if self._search is None:
            self._search = SearchContext(self._models)
        return replace(tool, handler=await search.answer(call.arguments, self._search))

    def use(self, models: Mapping[ModelRole, Model]) -> None:
        self._models = models

    def close(self) -> None:
        if self._search is not None:
            self._search.closing.close()

    def call(self, call: ToolCall) -> Coroutine[Any, Any, ToolResult]:
        return self._call_wrapped(call) if self._wrappers else self._call(call)

    async def _call_wrapped(self, call: ToolCall) -> ToolResult:
        return await wrapped(self._call, self._wrappers)(call)

    @property
    def unsettled(self) -> bool:
        return self.environment.unsynced

    async def settle(self) -> None:
        with running_code("a sync"):
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
        with running_code(None):
            return await inner(tool_call)

    async def call(tool_call: ToolCall) -> ToolResult:
        with running_code("a wrapper of tool calls"):
            result: ToolResult = await wrapper(tool_call, proceed)
        return result

    return call
