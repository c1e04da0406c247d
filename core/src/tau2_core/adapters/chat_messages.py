"""Conversion between recorded messages and chat-completions messages of both sides."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tau2_core.llm.chat import UNPARSABLE, chat_call
from tau2_core.model.messages import (
    AssistantMessage,
    Message,
    Requestor,
    SystemMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
)

SPEAKERS: Mapping[Requestor, type[AssistantMessage] | type[UserMessage]] = {
    "assistant": AssistantMessage,
    "user": UserMessage,
}


def recorded_messages(messages: Iterable[Mapping[str, Any]]) -> list[Message]:
    """Return the messages of both sides and of their tools; system and developer messages are left out.

    A tool message belongs to the side whose calls it follows, since chat completions do not name the caller. Its keys
    `requestor`, `error` and `skipped`, which are ours, are read too.
    """
    found: list[Message] = []
    waiting, caller = 0, ""
    for message in messages:
        role = message.get("role")
        if role == "tool":
            answers_user = message.get("requestor") == "user" or (waiting > 0 and caller == "user")
            waiting -= 1
            found.append(_result(message, "user" if answers_user else "assistant"))
        elif role in ("assistant", "user"):
            speaker: Requestor = "user" if role == "user" else "assistant"
            calls = [_call(each, speaker) for each in message.get("tool_calls") or []]
            waiting, caller = len(calls), role
            found.append(SPEAKERS[speaker](content=text_of(message.get("content")), tool_calls=calls or None))
    return found


def text_of(content: str | list[Any] | None) -> str:
    """Return the text parts of a content as one text."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content)
    return content or ""


def _result(message: Mapping[str, Any], requestor: Requestor) -> ToolMessage:
    return ToolMessage(
        id=message.get("tool_call_id") or "",
        content=text_of(message.get("content")),
        requestor=requestor,
        error=bool(message.get("error")),
        skipped=bool(message.get("skipped")) or None,
    )


def _call(call: Mapping[str, Any], requestor: Requestor) -> ToolCall:
    function = call.get("function") or {}
    text = function.get("arguments") or "{}"
    try:
        arguments = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        arguments = {UNPARSABLE: str(text)}
    return ToolCall(
        id=str(call.get("id") or ""), name=str(function.get("name") or ""), arguments=arguments, requestor=requestor
    )


def chat_form(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Return a recorded conversation as chat-completions messages of both sides, as `recorded_messages` reads them."""
    return [_in_chat_form(message) for message in messages]


def _in_chat_form(message: Message) -> dict[str, Any]:
    if isinstance(message, ToolMessage):
        own = {"requestor": message.requestor, "error": message.error, "skipped": message.skipped}
        kept = {key: value for key, value in own.items() if value and value != "assistant"}
        return {"role": "tool", "tool_call_id": message.id, "content": message.content or "", **kept}
    chat: dict[str, Any] = {"role": message.role, "content": message.content}
    if not isinstance(message, SystemMessage) and message.tool_calls:
        chat["tool_calls"] = [chat_call(call) for call in message.tool_calls]
    return chat
