"""A conversation as lines of text, for agents that read one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tau2_core.model.messages import Message


class _Call(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def arguments(self) -> Mapping[str, Any]: ...


def written_call(call: _Call) -> str:
    """Return a call in Python syntax."""
    return f"{call.name}({', '.join(f'{name}={value!r}' for name, value in call.arguments.items())})"


def transcript(messages: Sequence[Message]) -> str:
    """Return messages as lines of `role: content`, with calls in Python syntax."""
    lines: list[str] = []
    for message in messages:
        if message.role in ("assistant", "user") and message.tool_calls:
            content = ", ".join(map(written_call, message.tool_calls))
        else:
            content = message.content or ""
        lines.append(f"{message.role}: {content}")
    return "\n".join(lines)
