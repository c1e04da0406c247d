"""Agents that speak A2A: `--agent a2a:URL`, and `--agent a2a-tools:URL` if the agent cannot call MCP tools.

With `a2a` each message has the MCP URL of the episode in its metadata (`mcp_url`), and the agent calls the tools there.
With `a2a-tools` the first message has a data part `{"policy": …, "tools": […]}` (chat-completions functions).
The agent asks for calls with a data part `{"tool_calls": […]}` as in chat completions, and gets their results in a data
part `{"tool_results": [{"tool_call_id": …, "content": …}]}`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from a2a.helpers.proto_helpers import get_data_parts, get_text_parts, new_data_part, new_message, new_text_part
from a2a.types.a2a_pb2 import Message as A2AMessage
from a2a.types.a2a_pb2 import Part, Role, Task, TaskState
from tau2_core import AgentContext, AgentSpec, AssistantMessage, Message, ToolMessage, UsageError, UserMessage
from tau2_core.agents.llm import system_prompt
from tau2_core.llm.chat import tool_calls
from tau2_core.model.llm import Completion, ModelError, ModelFailure

from tau2_gym_agents.a2a_connection import Answer, exchange, is_final, state_name


class FailedTaskError(Exception):
    """The agent ended its A2A task without an answer."""


class A2AAgent:
    """One episode with an A2A agent: one context, and a new task after each that is completed."""

    def __init__(self, url: str, offers_tools: bool, context: AgentContext) -> None:
        self.url = url
        self.offers_tools = offers_tools
        self.context = context
        self.seen = 0
        self.context_id = ""
        self.task_id = ""

    async def reply(self, history: Sequence[Message]) -> AssistantMessage:
        parts = self._parts(history)
        self.seen = len(history)
        message = new_message(parts, self.context_id or None, self.task_id or None, Role.ROLE_USER)
        if not self.offers_tools:
            message.metadata.update({"mcp_url": self.context.mcp_url})
        answer = await exchange(self.url, message, self.context.reply_seconds, self.context.trace_headers())
        self.context_id = answer.context_id or self.context_id
        self.task_id = answer.id if isinstance(answer, Task) and not is_final(answer) else ""
        said = _said(answer)
        calls = [call for data in get_data_parts(said) if isinstance(data, dict) for call in data.get("tool_calls", [])]
        found = Completion(message={"tool_calls": calls if self.offers_tools else []})
        text = "\n".join(get_text_parts(said))
        return AssistantMessage(content=text or None, tool_calls=tool_calls(found, "assistant", len(history)))

    def _parts(self, history: Sequence[Message]) -> list[Part]:
        """Return what the agent has not seen: first all texts, later the customer's texts and the results of calls."""
        new = history[self.seen :]
        texts = [each.content for each in new if isinstance(each, UserMessage) or (not self.seen and each.content)]
        parts = [new_text_part(text) for text in texts if text] or []
        if not self.offers_tools:
            return parts or [new_text_part(self.context.request)]
        results = [
            {"tool_call_id": each.id, "content": each.content or ""} for each in new if isinstance(each, ToolMessage)
        ]
        data: dict[str, Any] = {"tool_results": results} if results else {}
        if not self.seen:
            data["policy"] = system_prompt(self.context)
            data["tools"] = [tool.chat_function() for tool in self.context.tools]
        return [*parts, *([new_data_part(data)] if data else [])]


def _said(answer: Answer) -> list[Part]:
    """Return the parts of an answer. Raises FailedTaskError, or ModelError if the task needs authentication."""
    if isinstance(answer, A2AMessage):
        return list(answer.parts)
    status, words = answer.status, list(answer.status.message.parts)
    if status.state == TaskState.TASK_STATE_AUTH_REQUIRED:
        raise ModelError(ModelFailure.CREDENTIALS, f"the A2A agent requires authentication: {_text(words)}")
    if status.state == TaskState.TASK_STATE_COMPLETED:
        return [part for artifact in answer.artifacts for part in artifact.parts] or words
    if status.state == TaskState.TASK_STATE_INPUT_REQUIRED:
        return words or [part for artifact in answer.artifacts for part in artifact.parts]
    raise FailedTaskError(f"the A2A task is {state_name(answer)}: {_text(words)}")


def _text(parts: Sequence[Part]) -> str:
    return "\n".join(get_text_parts(parts)) or "without a reason"


def _spec(kind: str, url: str) -> AgentSpec:
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise UsageError(f"--agent {kind}:{url}: should be an address such as {kind}:http://127.0.0.1:9000")
    offers_tools = kind == "a2a-tools"
    create = partial(A2AAgent, url, offers_tools)
    return AgentSpec(kind, "an A2A agent", create, calls_tools="in_reply" if offers_tools else "over_mcp")


over_mcp = partial(_spec, "a2a")
with_tools = partial(_spec, "a2a-tools")
