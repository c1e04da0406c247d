"""A participant that says given lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tau2_core.model.messages import AssistantMessage, Message, ToolCall, UserMessage


class Lines:
    """A participant that says one line after the other, repeats the last one, and records what it saw each time.

    A line is a text, a call `(tool, arguments)`, a list of calls, an exception to raise, or a message. Creating a
    participant without lines fails.
    """

    def __init__(self, kind: type[AssistantMessage] | type[UserMessage], lines: Sequence[Any]) -> None:
        self.kind = kind
        self.lines = list(lines)
        self.saw: list[list[Message]] = []
        self.context: Any = None

    def create(self, context: Any) -> Lines:
        if not self.lines:
            raise LookupError("nothing to say")
        self.context = context
        return self

    async def reply(self, history: Sequence[Message]) -> Any:
        self.saw.append([message.model_copy(deep=True) for message in history])
        line = self.lines.pop(0) if len(self.lines) > 1 else self.lines[0]
        if isinstance(line, Exception):
            raise line
        if isinstance(line, str):
            return self.kind(content=line)
        if isinstance(line, tuple | list):
            calls = [line] if isinstance(line, tuple) else line
            made = [
                ToolCall(id=f"{len(self.saw)}.{n}", name=name, arguments=given) for n, (name, given) in enumerate(calls)
            ]
            return self.kind(tool_calls=made)
        return line
