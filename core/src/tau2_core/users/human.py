"""A person at the terminal as the customer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tau2_core.model.messages import Message, UserMessage
from tau2_core.model.participants import STOP_TOKENS, UserContext
from tau2_core.users.terminal import ask, show


class HumanUser:
    """Shows the scenario once, then asks for a line each turn."""

    def __init__(self, context: UserContext) -> None:
        show(context.scenario.text())
        show(f"Write to the agent; end with one of {', '.join(STOP_TOKENS)}")

    async def reply(self, history: Sequence[Message]) -> UserMessage:
        if history:
            show(f"agent: {history[-1].content}")
        return UserMessage(content=await asyncio.to_thread(ask, "customer> "))
