"""Which messages each side of a conversation sees (spec/conversation.md, 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from tau2_core.model.messages import (
    AssistantMessage,
    Message,
    ParticipantMessage,
    Requestor,
    ToolMessage,
    UserMessage,
)
from tau2_core.model.tools import Role


def requestor_of(speaker: Role) -> Requestor:
    """Return the requestor of a role's tool calls."""
    return "assistant" if speaker == "agent" else "user"


def visible_to(speaker: Role, messages: Sequence[Message]) -> list[Message]:
    """Return the messages that a side sees: its own, its results, and the other side's texts without calls."""
    own, other = (AssistantMessage, UserMessage) if speaker == "agent" else (UserMessage, AssistantMessage)
    requestor = requestor_of(speaker)
    return [
        message
        for message in messages
        if (kind := type(message)) is own  # `isinstance` of a pydantic model takes ten times as long
        or (kind is other and cast("ParticipantMessage", message).tool_calls is None)
        or (kind is ToolMessage and cast("ToolMessage", message).requestor == requestor)
    ]
