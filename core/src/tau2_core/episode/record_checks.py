"""Checks that a message or call can be recorded, before it becomes part of an episode."""

from __future__ import annotations

from typing import Any

from tau2_core.json_values import encodable, json_problem
from tau2_core.llm.answers import reported_figures
from tau2_core.model.messages import (
    AssistantMessage,
    ParticipantMessage,
    UserMessage,
    new_assistant_message,
    new_user_message,
)
from tau2_core.model.tools import Failure, ToolResult

_TEXT_ALONE = {"content"}


def recordable_message(speaker: str, message: ParticipantMessage | str, place: int) -> ParticipantMessage:
    """Return a message, or a text as a message, at its place, as a copy that its sender cannot change.

    Raises ValueError if it cannot be recorded.
    """
    expected = AssistantMessage if speaker == "agent" else UserMessage
    if isinstance(message, str):
        text: str | None = message
        alone = True
    elif isinstance(message, expected):
        text = message.content
        alone = type(message) is expected and message.model_fields_set == _TEXT_ALONE
    else:
        raise ValueError(
            f"the {speaker} should return a message of type {expected.__name__}, not {type(message).__name__}"
        )
    try:
        if alone:
            make = new_assistant_message if speaker == "agent" else new_user_message
            own = make({"content": text, "turn_idx": place})  # the fast path for most messages
        else:
            assert not isinstance(message, str)
            content = message.model_dump(mode="json", warnings=False, exclude={"cost"})
            content |= {**reported_figures(message.cost, content["usage"]), "turn_idx": place}
            own = expected.model_validate(content)
    except ValueError as error:
        raise ValueError(f"the {speaker}'s message cannot be recorded as JSON: {error}") from error
    if own.content is not None and not own.content.isascii():
        own.content = encodable(own.content)
    if not own.has_text() and not own.tool_calls:
        raise ValueError(f"the {speaker} sent neither text nor a tool call")
    if not own.tool_calls:
        if own.tool_calls is not None:
            own.tool_calls = None
        return own
    for call in own.tool_calls:
        problem = json_problem(call.arguments, strict=False)
        if problem:
            raise ValueError(f"the {speaker} made a call of {call.name} that cannot be recorded: {problem}")
    return own


def error_if_unrecordable(name: str, arguments: dict[str, Any], *, strict: bool = False) -> ToolResult | None:
    """Return an error result if a call cannot be recorded (`strict`: as JSON), else None."""
    problem = json_problem(arguments, strict=strict)
    if problem is None and (strict or type(name) is not str):
        problem = json_problem(name, strict=strict)
    if problem is None:
        return None
    why = f"Error: the call cannot be recorded as JSON: {problem}"
    return ToolResult(why, Failure.INVALID_ARGUMENTS, {"code": "not_json"})
