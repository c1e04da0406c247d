"""The part of a run's lines that figures are made of: what is counted, without conversations and evidence."""

from __future__ import annotations

import msgspec

from tau2_core.model.episodes import Slot, Usage
from tau2_core.model.evaluation import Outcome, Status, reaches


class PlaceFigures(msgspec.Struct):
    """The slot of a line."""

    task_id: str
    trial: int

    @property
    def slot(self) -> Slot:
        return Slot(self.task_id, self.trial)


class EpisodeEnd(PlaceFigures):
    """How an episode ended, and what it used."""

    termination: str
    error: str | None = None
    tool_calls: int = 0
    tool_errors: dict[str, int] = {}
    usage: dict[str, Usage] = {}


class EpisodePlace(PlaceFigures):
    """The slot of an episode, its domain, how it ended, and what it used."""

    domain: str
    termination: str
    usage: dict[str, Usage] = {}


class GradePlace(PlaceFigures):
    """The slot of a grade, with its reward and the set that graded."""

    evaluators: str
    reward: float | None


class TimingFigures(PlaceFigures):
    """How many seconds an episode took."""

    seconds: float


class _Call(msgspec.Struct):
    """A tool call; only its existence is counted."""


class _Message(msgspec.Struct):
    role: str
    tool_calls: list[_Call] | None = None

    @property
    def is_turn(self) -> bool:
        """Whether it is a text of one side to the other."""
        return self.role in ("assistant", "user") and not self.tool_calls


class EpisodeFigures(EpisodeEnd):
    """What is counted of an episode."""

    steps: int = 0
    messages: list[_Message] = []

    @property
    def turns(self) -> int:
        """The number of texts between the sides."""
        return sum(message.is_turn for message in self.messages)


class JudgementFigures(PlaceFigures):
    """What is counted of a judgement."""

    model: str = ""
    error: str = ""
    usage: Usage = msgspec.field(default_factory=Usage.nothing)


class _Verdict(msgspec.Struct):
    status: Status
    reward: float | None

    @property
    def met(self) -> bool:
        """Whether the reward is the full one."""
        return self.reward is not None and reaches(self.reward)


class GradeFigures(PlaceFigures):
    """What is counted of a grade."""

    evaluators: str
    reward: float | None
    outcome: Outcome
    basis: list[str]
    verdicts: dict[str, _Verdict] = {}

    @property
    def solved(self) -> bool:
        """Whether rates count it as solved."""
        return self.outcome.counts_as_solved
