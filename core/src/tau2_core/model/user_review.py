"""The review of a simulated customer: its faults in a conversation, reported beside the reward."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from tau2_core.model.episodes import EpisodeRecord, Usage
from tau2_core.model.messages import AssistantMessage, ToolCall, ToolMessage, UserMessage
from tau2_core.model.participants import without_stop_tokens
from tau2_core.model.tasks import Task
from tau2_core.model.tools import Tool

T = TypeVar("T")
Severity = Literal["minor", "decisive"]
CustomerFault = Literal["none", "minor", "decisive"]


class UserFinding(BaseModel):
    """One fault of the customer: the detector that found it, the message (its index in the record), and its words.

    A `decisive` fault can make an agent fail that did nothing wrong; a `minor` one cannot.
    """

    model_config = ConfigDict(extra="forbid")

    detector: str
    severity: Severity
    message: int
    words: str
    why: str


class UserReview(BaseModel):
    """The findings of the detectors in one conversation. `errors` names the detectors that failed, and why."""

    model_config = ConfigDict(extra="forbid")

    customer_fault: CustomerFault
    findings: list[UserFinding] = Field(default_factory=list)
    errors: dict[str, str] = Field(default_factory=dict)


class ModelReview(BaseModel):
    """A model's findings in the conversation of a slot, or why its answer could not be used, and its usage."""

    model_config = ConfigDict(extra="forbid")

    task_id: str
    trial: int
    model: str
    findings: list[UserFinding] = Field(default_factory=list)
    error: str = ""
    usage: Usage = Field(default_factory=Usage.nothing)


def worst_fault(findings: Iterable[UserFinding]) -> CustomerFault:
    """Return the worst severity among findings, `none` without any."""
    severities = {each.severity for each in findings}
    return "decisive" if "decisive" in severities else "minor" if severities else "none"


@dataclass(frozen=True, eq=False)
class ReviewedConversation:
    """A recorded conversation as a detector sees it.

    Attributes:
        task: the task, with its gold calls.
        record: the record of the episode.
        tools: the agent's tools by name.
        user_tools: the customer's own tools by name; none in most domains.
    """

    task: Task
    record: EpisodeRecord
    tools: Mapping[str, Tool]
    user_tools: Mapping[str, Tool]
    _shared: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, compute: Callable[[ReviewedConversation], T]) -> T:
        """Return `compute(self)`, computed on first use, for work that several detectors share."""
        if compute not in self._shared:
            self._shared[compute] = compute(self)
        found: T = self._shared[compute]
        return found

    @cached_property
    def scenario(self) -> str:
        """The scenario as the customer reads it."""
        return self.task.user_scenario.text()

    @cached_property
    def user_messages(self) -> Sequence[tuple[int, UserMessage]]:
        """The customer's messages with their index in the record. A task's own history is left out."""
        start = len(self.task.history())
        return [
            (index, message)
            for index, message in enumerate(self.record.messages)
            if index >= start and isinstance(message, UserMessage)
        ]

    @cached_property
    def spoken(self) -> Sequence[tuple[int, str]]:
        """The customer's texts without stop tokens, with their index in the record; calls and empty texts left out."""
        texts = ((index, without_stop_tokens(message.content or "").strip()) for index, message in self.user_messages)
        return [(index, text) for index, text in texts if text]

    @cached_property
    def agent_texts(self) -> Sequence[tuple[int, str]]:
        """The agent's texts, with their index in the record."""
        return [
            (index, message.content or "")
            for index, message in enumerate(self.record.messages)
            if isinstance(message, AssistantMessage) and message.has_text()
        ]

    @cached_property
    def results(self) -> Mapping[tuple[str, str], ToolMessage]:
        """The results of all calls, by requestor and id of the call. Where an id is used again, the last one."""
        return {(each.requestor, each.id): each for each in self.record.messages if isinstance(each, ToolMessage)}

    def calls(self, requestor: Literal["assistant", "user"]) -> Sequence[tuple[int, ToolCall]]:
        """Return the calls of one side, each with the index of its message in the record."""
        side = AssistantMessage if requestor == "assistant" else UserMessage
        return [
            (index, call)
            for index, message in enumerate(self.record.messages)
            if isinstance(message, side)
            for call in message.tool_calls or ()
        ]

    def succeeded(self, call: ToolCall, requestor: Literal["assistant", "user"]) -> bool:
        """Tell whether a call has a result that is no error."""
        result = self.results.get((requestor, call.id))
        return result is not None and not result.error

    def last_agent_text(self, before: int) -> str:
        """Return the agent's last text before a message, "" if there is none."""
        return next((text for index, text in reversed(self.agent_texts) if index < before), "")
