"""The check of a customer's drafted message, by the detectors and before the agent sees it.

The check knows what the customer knows, and nothing else: neither the gold, nor the agent's calls. Otherwise it would
tell the customer what the agent has to do, or whether it has done it, and a checked customer would help the agent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tau2_core.model.customer_turns import DraftFault
from tau2_core.model.episodes import EpisodeRecord, Termination
from tau2_core.model.messages import Message, ToolMessage, UserMessage
from tau2_core.model.participants import has_stop_token
from tau2_core.model.registrations import Detect
from tau2_core.model.tasks import Task, UserScenario
from tau2_core.model.tools import Tool
from tau2_core.model.user_review import ReviewedConversation
from tau2_core.user_review.review import review


@dataclass(frozen=True)
class DraftCheck:
    """Checks the drafts of one customer, with its scenario, its tools, and the detectors by name."""

    domain: str
    scenario: UserScenario
    tools: Sequence[Tool]
    detectors: Mapping[str, Detect]

    def __call__(self, history: Sequence[Message], draft: UserMessage) -> list[DraftFault]:
        """Return the faults of a draft, given what the customer has seen so far.

        A call in the draft counts as one that succeeds.
        """
        ends = has_stop_token(draft.content or "") and not draft.tool_calls
        calls = [ToolMessage(id=call.id, requestor="user") for call in draft.tool_calls or ()]
        record = EpisodeRecord(
            domain=self.domain,
            task_id="draft",
            trial=0,
            seed=0,
            mode="strict",
            termination=Termination.USER_STOP if ends else Termination.MAX_STEPS,
            messages=[*history, draft, *calls],
        )
        task = Task(id="draft", user_scenario=self.scenario)
        own_tools: Mapping[str, Tool] = {tool.name: tool for tool in self.tools}
        found = review(ReviewedConversation(task, record, {}, own_tools), self.detectors).findings
        return [
            DraftFault(found_by=each.detector, words=each.words, why=each.why)
            for each in found
            if each.message == len(history)
        ]
