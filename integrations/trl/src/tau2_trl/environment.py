"""Environments for TRL's `environment_factory`: classes with a method for each tool and one to talk to the customer."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from tau2_core import AssistantMessage, Episode, EpisodeFactory, Grade, Tool, UsageError, UserMessage
from tau2_core.episode.transcript import transcript

SEND = "send_message_to_user"
RESERVED = {"reset", "get_reward", SEND}
TYPES: Mapping[str, type] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "array": list,
    "object": dict,
}


class ToolEnvironment:
    """Plays one episode after another through synchronous methods."""

    factory: EpisodeFactory

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._episode: Episode | None = None
        self._resets = 0

    def _run(self, steps: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(steps)

    def _going(self) -> Episode | None:
        return None if self._episode is None or self._episode.ended is not None else self._episode

    def reset(self, **row: Any) -> str:
        """Start an episode of the row's `task_id`; return the customer's message, or the conversation so far."""
        self._episode = self.factory.episode(str(row["task_id"]), seed=int(row.get("seed") or self._resets))
        self._resets += 1
        self._run(self._episode.begin())
        messages = self._episode.messages
        if self._episode.task.history():
            return f"The conversation so far:\n{transcript(messages)}"
        return next((each.content or "" for each in reversed(messages) if isinstance(each, UserMessage)), "")

    def get_reward(self) -> float | None:
        """Grade the episode in its current state and return the reward; None if it has no valid reward."""
        if self._episode is None:
            return None
        grade: Grade = self._run(self._episode.grade())
        return grade.reward_for("agent")

    def _call(self, name: str, arguments: dict[str, Any]) -> str:
        episode = self._going()
        if episode is None:
            return "Error: the conversation has ended."
        return str(self._run(episode.call(name, **arguments)).content)

    def send_message_to_user(self, message: str) -> str:
        """Say something to the customer and read the answer.

        Args:
            message: What you say to the customer.
        """
        episode = self._going()
        if episode is None:
            return "Error: the conversation has ended."
        new = self._run(episode.step(AssistantMessage(content=message)))
        heard = [each.content or "" for each in new if isinstance(each, UserMessage)]
        return "\n".join([*heard, *(["[The conversation has ended.]"] if episode.ended is not None else [])])


def environment_class(factory: EpisodeFactory) -> type[ToolEnvironment]:
    """Return an environment class for a factory's episodes. Raises UsageError if a tool's name is reserved."""
    methods: dict[str, Any] = {"factory": factory}
    for tool in factory.tools:
        if tool.name in RESERVED:
            raise UsageError(f"{factory.domain}: the tool {tool.name!r} has a name that TRL's environments use")
        methods[tool.name] = _method(tool)
    return type("Tau2Environment", (ToolEnvironment,), methods)


def _method(tool: Tool) -> Callable[..., str]:
    """Return a method that calls a tool, with the signature and docstring from which TRL derives its schema."""
    properties: Mapping[str, Any] = tool.parameters["properties"]
    required = set(tool.parameters.get("required", ()))

    def method(self: ToolEnvironment, **arguments: Any) -> str:
        given = {name: value for name, value in arguments.items() if value is not None or name in required}
        return self._call(tool.name, given)

    parameters = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    hints: dict[str, Any] = {}
    lines = [" ".join(tool.description.split()), "", *(["Args:"] if properties else [])]
    for name in sorted(properties, key=lambda name: name not in required):
        hints[name] = _hint(properties[name], optional=name not in required)
        default = inspect.Parameter.empty if name in required else None
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters.append(inspect.Parameter(name, kind, default=default, annotation=hints[name]))
        about = " ".join(str(properties[name].get("description") or name).split())
        lines.append(f"    {name}: {about}")
    method.__name__ = method.__qualname__ = tool.name
    method.__doc__ = "\n".join(lines)
    method.__annotations__ = hints
    method.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return method


def _hint(schema: Mapping[str, Any], *, optional: bool) -> Any:
    kind = schema.get("type")
    known: Any = TYPES.get(kind, str) if isinstance(kind, str) else str
    return known | None if optional else known
