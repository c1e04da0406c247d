"""The parts of a run's lines that its figures are computed from: counts, without conversations and evidence."""

from __future__ import annotations

import msgspec

from tau2_core.model.episodes import Slot, Usage
from tau2_core.model.evaluation import Outcome, Status, Verdict, reaches


class PlaceFigures(msgspec.Struct):
    """The slot of a line."""

    task_id: str
    trial: int

    @property
    def slot(self) -> Slot:
        return Slot(self.task_id, self.trial)


class EpisodeEnd(PlaceFigures):
    """How an episode ended, and its usage."""

    termination: str
    error: str | None = None
    tool_calls: int = 0
    tool_errors: dict[str, int] = {}
    usage: dict[str, Usage] = {}


class EpisodePlace(PlaceFigures):
    """The slot of an episode, its domain, how it ended, and its usage."""

    domain: str
    termination: str
    usage: dict[str, Usage] = {}


class EpisodePersona(PlaceFigures):
    """The slot of an episode, and the persona of its customer."""

    persona: str | None = None


class GradePlace(PlaceFigures):
    """The slot of a grade, with its reward and its evaluator set."""

    evaluators: str
    reward: float | None


class TimingFigures(PlaceFigures):
    """The duration of an episode in seconds."""

    seconds: float


class Timing(TimingFigures):
    """The duration of an episode, and the seconds of its messages by speaker and number."""

    latency: dict[str, dict[int, float]] = {}

    def by_message(self) -> dict[int, float]:
        """Return the seconds by the message's number."""
        return {number: seconds for taken in self.latency.values() for number, seconds in taken.items()}


class _Call(msgspec.Struct):
    """A tool call; only its existence matters."""


class _Message(msgspec.Struct):
    role: str
    tool_calls: list[_Call] | None = None

    @property
    def is_turn(self) -> bool:
        """Whether it is a text from one side to the other."""
        return self.role in ("assistant", "user") and not self.tool_calls


class _DraftFault(msgspec.Struct):
    found_by: str


class CustomerTurnFigures(msgspec.Struct):
    """The counted parts of how a customer's message came about."""

    plan: dict[str, list[str]] | None = None
    plan_problem: str = ""
    faults: list[_DraftFault] = []
    remaining: list[str] = []


class EpisodeFigures(EpisodeEnd):
    """The parts of an episode that are counted."""

    steps: int = 0
    messages: list[_Message] = []
    customer_turns: list[CustomerTurnFigures] = []

    @property
    def said_by_user(self) -> int:
        """The number of the customer's messages, with calls or without."""
        return sum(message.role == "user" for message in self.messages)

    @property
    def turns(self) -> int:
        """The number of texts between the sides."""
        return sum(message.is_turn for message in self.messages)


class _Decided(msgspec.Struct):
    met: bool


class _Vote(msgspec.Struct):
    statements: list[_Decided] = []


class JudgementFigures(PlaceFigures):
    """The parts of a judgement that are counted."""

    model: str = ""
    error: str = ""
    judge: str = ""
    statements: list[_Decided] = []
    votes: list[_Vote] = []
    usage: Usage = msgspec.field(default_factory=Usage.nothing)

    def split(self) -> int:
        """Return about how many statements the judges that answered disagreed."""
        answered = [[each.met for each in vote.statements] for vote in self.votes if vote.statements]
        return sum(len(set(said)) > 1 for said in zip(*answered, strict=False))


class _Verdict(msgspec.Struct):
    status: Status
    reward: float | None

    @property
    def met(self) -> bool:
        """Whether the reward is the full one."""
        return self.reward is not None and reaches(self.reward)


class _Finding(msgspec.Struct):
    detector: str


class ReviewFigures(msgspec.Struct):
    """The counted parts of a customer's review."""

    customer_fault: str
    findings: list[_Finding] = []
    errors: dict[str, str] = {}


class GradeOutcome(GradePlace):
    """The outcome of a grade, and the criteria in its reward."""

    outcome: Outcome
    basis: list[str]

    @property
    def solved(self) -> bool:
        """Whether rates count it as solved."""
        return self.outcome.counts_as_solved


class GradeFigures(GradeOutcome):
    """The parts of a grade that are counted."""

    verdicts: dict[str, _Verdict] = {}
    user_review: ReviewFigures | None = None


class ExplainedGrade(GradeOutcome):
    """A grade with what explains it: the checks with their evidence, and the note."""

    verdicts: dict[str, Verdict] = {}
    note: str = ""
