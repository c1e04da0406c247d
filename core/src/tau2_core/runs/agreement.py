"""Comparing our verdicts with recorded ones, component by component and check by check."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import get_args

from tau2_core.adapters.tau2_bench.results import RecordedConversation, RecordedVerdict
from tau2_core.model.evaluation import Check, Grade, Status, agrees
from tau2_core.model.tasks import RewardType
from tau2_core.state.difference import ABSENT

SHOWN = 3


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One component in which our verdict differs from the recorded one, with the evidence for ours."""

    file: str
    conversation: str
    task: str
    component: str
    recorded: str
    ours: str
    evidence: str = ""

    def __str__(self) -> str:
        place = f"{self.file}: {self.conversation} (task {self.task})"
        text = f"{place}: {self.component}: recorded {self.recorded}, ours {self.ours}"
        return f"{text}; {self.evidence}" if self.evidence else text

    def as_json(self) -> dict[str, str]:
        return asdict(self)


@dataclass
class Misplaced:
    """Recorded checks in a file that belong to other tasks than their conversations: their number, and the first."""

    conversations: int
    first: str


@dataclass
class Agreement:
    """The number of conversations that agree. One without a recorded verdict, or awaiting a judge here, is pending.

    One whose recorded checks are of another task disagrees; it is counted by its file in `misplaced` and not compared
    check by check.
    """

    conversations: int = 0
    agreed: int = 0
    disagreed: int = 0
    pending: int = 0
    disagreements: list[Disagreement] = field(default_factory=list)
    misplaced: dict[str, Misplaced] = field(default_factory=dict)

    def add(self, conversation: RecordedConversation, grade: Grade) -> None:
        """Compare one conversation and count it."""
        self.conversations += 1
        verdict = conversation.verdict
        if verdict is None:
            self.pending += 1
            return
        if conversation.checks_of is not None:
            self.disagreed += 1
            task = conversation.task.id
            first = f"{conversation.id} plays task {task}, its checks are those of task {conversation.checks_of}"
            self._misplace(str(conversation.file), Misplaced(1, first))
            return
        found = list(disagreements(conversation, grade, verdict))
        self.disagreements += found
        if found:
            self.disagreed += 1
        elif grade.pending and not verdict.pending:
            self.pending += 1
        else:
            self.agreed += 1

    def merge(self, other: Agreement) -> None:
        """Add the counts of another part."""
        self.conversations += other.conversations
        self.agreed += other.agreed
        self.disagreed += other.disagreed
        self.pending += other.pending
        self.disagreements += other.disagreements
        for file, misplaced in other.misplaced.items():
            self._misplace(file, misplaced)

    def _misplace(self, file: str, misplaced: Misplaced) -> None:
        known = self.misplaced.setdefault(file, Misplaced(0, misplaced.first))
        known.conversations += misplaced.conversations

    def misplaced_lines(self) -> list[str]:
        """Return a line for each file with checks of other tasks, with their number and the first."""
        return [
            f"{file}: the recorded checks of {each.conversations} conversations belong to other tasks of the file "
            f"({each.first}); its verdicts were mixed up, so they say nothing about these conversations"
            for file, each in self.misplaced.items()
        ]

    def closing_line(self) -> str:
        counts = f"agreed {self.agreed}, disagreed {self.disagreed}, pending {self.pending}"
        return f"conversations {self.conversations}, {counts}"


def disagreements(conversation: RecordedConversation, grade: Grade, verdict: RecordedVerdict) -> Iterator[Disagreement]:
    """Yield the differences. Components missing in the file, and a reward awaiting a judge, are not compared."""

    def differs(component: str, recorded: object, ours: object, evidence: str = "") -> Disagreement:
        name = str(conversation.file)
        return Disagreement(name, conversation.id, conversation.task.id, component, str(recorded), str(ours), evidence)

    awaits = bool(grade.pending) and not verdict.pending
    reward = grade.reward or 0.0
    if not awaits and not agrees(reward, verdict.reward):
        yield differs("reward", verdict.reward, grade.reward, grade.note)
    basis = [
        criterion for criterion in grade.basis if criterion in get_args(RewardType)
    ]  # an evaluator set may add its own
    if verdict.basis is not None and list(verdict.basis) != basis:
        yield differs("reward_basis", list(verdict.basis), basis)
    if verdict.db_match is not None:
        checks = _checks(grade, "DB")
        ours = all(check.met for check in checks)
        if ours != verdict.db_match:
            yield differs("DB", verdict.db_match, ours, _paths(checks))
    lists = (
        ("ENV_ASSERTION", verdict.env_assertions),
        ("ACTION", verdict.actions),
        ("COMMUNICATE", verdict.communicate),
    )
    for criterion, recorded in lists:
        if recorded is not None:
            yield from _each(criterion, recorded, _checks(grade, criterion), differs)


def _each(criterion: str, recorded: Sequence[bool], checks: Sequence[Check], differs: object) -> Iterator[Disagreement]:
    assert callable(differs)
    if len(recorded) != len(checks):
        yield differs(criterion, f"{len(recorded)} checks", f"{len(checks)} checks")
        return
    for index, (expected, check) in enumerate(zip(recorded, checks, strict=True)):
        if expected != bool(check.met):
            yield differs(f"{criterion}[{index}] {check.what}", expected, check.met, check.why)


def _paths(checks: Sequence[Check]) -> str:
    """Return the first few paths at which the end states differ, with both values (old: the gold state's)."""
    items = [item for check in checks for item in check.evidence]
    shown = [f"{item['path']}: {item.get('old', ABSENT)!r} → {item.get('new', ABSENT)!r}" for item in items[:SHOWN]]
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return f"differs at {', '.join(shown)}{more}" if items else "no path differs"


def _checks(grade: Grade, criterion: str) -> Sequence[Check]:
    verdict = grade.verdicts.get(criterion)
    return [] if verdict is None or verdict.status is Status.VACUOUS else verdict.checks
