"""The questions that a person who labels an episode is asked, and the keys of the answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tau2_core.model.evaluation import Grade, Outcome, Status
from tau2_core.model.tasks import Task
from tau2_core.records.labels import ABOUTS, About, LabelValue, Question

BY_STATEMENT = "NL_ASSERTION"  # a criterion whose assertions are asked about one by one
_MET: Mapping[str, LabelValue] = {"y": "met", "n": "unmet"}
#: The answers by key, for each kind of question.
KEYS: Mapping[About, Mapping[str, LabelValue]] = {
    "criterion": _MET,
    "assertion": _MET,
    "customer_fault": {"0": "none", "1": "minor", "2": "decisive"},
}
WORDS: Mapping[LabelValue, str] = {
    "met": "met",
    "unmet": "not met",
    "none": "none",
    "minor": "minor",
    "decisive": "decisive",
}
_CRITERIA = {
    "DB": "do the databases end as the task requires?",
    "ACTION": "were all required calls made?",
    "COMMUNICATE": "did the agent say all that it must?",
    "ENV_ASSERTION": "does everything hold that must hold at the end?",
}
CUSTOMER = "the customer's worst fault: none, minor, or decisive (it can make a faultless agent fail)?"


def questions(grade: Grade, task: Task, wanted: Iterable[About] = ABOUTS) -> list[Question]:
    """Return the questions about an episode: its criteria, its assertions, and the customer's fault.

    Assertions that await a judge are included. Vacuous criteria are left out, and so are all questions about an episode
    whose infrastructure failed, since it will be played again.
    """
    if grade.outcome is Outcome.INFRASTRUCTURE_ERROR:
        return []
    found = [
        Question("criterion", name)
        for name, verdict in grade.verdicts.items()
        if verdict.status is not Status.VACUOUS and name != BY_STATEMENT
    ]
    criteria = task.evaluation_criteria
    found += [Question("assertion", each) for each in dict.fromkeys((criteria and criteria.nl_assertions) or ())]
    if grade.user_review is not None:
        found.append(Question("customer_fault", ""))
    kept = set(wanted)
    return [each for each in found if each.about in kept]


def in_words(question: Question) -> str:
    """Return a question as a sentence."""
    if question.about == "customer_fault":
        return CUSTOMER
    if question.about == "assertion":
        return f"does this hold: {question.name}"
    return f"{question.name}: {_CRITERIA.get(question.name, 'is it met?')}"


def requirements(question: Question, task: Task) -> Sequence[str]:
    """Return the task's requirements for a criterion, besides its gold calls."""
    criteria = task.evaluation_criteria
    if criteria is None or question.about != "criterion":
        return ()
    if question.name == "COMMUNICATE":
        return criteria.communicate_info or ()
    if question.name == "ENV_ASSERTION":
        return [
            f"{each.func_name}({', '.join(f'{key}={value!r}' for key, value in each.arguments.items())})"
            f" is {each.assert_value}"
            for each in criteria.env_assertions or ()
        ]
    return ()
