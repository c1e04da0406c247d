"""A person at the terminal as the agent."""

from __future__ import annotations

from collections.abc import Sequence

from tau2_core.model.messages import AssistantMessage, Message, ToolCall
from tau2_core.model.participants import AgentContext
from tau2_core.users.terminal import HOW_TO_CALL, TypedText, ask, show, show_last, show_tools


class HumanAgent:
    """Shows the policy and the tools once, then reads a line for each turn; in solo play, a call."""

    def __init__(self, context: AgentContext) -> None:
        self.solo = context.solo
        self.calls = 0
        show(context.policy)
        show_tools(context.tools)
        if self.solo:
            show(f"Ticket: {context.ticket}")
            show(f"There is no customer to write to; {HOW_TO_CALL}, at the end /done")
        else:
            show(f"Write to the customer; {HOW_TO_CALL}")

    async def reply(self, history: Sequence[Message]) -> AssistantMessage:
        show_last(history, "customer")
        said = await ask("agent> ")
        while self.solo and isinstance(said, TypedText):
            show(f"there is no customer to read that; {HOW_TO_CALL}")
            said = await ask("agent> ")
        if isinstance(said, TypedText):
            return AssistantMessage(content=said.text)
        self.calls += 1
        call = ToolCall(id=f"call_{self.calls}", name=said.name, arguments=said.arguments)
        return AssistantMessage(tool_calls=[call])
