"""Baselines that only talk: one refuses every request, the others say every possible answer."""

from __future__ import annotations

from collections.abc import Sequence

from tau2_core.agents.oracle import Oracle
from tau2_core.episode.solo import DONE
from tau2_core.model.messages import AssistantMessage, Message, ToolCall
from tau2_core.model.participants import AgentContext

REFUSAL = "I am sorry, but our policy does not allow what you ask for. I cannot do this for you."
LARGEST = 1000


class AlwaysRefuse:
    """Refuses politely without looking anything up, then says nothing more."""

    def __init__(self, context: AgentContext) -> None:
        self.solo = context.solo

    async def reply(self, history: Sequence[Message]) -> AssistantMessage:
        if self.solo:
            return AssistantMessage(tool_calls=[ToolCall(id="call_1", name=DONE, arguments={})])
        return AssistantMessage(content=REFUSAL)


def every_answer(known: Sequence[str]) -> str:
    """Return one message with all numbers up to a thousand and all values that a pack's tasks require."""
    return ", ".join([*(str(number) for number in range(1, LARGEST + 1)), *dict.fromkeys(known)])


class ListAnswers:
    """Calls nothing and says every possible value, hoping that the right one is among them."""

    def __init__(self, message: str, context: AgentContext) -> None:
        self.message = message

    async def reply(self, history: Sequence[Message]) -> AssistantMessage:
        return AssistantMessage(content=self.message)


class DoAndListAnswers(Oracle):
    """Makes the gold calls, then says every possible value instead of the right one."""

    def __init__(self, message: str, context: AgentContext) -> None:
        super().__init__(context)
        self.message = message

    def _closing(self) -> str:
        return self.message
