"""The random agent: seeded random calls that fit the schemas."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from tau2_core.agents.sampling import sample_arguments
from tau2_core.model.messages import AssistantMessage, Message, ToolCall
from tau2_core.model.participants import AgentContext

CALLS = 12
_WORD = re.compile(r"[\w#.+-]{3,}")


class RandomCalls:
    """Makes up to twelve calls of random tools, using words from the conversation as texts, then only talks."""

    def __init__(self, context: AgentContext) -> None:
        self.tools = [tool for tool in context.tools if not tool.transfers]
        self.random = Random(context.seed)
        self.calls = 0

    async def reply(self, history: Sequence[Message]) -> AssistantMessage:
        if self.tools and self.calls < CALLS and self.random.random() < 0.9:
            self.calls += 1
            tool = self.random.choice(self.tools)
            arguments = sample_arguments(tool.parameters, self.random, _words(history))
            return AssistantMessage(tool_calls=[ToolCall(id=f"call_{self.calls}", name=tool.name, arguments=arguments)])
        return AssistantMessage(content="Let me see what I can do for you.")


def _words(history: Sequence[Message]) -> list[str]:
    return list(dict.fromkeys(word for message in history for word in _WORD.findall(message.content or ""))) or [
        "unknown"
    ]
