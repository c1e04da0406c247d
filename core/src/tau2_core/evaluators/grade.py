"""Grading one record: a verdict by each evaluator, and their combination (spec/evaluation.md, 4)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from tau2_core.episode.setting import Setting
from tau2_core.errors import TaskError
from tau2_core.evaluators.combine import RewardRule, apply_reward_rule
from tau2_core.evaluators.evidence import Gold, ReplayedEvidence
from tau2_core.evaluators.guard import guarded, is_own
from tau2_core.evaluators.time_limit import TimeLimitError, run_aside, run_within
from tau2_core.model.episodes import EpisodeRecord, Slot, Termination
from tau2_core.model.evaluation import Grade, Judgement, Outcome, Status, Verdict
from tau2_core.model.lazy import loaded
from tau2_core.model.messages import ToolMessage
from tau2_core.model.registrations import EVALUATOR_SECONDS, DetectorSpec, EvaluatorSpec
from tau2_core.model.tasks import Task
from tau2_core.model.user_review import ReviewedConversation
from tau2_core.user_review.review import review

LONGEST_CAUSE = 120
PRODUCT = RewardRule()
KNOWN_GOLD = 1000
ENDED_WELL = (Termination.AGENT_STOP, Termination.USER_STOP)
_ERRORS = {
    Termination.AGENT_ERROR: Outcome.AGENT_ERROR,
    Termination.USER_ERROR: Outcome.USER_ERROR,
    Termination.INFRASTRUCTURE_ERROR: Outcome.INFRASTRUCTURE_ERROR,
}


class Grader:
    """Grades episodes of one setting with one evaluator set. Equal records get equal grades."""

    def __init__(
        self,
        setting: Setting,
        set_name: str,
        evaluators: Mapping[str, EvaluatorSpec],
        rule: RewardRule = PRODUCT,
        detectors: Mapping[str, DetectorSpec] | None = None,
    ) -> None:
        self.setting = setting
        self.set_name = set_name
        self.rule = rule
        self.detectors = {name: loaded(spec.detect) for name, spec in (detectors or {}).items()}
        self.evaluators = {criterion: loaded(spec.evaluate) for criterion, spec in evaluators.items()}
        quick = setting.pack.manifest.quick  # without it, the core's own evaluators need no time limit
        self.seconds = {
            criterion: None if quick and is_own(evaluate) else evaluators[criterion].seconds
            for criterion, evaluate in self.evaluators.items()
        }
        longest = max((spec.seconds for spec in evaluators.values()), default=EVALUATOR_SECONDS)
        self.replay_seconds = None if quick else longest
        self.always = [criterion for criterion, spec in evaluators.items() if spec.always]
        self._gold: dict[tuple[str, int | None], Gold] = {}

    @property
    def is_quick(self) -> bool:
        """Whether no evaluator has a time limit, so that it grades at once."""
        return all(seconds is None for seconds in self.seconds.values())

    def needs_judge(self, record: EpisodeRecord, task: Task, *, everywhere: bool = False) -> bool:
        """Tell whether a judge is needed for an episode's reward (`everywhere`: or just for the report)."""
        criteria = task.evaluation_criteria
        if criteria is None or not criteria.nl_assertions or record.termination not in ENDED_WELL:
            return False
        return everywhere or "NL_ASSERTION" in self.basis(task)

    def basis(self, task: Task) -> list[str]:
        """Return the criteria that count for a task's reward: its own, and those that always count."""
        criteria = task.evaluation_criteria
        if criteria is None:
            return []
        always = [criterion for criterion in self.always if criterion not in criteria.reward_basis]
        return [each for each in [*criteria.reward_basis, *always] if each not in self.rule.never]

    def ungraded(self, slot: Slot, task: Task, why: str) -> Grade:
        """Return the grade of an episode that cannot be graded."""
        return Grade(
            task_id=slot.task_id,
            trial=slot.trial,
            evaluators=self.set_name,
            reward=None,
            outcome=Outcome.EVALUATOR_ERROR,
            basis=self.basis(task),
            note=why,
        )

    async def grade_aside(self, record: EpisodeRecord, task: Task, judgement: Judgement | None = None) -> Grade:
        """Do what `grade` does without blocking the event loop during slow evaluators."""
        if self.is_quick:
            return self.grade(record, task, judgement)
        return await run_aside(partial(self.grade, record, task, judgement))

    def grade(self, record: EpisodeRecord, task: Task, judgement: Judgement | None = None) -> Grade:
        """Return the grade of one record. A crash or timeout of an evaluator is a separate outcome, never a pass."""
        grade = self._grade(record, task, judgement)
        if self.detectors and not record.solo:
            tools = {role: self.setting.known_tools(role) for role in ("agent", "user")}
            conversation = ReviewedConversation(task, record, tools["agent"], tools["user"])
            grade.user_review = review(conversation, self.detectors)
        return grade

    def _grade(self, record: EpisodeRecord, task: Task, judgement: Judgement | None) -> Grade:
        criteria = task.evaluation_criteria
        grade = Grade(
            task_id=record.task_id,
            trial=record.trial,
            evaluators=self.set_name,
            reward=0.0,
            outcome=Outcome.FAILED,
            basis=self.basis(task),
        )
        if record.termination not in ENDED_WELL:
            grade.outcome = _ERRORS.get(record.termination, Outcome.FAILED)
            grade.reward = None if grade.outcome is Outcome.INFRASTRUCTURE_ERROR else 0.0
            grade.note = f"ended by {record.termination.value}{_cause(record)}"
            return grade
        if criteria is None:
            return grade.model_copy(
                update={"reward": 1.0, "outcome": Outcome.SOLVED, "note": "the task has no criteria"}
            )
        if len(self._gold) >= KNOWN_GOLD:  # a server plays an unlimited number of tasks and seeds
            self._gold = {}
        fresh = partial(ReplayedEvidence, self.setting, task, record, judgement, self._gold)
        evidence = fresh()
        for criterion, evaluate in self.evaluators.items():
            if criterion == "NL_ASSERTION" and criterion not in criteria.reward_basis and not criteria.nl_assertions:
                continue
            verdict = guarded(criterion, evaluate, evidence, self.seconds[criterion])
            grade.verdicts[criterion] = verdict
            if verdict.status is Status.ERROR:
                evidence = fresh()  # a timed-out evaluator may still be using the other one
        apply_reward_rule(grade, self.rule)
        if judgement is not None and judgement.error and "NL_ASSERTION" in grade.pending:
            grade.outcome, grade.reward = Outcome.JUDGE_ERROR, None
            grade.note = f"the judge failed: {judgement.error}"
        _report_replay(grade, evidence, self.replay_seconds)
        return grade


def _cause(record: EpisodeRecord) -> str:
    """Return the cause of an abnormal end, as far as it is recorded."""
    if record.error:
        return f": {record.error}"
    if record.termination is Termination.TOO_MANY_ERRORS:
        failed = [message for message in record.messages if isinstance(message, ToolMessage) and message.error]
        if failed:
            return f": {len(failed)} calls failed, the last with {_shortened(failed[-1].content or '')}"
    return ""


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_CAUSE else f"{text[:LONGEST_CAUSE]}…"


def _report_replay(grade: Grade, evidence: ReplayedEvidence, seconds: float | None) -> None:
    """Report differences between the replay and the live episode, which make the grade doubtful."""
    said = [grade.note] if grade.note else []
    try:
        checks = evidence.live_checks() if seconds is None else run_within(seconds, evidence.live_checks)
        differing = [check for check in checks if not check.met]
    except (TaskError, TimeLimitError):
        differing = []  # it cannot be replayed; the verdicts report that
    if differing:
        grade.verdicts["REPLAY"] = Verdict(criterion="REPLAY", status=Status.GRADED, reward=0.0, checks=differing)
        said += [f"{check.what}: {check.why}" for check in differing]
    if evidence.mismatches:
        first = evidence.mismatches[0].call.name
        said.append(f"{len(evidence.mismatches)} replayed calls have other results than recorded, the first is {first}")
    grade.note = "; ".join(said)
