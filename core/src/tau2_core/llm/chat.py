"""Between our messages and chat-completions messages, both ways, for either side of a conversation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tau2_core.model.llm import Completion
from tau2_core.model.messages import (
    AssistantMessage,
    Message,
    ParticipantMessage,
    Requestor,
    ToolCall,
    ToolMessage,
    UserMessage,
)

# What our own messages hold of a provider's; a message with more is kept whole.
STANDARD_KEYS = frozenset({"role", "content", "tool_calls", "function_call", "refusal", "annotations"})
UNPARSABLE = "unparsable_arguments"


def as_chat(history: Sequence[Message], speaker: Requestor) -> list[dict[str, Any]]:
    """Return what a side has seen as its model sees it: its own words as `assistant`, the other's as `user`."""
    own = AssistantMessage if speaker == "assistant" else UserMessage
    messages: list[dict[str, Any]] = []
    for message in history:
        if isinstance(message, ToolMessage):
            messages.append({"role": "tool", "tool_call_id": message.id, "content": message.content or ""})
        elif isinstance(message, own):
            messages.append(_own(message))
        elif isinstance(message, AssistantMessage | UserMessage):
            messages.append({"role": "user", "content": message.content or ""})
    return messages


def _own(message: ParticipantMessage) -> dict[str, Any]:
    if message.provider_message is not None:
        return {**message.provider_message, "role": "assistant"}
    chat: dict[str, Any] = {"role": "assistant", "content": message.content}
    if message.tool_calls:
        chat["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
            }
            for call in message.tool_calls
        ]
    return chat


def tool_calls(completion: Completion, speaker: Requestor, first: int) -> list[ToolCall] | None:
    """Return a completion's tool calls, None if it has none.

    Arguments that are no JSON object become one that no tool takes, so that the model gets an error that it can read
    and the record keeps what it wrote. `first` numbers calls that came without an id.
    """
    calls = []
    for index, raw in enumerate(completion.message.get("tool_calls") or []):
        function = raw.get("function") or {}
        identity = raw.get("id") or f"call_{first + index}"
        calls.append(
            ToolCall(
                id=identity,
                name=function.get("name") or "",
                arguments=_arguments(function.get("arguments")),
                requestor=speaker,
            )
        )
    return calls or None


def _arguments(text: Any) -> dict[str, Any]:
    if isinstance(text, dict):
        return text
    try:
        value = json.loads(text or "{}")
    except (ValueError, TypeError, RecursionError):
        return {UNPARSABLE: str(text)}
    return value if isinstance(value, dict) else {UNPARSABLE: str(text)}


def text_of(completion: Completion) -> str | None:
    """Return a completion's text; parts of a list are joined."""
    content = completion.message.get("content")
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if isinstance(part, dict)) or None
    return content if isinstance(content, str) else None
