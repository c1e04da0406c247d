"""A person at the terminal as the customer."""

from __future__ import annotations

from collections.abc import Sequence

from tau2_core.model.messages import Message, ToolCall, UserMessage
from tau2_core.model.participants import STOP_TOKENS, UserContext
from tau2_core.users.terminal import HOW_TO_CALL, TypedText, ask, show, show_last, show_tools


class HumanUser:
    """Shows the scenario and the customer's own tools once, then reads a line for each turn."""

    def __init__(self, context: UserContext) -> None:
        show(context.scenario.text())
        show(f"Write to the agent; end with one of {', '.join(STOP_TOKENS)}")
        if context.tools:
            show(f"You have tools of your own; {HOW_TO_CALL}")
            show_tools(context.tools)
        self.calls = 0

    async def reply(self, history: Sequence[Message]) -> UserMessage:
        show_last(history, "agent")
        said = await ask("customer> ")
        if isinstance(said, TypedText):
            return UserMessage(content=said.text)
        self.calls += 1
        call = ToolCall(id=f"user_call_{self.calls}", name=said.name, arguments=said.arguments, requestor="user")
        return UserMessage(tool_calls=[call])
