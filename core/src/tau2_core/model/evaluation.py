"""What evaluators see and say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field
from pydantic.dataclasses import dataclass as validated

from tau2_core.model.episodes import EpisodeRecord, Usage
from tau2_core.model.messages import ToolCall
from tau2_core.model.policy_rules import PolicyRule
from tau2_core.model.tasks import Action, Assertion, Task
from tau2_core.model.tools import Role, Tool, ToolResult

TOLERANCE = 1e-6


def reaches(reward: float, threshold: float = 1.0) -> bool:
    """Tell whether a reward comes up to a threshold, by default the full reward, within the official 1e-6."""
    return reward >= threshold - TOLERANCE


def agrees(reward: float, other: float) -> bool:
    """Tell whether two rewards are the same within the official 1e-6. NaN agrees with none."""
    return abs(reward - other) <= TOLERANCE


class Status(StrEnum):
    """State of a verdict: `vacuous` means that the task names nothing for this criterion, so it is 1.0 by rule."""

    GRADED = "graded"
    VACUOUS = "vacuous"
    PENDING = "pending"
    ERROR = "error"


@validated(slots=True, config=ConfigDict(extra="forbid"))
class Check:
    """One single check with its evidence: what was asked, whether it holds, and why."""

    what: str
    met: bool | None
    why: str = ""
    evidence: list[dict[str, Any]] = Field(default_factory=list)


@validated(slots=True, config=ConfigDict(extra="forbid"))
class Verdict:
    """One evaluator's verdict; `reward` is None while pending or after an error. `traceback`: the evaluator crashed."""

    criterion: str
    status: Status
    reward: float | None
    checks: list[Check] = Field(default_factory=list)
    traceback: str = ""

    @property
    def met(self) -> bool:
        """Tell whether the reward is the full one."""
        return self.reward is not None and reaches(self.reward)


class Outcome(StrEnum):
    """What an episode came to; errors are told apart from failures by who caused them."""

    SOLVED = "solved"
    FAILED = "failed"
    PENDING = "pending"
    AGENT_ERROR = "agent_error"
    USER_ERROR = "user_error"
    JUDGE_ERROR = "judge_error"
    EVALUATOR_ERROR = "evaluator_error"
    INFRASTRUCTURE_ERROR = "infrastructure_error"

    @property
    def counts_as_solved(self) -> bool:
        """Whether rates count it as solved: what is pending counts as met."""
        return self in (Outcome.SOLVED, Outcome.PENDING)


class Grade(BaseModel):
    """The verdict on one episode by one set of evaluators. `reward` counts what is graded; see `pending`."""

    model_config = ConfigDict(extra="forbid")

    task_id: str
    trial: int
    evaluators: str
    reward: float | None
    outcome: Outcome
    basis: list[str]
    pending: list[str] = Field(default_factory=list)
    verdicts: dict[str, Verdict] = Field(default_factory=dict)
    note: str = ""

    @property
    def solved(self) -> bool:
        """Tell whether the reward comes up to what the evaluators call solved; what is pending counts as met."""
        return self.outcome.counts_as_solved


class StateDifference(Protocol):
    """One differing path of two databases."""

    @property
    def path(self) -> Sequence[str | int]:
        """The keys and indexes that lead to it: the table, the record's id, the field and so on."""

    def as_json(self) -> dict[str, Any]:
        """Return path, old and new value."""


class AssertionResult(BaseModel):
    """What an environment assertion returned: met, not met, or (None) it raised `error`."""

    assertion: Assertion
    met: bool | None
    error: str = ""


class JudgedStatement(BaseModel):
    """A judge's verdict on one statement, with the reason."""

    statement: str
    met: bool
    reason: str


class Judgement(BaseModel):
    """What a judge (`model`) said of a conversation, or why it gave no usable answer, and what that took."""

    statements: list[JudgedStatement] = Field(default_factory=list)
    error: str = ""
    model: str = ""
    usage: Usage = Field(default_factory=Usage.nothing)


State = Literal["start", "end", "gold"]


class Evidence(Protocol):
    """All that an evaluator may look at; states are replayed once, when first asked for.

    A state is that of the environment in the task's start state (`start`), after the conversation (`end`), or after
    the task's gold calls (`gold`).
    """

    task: Task
    record: EpisodeRecord
    judgement: Judgement | None

    @property
    def roles(self) -> Sequence[Role]:
        """The sides that have a database: the agent's, and in some domains the user's."""

    @property
    def rules(self) -> Sequence[PolicyRule]:
        """The rules that the pack declares of its policy; none with a dataset, whose policy is another."""

    @property
    def failed_gold(self) -> Sequence[Action]:
        """The gold calls that fail."""

    def tools(self, role: Role) -> Mapping[str, Tool]:
        """Return a side's tools by name."""

    def database(self, state: State, role: Role = "agent") -> dict[str, Any]:
        """Return a copy of a side's database in a state, as JSON values."""

    def database_differences(self) -> Mapping[str, Sequence[StateDifference]]:
        """Return, by role, where the conversation's end state (new) differs from the gold's (old)."""

    def differences(
        self, old: State, new: State, role: Role, *, unordered: Sequence[str] = (), ignored: Sequence[str] = ()
    ) -> Sequence[StateDifference]:
        """Return where two states of a side's database differ in meaning: 25 is 25.0.

        Path patterns such as `reservations.*.passengers` name lists whose order has no meaning, and what is not
        compared at all, besides those that the pack declares.
        """

    def live_checks(self) -> Sequence[Check]:
        """Compare the digests of the live environment's end with those of its replay; none if none are recorded."""

    def assertion_results(self) -> Sequence[AssertionResult]:
        """Return the task's environment assertions, run on the conversation's end state."""

    def answer_at_start(self, call: ToolCall) -> ToolResult:
        """Return what a call that only reads answers in the start state."""
