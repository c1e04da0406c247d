"""The scripted customer: tells the task's own texts, does what is asked of the gold's customer actions, then ends."""

from __future__ import annotations

from collections.abc import Sequence

from tau2_core.errors import UsageError
from tau2_core.model.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from tau2_core.model.participants import STOP, TRANSFER, UserContext
from tau2_core.model.tasks import Action, Instructions, UserScenario

PATIENCE = 5


class Scripted:
    """Says the reason for the call, then the rest; agrees to questions a few times; ends when told no more.

    An agent's text that names a pending customer action of the gold makes the customer perform it and report.
    """

    def __init__(self, context: UserContext) -> None:
        if context.gold is None:
            raise UsageError("the scripted customer needs a task")
        self.lines = script(context.scenario)
        self.pending = [action for action in context.gold.gold() if action.requestor == "user"]
        self.asked: list[Action] = []
        self.calls = 0
        self.agreed = 0

    async def reply(self, history: Sequence[Message]) -> UserMessage:
        last = history[-1]
        if isinstance(last, AssistantMessage):
            text = last.content or ""
            self.asked = [action for action in self.pending if named_in(action, text)]
        if self.asked:
            return self._perform(self.asked.pop(0))
        if isinstance(last, ToolMessage):
            return UserMessage(content=f"I did that. It says: {last.content}")
        return UserMessage(content=self._say(last.content or ""))

    def _perform(self, action: Action) -> UserMessage:
        self.pending.remove(action)
        self.calls += 1
        call = ToolCall(
            id=f"user_call_{self.calls}", name=action.name, arguments=dict(action.arguments), requestor="user"
        )
        return UserMessage(tool_calls=[call])

    def _say(self, heard: str) -> str:
        if "transfer" in heard.lower():
            return TRANSFER
        if self.lines:
            return self.lines.pop(0)
        if "?" in heard and self.agreed < PATIENCE:
            self.agreed += 1
            return "Yes, please go ahead."
        return STOP


def script(scenario: UserScenario) -> list[str]:
    """Return what the customer says unasked, in order."""
    instructions = scenario.instructions
    if not isinstance(instructions, Instructions):
        return [instructions]
    rest = [instructions.known_info, instructions.task_instructions]
    return [instructions.reason_for_call, "\n".join(part for part in rest if part)]


def named_in(action: Action, text: str) -> bool:
    """Tell whether a text asks for an action, by its name with underscores or with spaces."""
    lowered = text.lower()
    return action.name.lower() in lowered or action.name.lower().replace("_", " ") in lowered
