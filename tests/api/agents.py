"""Agents of a program, and the task that they play."""

from __future__ import annotations

from collections.abc import Sequence

from tau2_core import (
    AgentContext,
    AssistantMessage,
    Message,
    ToolCall,
    UserMessage,
)

TASK = "complete_task"
RIGHT = {"task_id": "task_5", "status": "completed"}


async def complete(history: Sequence[Message]) -> AssistantMessage | str:
    """Serve the task without a model."""
    if isinstance(history[-1], UserMessage):
        return AssistantMessage(tool_calls=[ToolCall(id="1", name="update_task_status", arguments=RIGHT)])
    return "It is done."


class Complete:
    """The same agent as an object."""

    def __init__(self, context: AgentContext | None = None) -> None:
        self.context = context

    async def reply(self, history: Sequence[Message]) -> AssistantMessage:
        said = await complete(history)
        return AssistantMessage(content=said) if isinstance(said, str) else said
