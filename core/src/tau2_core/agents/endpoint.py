"""Agents behind an OpenAI-compatible endpoint that call the tools themselves over MCP: `--agent http:URL`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from urllib.parse import urlsplit

from tau2_core.agents.llm import system_prompt
from tau2_core.errors import UsageError
from tau2_core.llm.chat import Chat
from tau2_core.llm.reply import ModelReply
from tau2_core.model.messages import AssistantMessage, Message
from tau2_core.model.participants import AgentContext
from tau2_core.model.registrations import AgentSpec

SCHEMES = ("http", "https")


class EndpointAgent:
    """Sends the policy and the conversation with the episode's MCP URL, and takes the text of the answer."""

    def __init__(self, context: AgentContext) -> None:
        assert context.model is not None
        self.model = context.model
        self.mcp_url = context.mcp_url
        self.solo, self.request = context.solo, context.request
        self.chat = Chat(system_prompt(context), "assistant")

    async def reply(self, history: Sequence[Message]) -> AssistantMessage:
        chat = self.chat.messages(history)
        if len(chat) == 1:
            chat.append({"role": "user", "content": self.request})
        answer = await self.model.complete(chat, mcp_url=self.mcp_url)  # once: it may have called tools
        return AssistantMessage(**ModelReply(answer, "assistant", len(chat)).fields())


def address_of(name: str) -> str | None:
    """Return the address if the agent is named by one, None otherwise. Raises UsageError for an invalid address.

    `http:URL` and the plain URL mean the same.
    """
    kind, colon, target = name.partition(":")
    if kind not in SCHEMES or not colon or not target:
        return None
    url = name if target.startswith("//") else target
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise UsageError(
            f"--agent {kind}:{target}: should be an address such as http:http://127.0.0.1:9000/v1; keys go into "
            "--agent-args '{\"api_key\": …}'"
        )
    return url


def spec(kind: str, target: str) -> AgentSpec:
    """Return the agent at an address. Raises UsageError if it is not an address."""
    address_of(f"{kind}:{target}")
    return AgentSpec(kind, "an agent at an address", EndpointAgent, needs_model=True, calls_tools="over_mcp")


http = partial(spec, "http")
https = partial(spec, "https")
