"""Calls with their results, paired by position. Ids come from agents and providers, so they are not relied on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tau2_core.model.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage


@dataclass(frozen=True, slots=True)
class PairedCall:
    """One call and its result, None if it was never answered. `turn` is the index of the message with the call."""

    turn: int
    by: type[AssistantMessage] | type[UserMessage]
    call: ToolCall
    result: ToolMessage | None

    @property
    def succeeded(self) -> bool:
        """Whether the call has a result that is not an error."""
        return self.result is not None and not self.result.error


def paired_calls(messages: Sequence[Message]) -> Iterator[PairedCall]:
    """Yield every call in order. The results of a message's calls follow it, in the order of the calls."""
    for turn, message in enumerate(messages):
        if not isinstance(message, AssistantMessage | UserMessage):
            continue
        answered = True
        for place, call in enumerate(message.tool_calls or [], start=turn + 1):
            following = messages[place] if answered and place < len(messages) else None
            result = following if isinstance(following, ToolMessage) else None
            answered = result is not None
            yield PairedCall(turn, type(message), call, result)
