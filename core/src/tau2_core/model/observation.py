"""The steps of an episode that observers are told of: each reply, request to a model and tool call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tau2_core.model.episodes import EpisodeRecord, EpisodeStart, Slot
from tau2_core.model.evaluation import Grade
from tau2_core.model.llm import Completion, ModelRole, ModelSettings
from tau2_core.model.messages import AssistantMessage, ToolCall, UserMessage
from tau2_core.model.tools import Role, ToolResult


@dataclass(eq=False, slots=True)
class ReplyStep:
    """A reply of one side. `message` is set at the end, or `error` if it failed.

    What an observer adds to `headers` at the beginning is sent along with requests to an agent that runs elsewhere.
    """

    role: Role
    headers: dict[str, str] = field(default_factory=dict)
    message: AssistantMessage | UserMessage | str | None = None
    error: BaseException | None = None


@dataclass(eq=False, slots=True)
class ModelStep:
    """A request to a model, with all its attempts. `completion` is set at the end, or `error` if it failed.

    What an observer adds to `headers` at the beginning is sent with the request.
    """

    role: ModelRole
    settings: ModelSettings
    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]]
    options: Mapping[str, Any]
    headers: dict[str, str] = field(default_factory=dict)
    completion: Completion | None = None
    error: BaseException | None = None


@dataclass(eq=False, slots=True)
class ToolStep:
    """A tool call of one side with its wrappers. `result` is set at the end, or `error` if it was aborted."""

    call: ToolCall
    result: ToolResult | None = None
    error: BaseException | None = None


EpisodeStep = ReplyStep | ModelStep | ToolStep


class Observer(Protocol):
    """Watches the episodes of a run in the process that plays them. It changes nothing.

    Its methods are called on the event loop, so they should only take notes. A step begins and ends in the same
    asyncio task. If a method raises, this is logged, and the observer is not called again.
    """

    def episode_started(self, start: EpisodeStart) -> None:
        """An episode begins."""

    def step_started(self, slot: Slot, step: EpisodeStep) -> None:
        """A step of an episode begins; steps may be within others, such as a request to a model within a reply."""

    def step_finished(self, slot: Slot, step: EpisodeStep) -> None:
        """A step has ended; the object is the one that `step_started` got."""

    def episode_finished(self, record: EpisodeRecord, grade: Grade) -> None:
        """An episode has been played and graded. In a resumed run, it may have begun in the run that was stopped."""

    def close(self) -> None:
        """The run has ended here, and episodes that have not finished were broken off."""
