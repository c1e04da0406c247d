"""The report of a run folder: rates with intervals, criteria, errors by cause, cost, and the length of episodes.

A rate is strict (every slot of the inventory counts; one without a usable result counts as failed) unless it is called
evaluable. No infrastructure error can raise a strict rate.
"""

from __future__ import annotations

import statistics
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tau2_core.model.evaluation import Outcome
from tau2_core.records.counts import STATES, CriterionCounts, EpisodeCounts, RoleUsage, count_criteria
from tau2_core.records.customer_faults import CustomerFaults, customer_faults
from tau2_core.records.customer_reviews import read_reviews, review_usage
from tau2_core.records.customer_turns import CustomerTurns
from tau2_core.records.figures import EpisodeFigures, GradeFigures, JudgementFigures
from tau2_core.records.judge_calibration import JudgeCalibration
from tau2_core.records.judge_trust import JudgeTrust, judge_trust
from tau2_core.records.personas import PersonaFigures, persona_figures
from tau2_core.records.reader import RecordedRun
from tau2_core.records.slot_lines import SlotNumbers
from tau2_core.records.statistics import CONFIDENCE, Estimate, clustered_rate, pass_hat_k_estimates

ATTRIBUTION = {
    "agent": Outcome.AGENT_ERROR,
    "user": Outcome.USER_ERROR,
    "judge": Outcome.JUDGE_ERROR,
    "evaluator": Outcome.EVALUATOR_ERROR,
    "infrastructure": Outcome.INFRASTRUCTURE_ERROR,
}


class Criterion(BaseModel):
    """How often a criterion is met. `unchecked` slots have no verdict on it: an error, a cut-off, a missing judge.

    Slots whose task specifies nothing for it are `vacuous` and not part of either rate. Both rates are None if no slot
    has a verdict. `in_basis` counts verdicts that count for a reward.
    """

    model_config = ConfigDict(extra="forbid")

    met: int
    unmet: int
    unchecked: int
    vacuous: int
    in_basis: int
    strict_rate: Estimate | None
    evaluable_rate: Estimate | None


class Spread(BaseModel):
    """The distribution of a count over the recorded episodes."""

    model_config = ConfigDict(extra="forbid")

    mean: float
    least: float
    quarter: float
    median: float
    three_quarters: float
    most: float


class Report(BaseModel):
    """All figures of one run. `errors` counts slots by who caused the error, and unfinished ones.

    `customer` says what the simulated customer did wrong, None if no episode was reviewed. `personas` are the rates by
    persona. `customer_turns` counts checked drafts and plans, None in a run with neither. `judge` says how far the
    result depends on the judge, None if nothing was judged.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    folder: str
    domain: str
    agent: str
    user: str
    models: dict[str, str]
    evaluators: str
    tasks: int
    trials: int
    slots: int
    finished: int
    evaluable: int
    coverage: float
    confidence: float = CONFIDENCE
    strict_rate: Estimate
    evaluable_rate: Estimate | None
    customer: CustomerFaults | None = None
    personas: dict[str, PersonaFigures] = Field(default_factory=dict)
    customer_turns: CustomerTurns | None = None
    judge: JudgeTrust | None = None
    mean_reward: float
    pass_hat_k: dict[int, Estimate]
    criteria: dict[str, Criterion]
    outcomes: dict[str, int]
    pending: int
    errors: dict[str, int]
    terminations: dict[str, int]
    tool_calls: int
    tool_errors: dict[str, int]
    usage: dict[str, RoleUsage]
    spread: dict[str, Spread] = Field(default_factory=dict)
    solved_by_task: dict[str, int]


def build_report(run: RecordedRun, calibration: JudgeCalibration | None = None) -> Report:
    """Return the report of a recorded run. Raises RunError if its grades are from more than one evaluator set.

    `calibration` is that of the run's judge, by default the one in its folder. Raises UsageError if it is of another.
    """
    config, tally = run.config, run.tally_of_grades(run.tasks, run.trials)
    counts = EpisodeCounts(
        SlotNumbers(run.tasks, run.trials),
        run.records.figures(EpisodeFigures),
        run.judgements.figures(JudgementFigures),
        config["models"],
    )
    solved, evaluable = list(tally.solved.values()), list(tally.evaluable.values())
    strict = clustered_rate(solved, [tally.trials] * len(solved))
    assert strict is not None  # a run has at least one slot
    return Report(
        name=run.name,
        folder=str(run.folder),
        domain=config["domain"] + (f" ({config['variant']})" if config["variant"] else ""),
        agent=config["agent"]["name"],
        user=config["user"]["name"],
        models={role: model["model"] for role, model in config["models"].items()},
        evaluators=run.evaluators,
        tasks=len(tally.tasks),
        trials=tally.trials,
        slots=tally.slots,
        finished=tally.finished,
        evaluable=sum(evaluable),
        coverage=tally.coverage,
        strict_rate=strict,
        evaluable_rate=clustered_rate(solved, evaluable),
        customer=customer_faults(tally),
        personas=persona_figures(run),
        customer_turns=_customer_turns(counts, config),
        judge=judge_trust(run, calibration),
        mean_reward=tally.mean_reward,
        pass_hat_k=pass_hat_k_estimates(solved, tally.trials),
        criteria=_criteria(run),
        outcomes=tally.outcomes,
        pending=tally.pending,
        errors={who: tally.outcomes.get(outcome.value, 0) for who, outcome in ATTRIBUTION.items()}
        | {"unfinished": tally.slots - tally.finished},
        terminations=dict(sorted(counts.terminations.items())),
        tool_calls=sum(counts.tool_calls),
        tool_errors=dict(sorted(counts.tool_errors.items())),
        usage=counts.usage() | review_usage(read_reviews(run.folder).values()),
        spread=_spreads(counts, array("d", run.seconds.values())),
        solved_by_task=tally.solved,
    )


def _customer_turns(counts: EpisodeCounts, config: Mapping[str, Any]) -> CustomerTurns | None:
    found = counts.customer_turns.summed_up()
    told = config["user"].get("check") or found.with_plan or found.without_plan
    return found if told else None


def _criteria(run: RecordedRun) -> dict[str, Criterion]:
    grades = run.grades.figures(GradeFigures)
    names = sorted({name for grade in grades for name in (*grade.verdicts, *grade.basis)})
    counts = count_criteria(names, run.tasks, run.grades.figures(GradeFigures))
    return {name: _criterion(found, run.trials) for name, found in counts.items()}


def _criterion(counts: CriterionCounts, trials: int) -> Criterion:
    """Sum up a criterion; a slot without a grade is unchecked."""
    by_task = list(zip(*(counts.states[state] for state in STATES), strict=True))
    met = [task[0] for task in by_task]
    evaluable = [task[0] + task[1] for task in by_task]
    every = [trials - task[3] for task in by_task]
    total_met, total_evaluable, total_every = sum(met), sum(evaluable), sum(every)
    return Criterion(
        met=total_met,
        unmet=total_evaluable - total_met,
        unchecked=total_every - total_evaluable,
        vacuous=sum(counts.states["vacuous"]),
        in_basis=counts.in_basis,
        strict_rate=clustered_rate(met, every) if total_evaluable else None,
        evaluable_rate=clustered_rate(met, evaluable),
    )


def _spreads(counts: EpisodeCounts, seconds: Sequence[float]) -> dict[str, Spread]:
    """Return the distributions of turns (texts between the sides), steps, tool calls, seconds and dollars."""
    values: dict[str, Sequence[float]] = {
        "turns": counts.turns,
        "steps": counts.steps,
        "tool calls": counts.tool_calls,
        "seconds": seconds,
        "dollars": counts.dollars or (),
    }
    return {name: _spread(found) for name, found in values.items() if found}


def _spread(values: Sequence[float]) -> Spread:
    quartiles = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return Spread(
        mean=statistics.fmean(values),
        least=min(values),
        quarter=quartiles[0],
        median=quartiles[1],
        three_quarters=quartiles[2],
        most=max(values),
    )
