"""The record of an episode, written before it is graded."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.dataclasses import dataclass as validated

from tau2_core.model.customer_turns import CustomerTurn
from tau2_core.model.messages import Message

ArgumentMode = Literal["strict", "tau2"]


class Termination(StrEnum):
    """Why a conversation ended, by its official name (spec/evaluation.md, 8.3). Our records never have the last two."""

    USER_STOP = "user_stop"
    AGENT_STOP = "agent_stop"
    MAX_STEPS = "max_steps"
    TOO_MANY_ERRORS = "too_many_errors"
    TIMEOUT = "timeout"
    AGENT_ERROR = "agent_error"
    USER_ERROR = "user_error"
    INFRASTRUCTURE_ERROR = "infrastructure_error"
    CONTEXT_WINDOW_EXCEEDED = "context_window_exceeded"
    UNEXPECTED_ERROR = "unexpected_error"


@dataclass(frozen=True, slots=True)
class Slot:
    """One place in a run: a task and a trial (counted from 0)."""

    task_id: str
    trial: int

    def __str__(self) -> str:
        return f"{self.task_id}#{self.trial}"


@dataclass(frozen=True, slots=True)
class EpisodeStart:
    """An episode that is about to begin."""

    domain: str
    slot: Slot
    seed: int


@validated(slots=True, config=ConfigDict(extra="forbid"))
class Usage:
    """What a role's model used in an episode: requests, tokens, dollars if the price is known, and finish reasons.

    `cut_off` counts answers that the token limit cut off. `finish_reasons` counts all answers by the provider's finish
    reason (`none` if there is none), including answers that were requested again.
    """

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    cut_off: int = 0
    finish_reasons: dict[str, int] = field(default_factory=dict)

    @classmethod
    def nothing(cls) -> Usage:
        """Return the start of a sum: nothing used, nothing paid."""
        return cls(cost=0.0)

    def add(self, other: Usage) -> None:
        """Add another usage. If either cost is unknown, so is the sum."""
        self.requests += other.requests
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.cost = None if self.cost is None or other.cost is None else self.cost + other.cost
        self.cut_off += other.cut_off
        reasons = {**self.finish_reasons}  # a copy of this usage may share them
        for reason, count in other.finish_reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
        self.finish_reasons = reasons


class EpisodeRecord(BaseModel):
    """One finished episode. Nothing in it depends on the machine's clock, so equal runs give equal records.

    `id` is set for an episode that a server kept. `persona` is that of the customer, if one was chosen.
    `customer_turns` says how the customer's messages came about, if it keeps a plan, is checked or is misheard.
    `unlocked` are the hidden tools that were unlocked, by side. `stopped_tasks` names the background tasks of plugins
    that went on although they were cancelled at the end, and were stopped.
    """

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="constants")

    id: str | None = None

    domain: str
    task_id: str
    trial: int
    seed: int
    termination: Termination
    error: str | None = None
    solo: bool = False
    variant: str = ""
    mode: ArgumentMode
    persona: str | None = None
    steps: int = 0
    tool_calls: int = 0
    tool_errors: dict[str, int] = Field(default_factory=dict)
    digests: dict[str, str] = Field(default_factory=dict)
    unlocked: dict[str, list[str]] | None = None
    usage: dict[str, Usage] = Field(default_factory=dict)
    stopped_tasks: list[str] | None = None
    customer_turns: list[CustomerTurn] | None = None
    messages: list[Message] = Field(default_factory=list)

    @property
    def slot(self) -> Slot:
        return Slot(self.task_id, self.trial)

    def line(self) -> dict[str, Any]:
        """Return the record as an object for one JSON line, without empty fields of messages."""
        return self.model_dump(mode="json", exclude_none=True)
