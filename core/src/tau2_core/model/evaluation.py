"""What evaluators get as evidence and return as verdicts, and the grade made from them."""

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
from tau2_core.model.user_review import UserReview

TOLERANCE = 1e-6


def reaches(reward: float, threshold: float = 1.0) -> bool:
    """Tell whether a reward is at least a threshold, by default the full reward, within the official 1e-6."""
    return reward >= threshold - TOLERANCE


def agrees(reward: float, other: float) -> bool:
    """Tell whether two rewards are equal within the official 1e-6. NaN equals nothing."""
    return abs(reward - other) <= TOLERANCE


class Status(StrEnum):
    """State of a verdict. `vacuous`: the task names nothing for this criterion, so its reward is 1.0 by rule."""

    GRADED = "graded"
    VACUOUS = "vacuous"
    PENDING = "pending"
    ERROR = "error"


@validated(slots=True, config=ConfigDict(extra="forbid"))
class Check:
    """One check: what was checked, whether it is met, why, and the evidence."""

    what: str
    met: bool | None
    why: str = ""
    evidence: list[dict[str, Any]] = Field(default_factory=list)


@validated(slots=True, config=ConfigDict(extra="forbid"))
class Verdict:
    """One evaluator's verdict. `reward` is None while pending or after an error; `traceback` is set after a crash."""

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
    """The outcome of an episode. Errors are distinguished from failures, by who caused them."""

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
        """Whether rates count it as solved. Pending criteria count as met."""
        return self in (Outcome.SOLVED, Outcome.PENDING)


class Grade(BaseModel):
    """The grade of one episode by one set of evaluators. `reward` counts the criteria that are not `pending`.

    `user_review` says what the simulated customer did wrong; it never changes the reward. None if there is no customer.
    """

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
    user_review: UserReview | None = None

    @property
    def solved(self) -> bool:
        """Whether the reward reaches the evaluators' threshold. Pending criteria count as met."""
        return self.outcome.counts_as_solved

    def reward_for(self, side: Literal["agent", "customer"]) -> float | None:
        """Return the reward of the side that learns; None if an error was not its own, since then none may count."""
        own = Outcome.AGENT_ERROR if side == "agent" else Outcome.USER_ERROR
        return self.reward if self.outcome in (Outcome.SOLVED, Outcome.FAILED, Outcome.PENDING, own) else None


class StateDifference(Protocol):
    """One path at which two databases differ."""

    @property
    def path(self) -> Sequence[str | int]:
        """The keys and indexes of the path: the table, the record's id, the field and so on."""

    def as_json(self) -> dict[str, Any]:
        """Return the path with the old and the new value."""


class AssertionResult(BaseModel):
    """The result of an environment assertion: met, not met, or None if it raised `error`."""

    assertion: Assertion
    met: bool | None
    error: str = ""


class JudgedStatement(BaseModel):
    """A judge's verdict on one statement, with the reason."""

    statement: str
    met: bool
    reason: str


class Vote(BaseModel):
    """What one of several judges decided, or the error if it gave no usable answer, and what it used."""

    model: str
    statements: list[JudgedStatement] = Field(default_factory=list)
    error: str = ""
    usage: Usage = Field(default_factory=Usage.nothing)


class Judgement(BaseModel):
    """A judge's decisions on a conversation, or the error if it gave no usable answer, and what it used.

    `judge` is a digest of the judge: its model, the arguments, and the prompt. With several judges, `votes` are their
    decisions, `statements` are the result by their rule, and `usage` is the total.
    """

    statements: list[JudgedStatement] = Field(default_factory=list)
    error: str = ""
    model: str = ""
    judge: str = ""
    votes: list[Vote] = Field(default_factory=list)
    usage: Usage = Field(default_factory=Usage.nothing)


State = Literal["start", "end", "gold"]


class Evidence(Protocol):
    """Everything that an evaluator may look at. States are computed once, on first use.

    A state is the environment at the task's start (`start`), after the conversation (`end`), or after the task's gold
    calls (`gold`).
    """

    task: Task
    record: EpisodeRecord
    judgement: Judgement | None

    @property
    def roles(self) -> Sequence[Role]:
        """The roles that have a database: the agent and, in some domains, the user."""

    @property
    def rules(self) -> Sequence[PolicyRule]:
        """The policy rules that the pack declares; none with a dataset, which has a policy of its own."""

    @property
    def bookkeeping(self) -> Sequence[str]:
        """Path patterns of records that note what the agent did; declared by the pack."""

    @property
    def failed_gold(self) -> Sequence[Action]:
        """The gold calls that fail."""

    def tools(self, role: Role) -> Mapping[str, Tool]:
        """Return a side's tools by name."""

    def database(self, state: State, role: Role = "agent") -> dict[str, Any]:
        """Return a copy of a side's database in a state, as JSON values."""

    def database_differences(self) -> Mapping[str, Sequence[StateDifference]]:
        """Return, by role, where the end state (new) differs from the gold state (old)."""

    def differences(
        self, old: State, new: State, role: Role, *, unordered: Sequence[str] = (), ignored: Sequence[str] = ()
    ) -> Sequence[StateDifference]:
        """Return where two states of a side's database differ in meaning: 25 equals 25.0.

        `unordered` and `ignored` are path patterns such as `reservations.*.passengers`, in addition to those that the
        pack declares: lists whose order does not matter, and parts that are not compared.
        """

    def live_checks(self) -> Sequence[Check]:
        """Compare the recorded digests of the live environment with those of its replay; [] if none are recorded."""

    def assertion_results(self) -> Sequence[AssertionResult]:
        """Run the task's environment assertions on the end state and return the results."""

    def answer_at_start(self, call: ToolCall) -> ToolResult:
        """Return the result of a read-only call in the start state."""
