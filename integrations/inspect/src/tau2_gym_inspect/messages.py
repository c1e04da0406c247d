"""Convert our messages to Inspect's."""

from __future__ import annotations

import json
from collections.abc import Iterable

from inspect_ai.model import ChatMessage, ChatMessageAssistant, ChatMessageSystem, ChatMessageTool, ChatMessageUser
from inspect_ai.tool import ToolCall as InspectCall
from inspect_ai.tool import ToolCallError
from tau2_core import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage


def inspect_messages(messages: Iterable[Message], *, model: str | None = None) -> list[ChatMessage]:
    """Return messages of a conversation as chat messages; `model` is the agent's.

    Users have no tools in Inspect, so a customer's calls are written as text, with their results.
    """
    found: list[ChatMessage] = []
    names: dict[str, str] = {}
    for message in messages:
        if isinstance(message, ToolMessage) and message.requestor == "user":
            found.append(ChatMessageUser(content=f"→ {message.content or ''}"))
        elif isinstance(message, ToolMessage):
            found.append(_result(message, names.get(message.id)))
        elif isinstance(message, AssistantMessage):
            calls = [
                InspectCall(id=call.id, function=call.name, arguments=call.arguments)
                for call in message.tool_calls or []
            ]
            names |= {call.id: call.function for call in calls}
            content = message.content or ""
            found.append(ChatMessageAssistant(content=content, tool_calls=calls or None, model=model))
        elif isinstance(message, UserMessage):
            lines = [message.content or "", *map(_written, message.tool_calls or [])]
            found.append(ChatMessageUser(content="\n".join(filter(None, lines))))
        else:
            found.append(ChatMessageSystem(content=message.content or ""))
    return found


def tool_error(text: str) -> ToolCallError:
    """Return a failed call's error, which the model reads."""
    return ToolCallError("unknown", text)


def _written(call: ToolCall) -> str:
    return f"{call.name}({json.dumps(call.arguments, ensure_ascii=False)})"


def _result(message: ToolMessage, name: str | None) -> ChatMessageTool:
    content = message.content or ""
    error = tool_error(content) if message.error else None
    return ChatMessageTool(content=content, tool_call_id=message.id, function=name, error=error)
