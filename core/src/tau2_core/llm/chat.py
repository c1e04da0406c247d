"""Conversion between our messages and chat-completions messages, for either side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import is_not
from typing import Any

from pydantic_core import from_json

from tau2_core.llm.thinking import said_in_parts, split_thinking
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
from tau2_core.model.tools import Tool

# Fields of an assistant's message, and of its tool calls, that every chat-completions endpoint accepts.
STANDARD_FIELDS = frozenset({"role", "content", "tool_calls", "name", "refusal"})
STANDARD_CALL_FIELDS = frozenset({"id", "type", "function"})
_MEANINGLESS = frozenset({"annotations", "function_call", "index"})
_OWN_CHOICE = ("tool_choice", "response_format")  # values in the settings win; null removes them
UNPARSABLE = "unparsable_arguments"
CUT_OFF = "arguments_cut_off_by_token_limit"


class Chat:
    """The messages for one side's model. Only the new part of a growing history is converted."""

    def __init__(self, system: str, speaker: Requestor) -> None:
        self.system = {"role": "system", "content": system}
        self.speaker = speaker
        self._history: list[Message] = []
        self._messages: list[dict[str, Any]] = []

    def messages(self, history: Sequence[Message]) -> list[dict[str, Any]]:
        """Return the system message and the history as chat messages."""
        known = len(self._history)
        if known > len(history) or any(map(is_not, self._history, history)):
            known = 0
        self._messages = [*self._messages[:known], *as_chat(history[known:], self.speaker)]
        self._history = [*history]
        return [self.system, *self._messages]


@lru_cache(maxsize=64)
def chat_tools(tools: tuple[Tool, ...]) -> tuple[dict[str, Any], ...]:
    """Return tools as chat-completions functions. They are cached and must not be changed."""
    return tuple(tool.chat_function() for tool in tools)


def as_chat(history: Sequence[Message], speaker: Requestor) -> list[dict[str, Any]]:
    """Return a history for a side's model: its own messages as `assistant`, the other side's as `user`."""
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
        chat["tool_calls"] = [chat_call(call) for call in message.tool_calls]
    return chat


def chat_call(call: ToolCall) -> dict[str, Any]:
    """Return a call as a message of chat completions holds it."""
    function = {"name": call.name, "arguments": json.dumps(call.arguments)}
    return {"id": call.id, "type": "function", "function": function}


def provider_message(completion: Completion, calls: Sequence[ToolCall] | None) -> dict[str, Any] | None:
    """Return the provider's message for later requests, if it contains more than the standard fields.

    Only parts that would make it unusable are repaired: arguments that are not a JSON object, and missing ids.
    """
    message = {key: value for key, value in completion.message.items() if key not in _MEANINGLESS}
    raw = message.get("tool_calls") or []
    more = (
        message.keys() - STANDARD_FIELDS
        or isinstance(message.get("content"), list)  # its parts may be thinking
        or any(each.keys() - STANDARD_CALL_FIELDS - _MEANINGLESS for each in raw)
    )
    if not more:
        return None
    if calls:
        message["tool_calls"] = [_repaired(each, call) for each, call in zip(raw, calls, strict=True)]
    return message


def _repaired(raw: dict[str, Any], call: ToolCall) -> dict[str, Any]:
    function = raw.get("function") or {}
    if raw.get("id") == call.id and function.get("name") and not {UNPARSABLE, CUT_OFF} & call.arguments.keys():
        return raw
    return {**raw, **chat_call(call)}


def standard_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return an assistant's message without provider-specific fields."""
    plain = {key: value for key, value in message.items() if key in STANDARD_FIELDS}
    if isinstance(plain.get("content"), list):
        plain["content"] = said_in_parts(plain["content"])
    if plain.get("tool_calls"):
        plain["tool_calls"] = [
            {key: value for key, value in call.items() if key in STANDARD_CALL_FIELDS} for call in plain["tool_calls"]
        ]
    return plain


def tool_calls(completion: Completion, speaker: Requestor, first: int) -> list[ToolCall] | None:
    """Return a completion's tool calls, None if it has none.

    Arguments that are not a JSON object are wrapped in an object that no tool accepts, so that the model gets a
    readable error and the record keeps the text. The same applies to the last call of an answer that the token limit
    cut off, which may not be what the model meant. Calls without an id are numbered from `first`.
    """
    raw_calls = completion.message.get("tool_calls") or []
    calls = []
    for index, raw in enumerate(raw_calls):
        function = raw.get("function") or {}
        arguments = function.get("arguments")
        cut_off = completion.cut_off and index == len(raw_calls) - 1
        calls.append(
            ToolCall(
                id=raw.get("id") or f"call_{first + index}",
                name=function.get("name") or "",
                arguments={CUT_OFF: _text(arguments)} if cut_off else _arguments(arguments),
                requestor=speaker,
            )
        )
    return calls or None


def _arguments(written: Any) -> dict[str, Any]:
    if isinstance(written, dict):
        return written
    try:
        value = from_json(written or "{}", allow_inf_nan=False)  # also refuses what cannot be recorded
    except (ValueError, TypeError):
        value = None
    return value if isinstance(value, dict) else {UNPARSABLE: _text(written)}


def _text(written: Any) -> str:
    return written if isinstance(written, str) else json.dumps(written, ensure_ascii=False)


def text_of(completion: Completion) -> str | None:
    """Return the text of a completion without its thinking. A refusal in its own field is text too."""
    content = completion.message.get("content")
    if isinstance(content, list):
        content = said_in_parts(content)
    refusal = completion.message.get("refusal")
    if not content and isinstance(refusal, str):
        return split_thinking(refusal)[0]
    return content if isinstance(content, str) else None


def request_arguments(
    settings: Mapping[str, Any], options: Mapping[str, Any], tools: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the arguments of one request besides the messages: the model's settings, and the caller's options."""
    arguments = {**settings, **options}
    if tools:
        arguments = {"tool_choice": "auto", **arguments, "tools": list(tools)}
    return arguments | {name: settings[name] for name in _OWN_CHOICE if name in settings}
