"""An agent played by a language model (spec/conversation.md, 8 and 9)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tau2_core.errors import UsageError
from tau2_core.llm.chat import Chat, chat_tools
from tau2_core.llm.prompts import own_prompt
from tau2_core.llm.reply import request_reply
from tau2_core.model.messages import AssistantMessage, Message
from tau2_core.model.participants import SOLO_REQUEST, AgentContext


class LLMAgent:
    """The model gets the instructions, the policy and the tools; in solo play the ticket, and must always call a tool.

    `system` replaces the system message. With `user_first` in the context the model does not see the opening line, and
    the request of solo play stays before its own messages.
    """

    def __init__(self, context: AgentContext, system: str | None = None) -> None:
        if context.model is None:
            raise UsageError("agent 'llm' needs a model: --agent-model PROVIDER/NAME")
        self.model = context.model
        self.tools = context.tools
        self.options = {"tool_choice": "required"} if context.solo else {}
        self.request = context.request
        self.solo, self.user_first = context.solo, context.user_first
        self.chat = Chat(system_prompt(context) if system is None else system, "assistant")

    async def reply(self, history: Sequence[Message]) -> AssistantMessage:
        chat = self.chat.messages(history)
        if self.user_first:
            self._begin_with_user(chat)
        elif len(chat) == 1 and self.request:
            chat.append({"role": "user", "content": self.request})
        speech = await request_reply(self.model, chat, chat_tools(tuple(self.tools)), "assistant", **self.options)
        return AssistantMessage(**speech.fields())

    def _begin_with_user(self, chat: list[dict[str, Any]]) -> None:
        if self.solo:
            chat.insert(1, {"role": "user", "content": self.request or SOLO_REQUEST})
        elif len(chat) > 1 and chat[1]["role"] == "assistant" and not chat[1].get("tool_calls"):
            del chat[1]


def system_prompt(context: AgentContext) -> str:
    """Return the agent's system message."""
    instruction = context.instruction or own_prompt("agent", solo=context.solo)
    sections = [("instructions", instruction), ("policy", context.policy)]
    if context.solo:
        sections.append(("ticket", context.ticket or ""))
    return "\n".join(f"<{tag}>\n{text}\n</{tag}>" for tag, text in sections)
