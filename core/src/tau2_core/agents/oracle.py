"""The oracle: makes the gold calls, asks the customer for theirs, then says what must be communicated."""

from __future__ import annotations

from collections.abc import Sequence

from tau2_core.episode.solo import DONE
from tau2_core.errors import UsageError
from tau2_core.model.messages import AssistantMessage, Message, ToolCall
from tau2_core.model.participants import AgentContext
from tau2_core.model.tasks import Action

REQUEST = "Please do this on your side: "


class Oracle:
    """Plays the gold as it is written; what fails there fails here."""

    def __init__(self, context: AgentContext) -> None:
        if context.gold is None:
            raise UsageError("the oracle needs a task with its gold calls")
        self.task = context.gold
        self.solo = context.solo
        self.transfers = {tool.name for tool in context.tools if tool.transfers}
        self.next = 0
        self.told = False

    async def reply(self, history: Sequence[Message]) -> AssistantMessage:
        gold = self.task.gold()
        if self.next < len(gold):
            action = gold[self.next]
            self.next += 1
            if action.requestor == "assistant" or self.solo:
                return self._call(action.name, action)
            return AssistantMessage(content=f"{REQUEST}{action.text()}.")
        if self.solo:
            return self._call(DONE, None)
        if not self.told:
            self.told = True
            return AssistantMessage(content=self._closing())
        return AssistantMessage(content="That is all. Have a good day.")

    def _call(self, name: str, action: Action | None) -> AssistantMessage:
        arguments = dict(action.arguments) if action else {}
        return AssistantMessage(tool_calls=[ToolCall(id=f"call_{self.next}", name=name, arguments=arguments)])

    def _closing(self) -> str:
        criteria = self.task.evaluation_criteria
        facts = (criteria.communicate_info if criteria else None) or []
        if any(action.name in self.transfers for action in self.task.gold()):
            ending = "You are being transferred to a human agent. Please hold."
        elif self.task.outcome == "refused":
            ending = "I am sorry: our policy does not allow what you ask for."
        else:
            ending = "Everything is done."
        return "\n".join([ending, *facts])
