"""A person at the terminal as the agent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from tau2_core.model.messages import AssistantMessage, Message, ToolCall, ToolMessage
from tau2_core.model.participants import AgentContext
from tau2_core.users.terminal import ask, show

HELP = 'Write to the customer, or call a tool: /name {"argument": "value"}'


class HumanAgent:
    """Shows the policy and the tools once, then asks for a line each turn."""

    def __init__(self, context: AgentContext) -> None:
        self.tools = {tool.name: tool for tool in context.tools}
        show(context.policy)
        show("Tools: " + ", ".join(self.tools))
        if context.ticket:
            show(f"Ticket: {context.ticket}")
        show(HELP)
        self.calls = 0

    async def reply(self, history: Sequence[Message]) -> AssistantMessage:
        if history:
            last = history[-1]
            show(f"{'tool' if isinstance(last, ToolMessage) else 'customer'}: {last.content}")
        while True:
            line = await asyncio.to_thread(ask, "agent> ")
            if not line.startswith("/"):
                return AssistantMessage(content=line)
            name, _, text = line[1:].partition(" ")
            try:
                arguments = json.loads(text or "{}")
            except ValueError as error:
                show(f"the arguments are not JSON: {error}")
                continue
            if isinstance(arguments, dict):
                self.calls += 1
                return AssistantMessage(tool_calls=[ToolCall(id=f"call_{self.calls}", name=name, arguments=arguments)])
            show("the arguments should be a JSON object")
