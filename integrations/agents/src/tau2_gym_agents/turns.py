"""What the adapters share: the policy as instructions, and what an agent has not seen yet, as chat messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from tau2_core import AgentContext, Message
from tau2_core.agents.llm import system_prompt
from tau2_core.llm.chat import as_chat

MOST_REQUESTS = 200  # of one turn; the limits of the run apply to its tool calls


class Turns:
    """The conversation of one episode as an agent with a memory of its own needs it: only what is new."""

    def __init__(self, context: AgentContext) -> None:
        self.instructions = system_prompt(context)
        self.request = context.request
        self._seen = 0

    def new(self, history: Sequence[Message]) -> list[dict[str, Any]]:
        """Return what came since the last turn: at first everything, then only what the customer said."""
        chat = as_chat(history[self._seen :], "assistant")
        if self._seen:
            chat = [message for message in chat if message["role"] == "user"]
        self._seen = len(history)
        return chat or [{"role": "user", "content": self.request}]


class Adapter:
    """Makes an agent for each episode from an agent of a framework. Its tool calls are its own, during its turns."""

    calls_tools: Literal["itself"] = "itself"
