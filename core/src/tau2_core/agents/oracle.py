"""The oracle: listens to the customer, makes the gold calls, asks the customer for theirs, says the required values."""

from __future__ import annotations

from collections.abc import Sequence

from tau2_core.episode.solo import DONE
from tau2_core.errors import UsageError
from tau2_core.model.messages import AssistantMessage, Message, ToolCall, UserMessage
from tau2_core.model.participants import AgentContext
from tau2_core.model.tasks import Action

REQUEST = "Please do this on your side: "
QUESTION = "What do I need to know for this?"
MOST_QUESTIONS = 3


class Oracle:
    """Plays the gold as written, including calls that fail. Asks for a confirmation before each change."""

    def __init__(self, context: AgentContext) -> None:
        if context.gold is None:
            raise UsageError("the oracle needs a task with its gold calls")
        self.task = context.gold
        self.solo = context.solo
        self.transfers = {tool.name for tool in context.tools if tool.transfers}
        self.writes = {tool.name for tool in context.tools if tool.mutates}
        self.next = 0
        self.has_told = False
        self.heard_out = False
        self.asked = 0

    async def reply(self, history: Sequence[Message]) -> AssistantMessage:
        gold = self.task.gold()
        if self.next < len(gold):
            action = gold[self.next]
            question = None if self.solo else self._question(action, history)
            if question is not None:
                return AssistantMessage(content=question)
            self.next += 1
            if action.requestor == "assistant" or self.solo:
                return self._call(action.name, action)
            return AssistantMessage(content=f"{REQUEST}{action.text()}.")
        if self.solo:
            return self._call(DONE, None)
        if not self.has_told:
            self.has_told = True
            return AssistantMessage(content=self._closing())
        return AssistantMessage(content="That is all. Have a good day.")

    def _question(self, action: Action, history: Sequence[Message]) -> str | None:
        """Return the question before a gold call: first about the request, then for confirmation of a change."""
        if not self.heard_out:
            self.heard_out = True
            return QUESTION
        if action.requestor != "assistant":
            self.asked = 0  # the customer's report comes between an earlier yes and the next call
        elif action.name in self.writes and self.asked < MOST_QUESTIONS and not _agreed(history):
            self.asked += 1
            return f"Shall I go ahead with {action.name.replace('_', ' ')}?"
        return None

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


def _agreed(history: Sequence[Message]) -> bool:
    """Tell whether the customer's last message confirms a question."""
    words = [message.content or "" for message in history if isinstance(message, UserMessage) and message.has_text()]
    return bool(words) and words[-1].lower().startswith("yes")
