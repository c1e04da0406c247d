"""Tools as declared in YAML, and the results of calling them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

Role = Literal["agent", "user"]


def role_of(side: str) -> Role:
    """Return the role for a `requestor` or `env_type`: `assistant` is the agent."""
    return "user" if side == "user" else "agent"


Kind = Literal["read", "write", "think", "generic"]
FunctionKind = Literal["setup", "assertion"]
Handler = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Source:
    """Where something was declared, for error messages."""

    file: Path
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else str(self.file)


@dataclass(frozen=True, slots=True, eq=False)
class Callee:
    """A handler with its declared parameters; the base of tools and functions.

    `parameters` is the JSON schema of the arguments object. With `wants_context` the handler gets the environment's
    clock and ids. `aliases` maps parameters whose names are not valid in Python to the handler's names for them.
    """

    name: str
    role: Role
    description: str
    parameters: Mapping[str, Any]
    handler: Handler
    wants_context: bool
    source: Source
    pack: str
    aliases: Mapping[str, str] = field(default_factory=dict, kw_only=True)


@dataclass(frozen=True, slots=True)
class CallingTool:
    """How a side calls its hidden tools: through this tool, whose parameters take the hidden one's name and arguments.

    With `as_text` the arguments are written as a JSON object in a text.
    """

    tool: str
    name: str
    arguments: str
    as_text: bool

    def call_of(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of the call of this tool that calls a hidden one."""
        return {self.name: name, self.arguments: json.dumps(arguments) if self.as_text else arguments}


@dataclass(frozen=True, slots=True)
class Search:
    """How a retriever answers a tool: its name and its options; a value `$NAME` is an option of the variant."""

    retriever: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Tool(Callee):
    """A tool that a model may call. Only with `mutates` or `logs` may its handler change the database.

    `mutates`: a replay repeats the call; tools of kind `write` always have it. `logs`: the handler may write too, but a
    replay does not repeat the call. `hidden`: the tool is not listed until it is unlocked by name. `quick`: the pack
    declares that its handlers and sync are quick, so a server may run them on its event loop. `search` is set for a
    tool that a retriever answers, `calls_hidden` for the tool that calls hidden ones, and `through` for a hidden tool
    whose calls by its own name go through that one.
    """

    kind: Kind = "read"
    mutates: bool = False
    logs: bool = False
    hidden: bool = False
    search: Search | None = None
    transfers: bool = False
    quick: bool = False
    calls_hidden: CallingTool | None = None
    through: CallingTool | None = None

    def chat_function(self) -> dict[str, Any]:
        """Return the tool as a chat-completions function."""
        function = {"name": self.name, "description": self.description, "parameters": dict(self.parameters)}
        return {"type": "function", "function": function}

    def mcp_tool(self) -> dict[str, Any]:
        """Return the tool in MCP's format, with hints according to its kind."""
        hints = {
            "readOnlyHint": not self.mutates,
            "destructiveHint": self.mutates,
            "idempotentHint": not self.mutates,
            "openWorldHint": False,
        }
        about = {"name": self.name, "description": self.description}
        return {**about, "inputSchema": dict(self.parameters), "annotations": hints}


@dataclass(frozen=True, slots=True, eq=False)
class Function(Callee):
    """A set-up function or an assertion that tasks may call; never shown to a model."""

    kind: FunctionKind = "setup"


class Failure(StrEnum):
    """Why a tool call failed."""

    UNKNOWN_TOOL = "unknown_tool"
    INVALID_ARGUMENTS = "invalid_arguments"
    REFUSED = "refused"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of a call: the text that the caller sees and, if it failed, why.

    `skipped`: a wrapper answered instead of the world, so a replay must not make the call either. `refused`: the
    business declined, without an error flag (argument mode `tau2` only).
    """

    content: str
    failure: Failure | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    skipped: bool = False
    refused: bool = False
