"""Solo play: the agent works alone on a ticket, and calls `done` at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tau2_core.model.tools import Source, Tool

DONE = "done"


def _never_called(db: Any) -> str:  # noqa: ARG001 - a handler's first parameter
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
