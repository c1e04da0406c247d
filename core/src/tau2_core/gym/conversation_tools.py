"""The conversation as two MCP tools, for agents that only support MCP.

The record is that of the conversation plane. They are off by default. An option of the server, or
of an episode, adds them to the domain's tools.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tau2_core.episode.setting import Setting
from tau2_core.episode.transcript import transcript
from tau2_core.errors import UsageError
from tau2_core.gym.errors import RefusedError
from tau2_core.gym.hosted_episode import Blueprint, HostedEpisode
from tau2_core.model.messages import Message, UserMessage
from tau2_core.model.tools import Failure, Role, Source, Tool, ToolResult

START = "start_conversation"
SEND = "send_message_to_user"
ENDED = "[The conversation has ended.]"


def _never_called(db: Any) -> str:  # noqa: ARG001 - a handler's first parameter
    raise AssertionError("the conversation's tools are not tools of an environment")


def _tool(name: str, description: str, properties: dict[str, Any]) -> Tool:
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    source = Source(Path(__file__))
    return Tool(name, "agent", description, parameters, _never_called, False, source, "tau2-core", "generic")


TOOLS = (
    _tool(START, "Begin the conversation with the customer, and read what the customer says first. Call it first.", {}),
    _tool(
        SEND,
        "Say something to the customer and read the answer. The customer sees nothing else: no tool calls, no results.",
        {"message": {"type": "string", "description": "What you say to the customer."}},
    ),
)
NAMES = frozenset(tool.name for tool in TOOLS)


def offered(blueprint: Blueprint, role: Role) -> bool:
    """Whether these tools are offered to a side."""
    return blueprint.conversation_tools and role == "agent" and blueprint.has_customer


def refuse_clash(setting: Setting) -> None:
    """Refuse to offer these tools in a domain that has a tool of the same name. Raises UsageError."""
    own = sorted(setting.tools("agent").keys() & NAMES)
    if own:
        raise UsageError(f"{setting.domain} already has a tool {own[0]!r}, so the conversation's cannot be added")


async def converse(episode: HostedEpisode, name: str, arguments: dict[str, Any]) -> ToolResult:
    """Begin the conversation, or send a message. Refusals are error results without effect."""
    said = arguments.get("message")
    wrong = arguments.keys() != ({"message"} if name == SEND else set())
    if wrong or (name == SEND and (not isinstance(said, str) or not said.strip())):
        wanted = "one argument, `message`, a non-empty text" if name == SEND else "no arguments"
        return ToolResult(f"Error: {name} takes {wanted}", Failure.INVALID_ARGUMENTS, {"code": "invalid_arguments"})
    try:
        messages = await episode.converse(said if name == SEND else None)
    except RefusedError as refusal:
        return ToolResult(f"Error: {refusal}", Failure.REFUSED, {"code": refusal.code})
    whole = name == START and episode.history > 0
    return ToolResult(_heard(episode, messages, whole=whole))


def _heard(episode: HostedEpisode, messages: list[Message], *, whole: bool) -> str:
    """Return the last message if it is the customer's, and a note if the conversation has ended.

    With `whole`, return all messages instead, since the agent has not seen those of a task's history.
    """
    last = messages[-1] if messages else None
    words = [last.content or ""] if isinstance(last, UserMessage) else []
    if whole:
        words = [f"The conversation so far:\n{transcript(messages)}"]
    return "\n".join([*words, *([ENDED] if episode.ended else [])])
