"""The scripted customer: says the task's own texts, makes the gold's customer calls when asked, then ends."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from tau2_core.errors import UsageError
from tau2_core.model.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from tau2_core.model.participants import STOP, TRANSFER, UserContext, without_stop_tokens
from tau2_core.model.tasks import Action, Instructions, UserScenario

PATIENCE = 10


class Scripted:
    """Says the reason for the call, then the rest; agrees to a few questions; then ends the conversation.

    If the agent's text names a pending customer call of the gold, the customer makes it and reports the result.
    """

    def __init__(self, context: UserContext) -> None:
        if context.gold is None:
            raise UsageError("the scripted customer needs a task")
        self.lines = script(context.scenario)
        calls = context.gold.gold() if context.tools else []
        self.pending = [action for action in calls if action.requestor == "user"]
        self.asked: list[Action] = []
        self.calls = 0
        self.agreed = 0

    async def reply(self, history: Sequence[Message]) -> UserMessage | str:
        last = history[-1]
        if isinstance(last, AssistantMessage):
            text = last.content or ""
            self.asked = asked_for(self.pending, text)
        if self.asked:
            return self._perform(self.asked.pop(0))
        if isinstance(last, ToolMessage):
            return f"I did that. It says: {last.content}"
        return self._say(last.content or "")

    def _perform(self, action: Action) -> UserMessage:
        self.pending.remove(action)
        self.calls += 1
        call = ToolCall(
            id=f"user_call_{self.calls}", name=action.name, arguments=dict(action.arguments), requestor="user"
        )
        return UserMessage(tool_calls=[call])

    def _say(self, heard: str) -> str:
        if "transfer" in heard.lower() and "?" not in heard:
            return TRANSFER
        if self.lines:
            return self.lines.pop(0)
        if "?" in heard and self.agreed < PATIENCE:
            self.agreed += 1
            return "Yes, please go ahead."
        return STOP


def script(scenario: UserScenario) -> list[str]:
    """Return what the customer says unprompted, in order, without a token that would end the conversation."""
    instructions = scenario.instructions
    if not isinstance(instructions, Instructions):
        return [*_spoken(instructions)]
    return [*_spoken(instructions.reason_for_call, instructions.known_info, instructions.task_instructions)]


@lru_cache(maxsize=1024)  # one task is often played many times
def _spoken(reason: str, *rest: str | None) -> tuple[str, ...]:
    texts = [reason, "\n".join(part for part in rest if part)]
    return tuple(spoken for text in texts if (spoken := without_stop_tokens(text)).strip())


def asked_for(pending: Sequence[Action], text: str) -> list[Action]:
    """Return the pending calls that a text requests, in full or by name; each call once."""
    if not pending:
        return []
    whole = {action.text(): action for action in reversed(pending) if action.text() in text}
    if whole:
        return [action for action in pending if any(action is chosen for chosen in whole.values())]
    lowered = text.lower()
    named = {action.name: action for action in reversed(pending) if _named(action.name.lower(), lowered)}
    return [action for action in pending if any(action is chosen for chosen in named.values())]


def _named(name: str, text: str) -> bool:
    """Tell whether a text contains a name as a word, with underscores or with spaces."""
    return any(re.search(rf"(?<!\w){re.escape(form)}(?!\w)", text) for form in (name, name.replace("_", " ")))
