"""The checks before a run begins, for played and served runs alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tau2_core.errors import PackError
from tau2_core.evaluators.grade import Grader
from tau2_core.packs.problems import Problems
from tau2_core.packs.task_checks import check_tasks
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.records.journal import Journal
from tau2_core.runs.configuration import configuration
from tau2_core.runs.evaluator_sets import choose_evaluators
from tau2_core.runs.plan import Plan
from tau2_core.runs.resume import TakenOver, nothing_yet, resume_run


@dataclass(frozen=True)
class CheckedPlan:
    """A plan with valid, loaded data, its grader, and its configuration for run.json."""

    plan: Plan
    grader: Grader
    config: dict[str, Any]

    def taken_over(self, journal: Journal) -> TakenOver:
        """Find what the run's folder already contains. Raises RunError if it belongs to another run."""
        return resume_run(journal, self.config, self.plan) if journal.begun else nothing_yet(journal, self.plan)


def check_plan(plan: Plan, catalogue: Catalogue) -> CheckedPlan:
    """Load everything that a plan needs, and refuse a plan that cannot be played or graded.

    Raises PackError or DatasetError if data are invalid, UsageError for tasks that the evaluators cannot grade.
    """
    chosen = plan.evaluator_set or choose_evaluators(catalogue, plan.evaluators, plan.setting)
    grader = chosen.grader(plan.setting)
    plan.setting.bases()
    _refuse_wrong_tasks(plan)
    chosen.refuse_ungradable(grader, plan.tasks)
    return CheckedPlan(plan, grader, configuration(plan, catalogue))


def _refuse_wrong_tasks(plan: Plan) -> None:
    """Refuse a pack's own tasks with invalid calls or criteria.

    Those of a dataset, or of a wrapped domain, are played as they are.
    """
    if plan.setting.dataset is None and plan.setting.pack.wrapped is None:
        problems = Problems(plan.setting.domain)
        check_tasks(plan.setting.pack, problems, {task.id for task in plan.tasks})
        if problems.found:
            raise PackError(problems.found)
