"""Solo play: the agent works alone on a ticket, and calls `done` when it is finished."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tau2_core.model.messages import AssistantMessage, ParticipantMessage
from tau2_core.model.participants import STOP
from tau2_core.model.tools import Source, Tool

DONE = "done"


def _never_called(db: Any) -> str:  # noqa: ARG001 - a handler takes a database first
    raise AssertionError("the conversation ends before `done` reaches an environment")


DONE_TOOL = Tool(
    DONE,
    "agent",
    "Say that the ticket is finished. Call it once, at the end, alone.",
    {"type": "object", "properties": {}, "required": [], "additionalProperties": False},
    _never_called,
    False,
    Source(Path(__file__)),
    "tau2-core",
    kind="generic",
)


def split_done(message: ParticipantMessage) -> tuple[ParticipantMessage, bool]:
    """Take a `done` call out of a message and tell whether there was one; calls beside it are made first."""
    calls = message.tool_calls or []
    if not any(call.name == DONE for call in calls):
        return message, False
    rest = [call for call in calls if call.name != DONE]
    if not rest:
        return AssistantMessage(content=STOP), True
    return message.model_copy(update={"tool_calls": rest}), True
