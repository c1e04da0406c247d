"""Requesting one usable message from a model; an empty answer is requested again, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tau2_core.errors import Tau2GymError
from tau2_core.llm.chat import provider_message, text_of, tool_calls
from tau2_core.model.llm import Completion, Model
from tau2_core.model.messages import Requestor, ToolCall

REPAIRS = 2
EMPTY_REMINDER = "[Not from the other side: your last answer was empty and was not delivered. Answer again.]"
CUT_OFF_REMINDER = (
    "[Not from the other side: your last answer was cut off by the token limit before it said anything, and was not "
    "delivered. Answer again, and think less.]"
)


class EmptyAnswerError(Tau2GymError):
    """A model gave only empty answers."""


class ModelReply:
    """A model's answer as the fields of our messages."""

    def __init__(self, completion: Completion, speaker: Requestor, first_call: int) -> None:
        self.content = text_of(completion)
        self.tool_calls: list[ToolCall] | None = tool_calls(completion, speaker, first_call)
        self.cost = completion.cost
        self.usage: dict[str, Any] | None = completion.usage
        self.finish_reason = completion.finish_reason
        self.cut_off = completion.cut_off
        self.provider_message = provider_message(completion, self.tool_calls)

    def empty(self) -> bool:
        return not (self.content and self.content.strip()) and not self.tool_calls

    def fields(self) -> dict[str, Any]:
        """Return the fields of a message of either side."""
        return {
            "content": self.content,
            "tool_calls": self.tool_calls,
            "cost": self.cost,
            "usage": self.usage,
            "finish_reason": self.finish_reason,
            "provider_message": self.provider_message,
        }


async def request_reply(
    model: Model, chat: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]], speaker: Requestor, **options: Any
) -> ModelReply:
    """Request a message; an empty answer is requested again, at most twice.

    Raises ModelError, and EmptyAnswerError if the last answer is empty too.
    """
    speech = ModelReply(await model.complete(chat, tools, **options), speaker, len(chat))
    for _ in range(REPAIRS):
        if not speech.empty():
            return speech
        reminder = {"role": "user", "content": CUT_OFF_REMINDER if speech.cut_off else EMPTY_REMINDER}
        speech = ModelReply(await model.complete([*chat, reminder], tools, **options), speaker, len(chat))
    if speech.empty():
        why = f"finish_reason {speech.finish_reason}"
        why = f"the token limit cut it off ({why}); raise max_tokens, or let it think less" if speech.cut_off else why
        raise EmptyAnswerError(f"the model sent neither text nor a tool call, {REPAIRS + 1} times: {why}")
    return speech
