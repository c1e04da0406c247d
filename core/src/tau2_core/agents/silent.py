"""The silent agent: a baseline that does nothing and must not pass a sound task."""

from __future__ import annotations

from collections.abc import Sequence

from tau2_core.episode.solo import DONE
from tau2_core.model.messages import AssistantMessage, Message, ToolCall
from tau2_core.model.participants import AgentContext


class Silent:
    """Answers every message with an ellipsis; in solo play it finishes at once."""

    def __init__(self, context: AgentContext) -> None:
        self.solo = context.solo

    async def reply(self, history: Sequence[Message]) -> AssistantMessage:
        if self.solo:
            return AssistantMessage(tool_calls=[ToolCall(id="call_1", name=DONE, arguments={})])
        return AssistantMessage(content="…")
