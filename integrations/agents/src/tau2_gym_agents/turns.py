"""The parts that the adapters share: the policy as instructions, and the new messages of a turn as chat messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from tau2_core import AgentContext, Message
from tau2_core.agents.llm import system_prompt
from tau2_core.llm.chat import as_chat

MOST_REQUESTS = 200  # of one turn; the limits of the run apply to its tool calls


class Turns:
    """The new messages of one episode, turn by turn, for an agent that keeps the earlier ones itself."""

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
    """Creates an agent for each episode from a framework's agent, which calls tools itself during its turns."""

    calls_tools: Literal["itself"] = "itself"
