"""An agent that calls tools itself while it replies, in this process or over MCP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tau2_core.episode.record_checks import error_if_unrecordable
from tau2_core.model.messages import AssistantMessage, Message
from tau2_core.model.participants import Agent
from tau2_core.model.tools import Failure, ToolResult

if TYPE_CHECKING:
    from tau2_core.episode.conversation import Conversation


class SelfCallingAgent:
    """Wraps an agent, and makes the tool calls that the agent requests during its turns.

    Calls are made one after the other, and to their end even if the agent stops waiting for one. Calls outside its turn
    are refused without effect. If a call ends the episode, by a limit or by `done`, the turn is over: the reply is
    cancelled and never becomes a message.
    """

    def __init__(self) -> None:
        self.conversation: Conversation | None = None  # set before the first turn
        self._agent: Agent | None = None
        self._turn: asyncio.Timeout | None = None
        self._making: asyncio.Task[ToolResult] | None = None
        self._one_at_a_time = asyncio.Lock()

    def of(self, agent: Agent) -> SelfCallingAgent:
        """Wrap this agent; the object then takes the agent's place in the conversation."""
        self._agent = agent
        return self

    async def reply(self, history: Sequence[Message]) -> AssistantMessage | str:
        """Let the agent answer, and allow calls meanwhile. If one of them ends the episode, the answer is empty."""
        assert self._agent is not None
        turn = asyncio.timeout(None)
        try:
            async with turn:
                self._turn = turn
                return await self._agent.reply(history)
        except TimeoutError:
            if not turn.expired():
                raise
            return AssistantMessage()  # the conversation drops it, like any reply that comes too late
        except BaseException:
            if self._making is not None:
                self._making.cancel()
            raise
        finally:
            self._turn = None
            if self._making is not None:
                await asyncio.wait([self._making])

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Make one tool call. Every failure is an error result."""
        refusal = error_if_unrecordable(name, dict(arguments), strict=True)
        if refusal is not None:
            return refusal
        async with self._one_at_a_time:
            if self._turn is None or self._over():
                return _refused("the episode has ended" if self._over() else "it is not the agent's turn")
            self._making = asyncio.create_task(self._make(name, dict(arguments)))
            try:
                return await asyncio.shield(self._making)
            except asyncio.CancelledError:
                if self._making.cancelled():
                    return _refused("the agent's turn was broken off")
                raise
            finally:
                await asyncio.wait([self._making])
                self._making = None

    async def _make(self, name: str, arguments: dict[str, Any]) -> ToolResult:
        assert self.conversation is not None
        result = await self.conversation.perform("agent", name, arguments)
        if self._over() and self._turn is not None:
            self._turn.reschedule(asyncio.get_running_loop().time())
        return result

    def _over(self) -> bool:
        return self.conversation is None or self.conversation.termination is not None


def _refused(why: str) -> ToolResult:
    return ToolResult(f"Error: {why}", Failure.REFUSED, {"code": "refused"})
