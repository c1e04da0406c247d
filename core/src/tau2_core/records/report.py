"""The report of a run folder: rates with intervals, criteria, errors by cause, cost, and the length of episodes.

A rate is strict (every slot of the inventory counts; one without a usable result counts as failed) unless it is called
evaluable. No infrastructure error can raise a strict rate.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from math import fsum

from pydantic import BaseModel, ConfigDict, Field

from tau2_core.model.episodes import Usage
from tau2_core.model.evaluation import Grade, Outcome, Status
from tau2_core.model.messages import AssistantMessage, UserMessage
from tau2_core.records.reader import RecordedRun
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

    Slots whose task names nothing for it are `vacuous` and not part of either rate. Both rates are None if no slot has
    a verdict. `in_basis` counts verdicts that count for a reward.
    """

    model_config = ConfigDict(extra="forbid")

    met: int
    unmet: int
    unchecked: int
    vacuous: int
    in_basis: int
    strict_rate: Estimate | None
    evaluable_rate: Estimate | None


class RoleUsage(BaseModel):
    """The usage of a role's model in all recorded episodes; None if it is not known for each of them.

    `cut_off` counts answers that the token limit cut off, `finish_reasons` all answers by finish reason.
    """

    model_config = ConfigDict(extra="forbid")

    requests: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    cut_off: int | None = None
    finish_reasons: dict[str, int] | None = None


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
    """All figures of one run. `errors` counts slots by who caused the error, and unfinished ones."""

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


def build_report(run: RecordedRun) -> Report:
    """Return the report of a recorded run. Raises RunError if its grades are from more than one evaluator set."""
    config, tally = run.config, run.tally()
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
        mean_reward=tally.mean_reward,
        pass_hat_k=pass_hat_k_estimates(solved, tally.trials),
        criteria={name: _criterion(run, name) for name in _criteria(run.grades.values())},
        outcomes=tally.outcomes,
        pending=tally.pending,
        errors={who: tally.outcomes.get(outcome.value, 0) for who, outcome in ATTRIBUTION.items()}
        | {"unfinished": tally.slots - tally.finished},
        terminations=dict(sorted(Counter(record.termination.value for record in run.records.values()).items())),
        tool_calls=tally.tool_calls,
        tool_errors=tally.tool_errors,
        usage=_usage(run),
        spread=_spreads(run),
        solved_by_task=tally.solved,
    )


def _criteria(grades: Iterable[Grade]) -> list[str]:
    return sorted({name for grade in grades for name in (*grade.verdicts, *grade.basis)})


def _criterion(run: RecordedRun, name: str) -> Criterion:
    """Count one criterion's verdicts, task by task.

    A slot whose grade has no verdicts at all is unchecked, even if the task's other trials are vacuous. Otherwise an
    error instead of an unmet criterion could raise the rate.
    """
    counts: list[Counter[str]] = []
    in_basis = 0
    for task in run.tasks:
        states = [criterion_state(run.grades.get(slot), name) for slot in run.slots(task)]
        counts.append(Counter(states))
        in_basis += sum(slot in run.grades and name in run.grades[slot].basis for slot in run.slots(task))
    total = sum(counts, Counter[str]())
    met = [count["met"] for count in counts]
    evaluable = [count["met"] + count["unmet"] for count in counts]
    every = [number + count["unchecked"] for number, count in zip(evaluable, counts, strict=True)]
    return Criterion(
        met=total["met"],
        unmet=total["unmet"],
        unchecked=total["unchecked"],
        vacuous=total["vacuous"],
        in_basis=in_basis,
        strict_rate=clustered_rate(met, every) if any(evaluable) else None,
        evaluable_rate=clustered_rate(met, evaluable),
    )


def criterion_state(grade: Grade | None, name: str) -> str:
    """Return what a grade says of a criterion: met, unmet, vacuous (the task names nothing for it) or unchecked."""
    if grade is None or not grade.verdicts:
        return "unchecked"
    verdict = grade.verdicts.get(name)
    if verdict is None:
        return "unchecked" if name in grade.basis else "vacuous"
    if verdict.status is Status.VACUOUS:
        return "vacuous"
    if verdict.reward is None:
        return "unchecked"
    return "met" if verdict.met else "unmet"


def _usage(run: RecordedRun) -> dict[str, RoleUsage]:
    """Sum up what models used; the judge is asked about some episodes only, every other role plays in all of them."""
    usages: dict[str, list[Usage]] = {role: [] for role in run.config["models"]}
    for record in run.records.values():
        for role, usage in record.usage.items():
            usages.setdefault(role, []).append(usage)
    used = {role: _role_usage(usages[role], len(run.records)) for role in sorted(usages.keys() - {"judge"})}
    if run.judgements or "judge" in run.config["models"]:
        used["judge"] = _role_usage([each.usage for each in run.judgements.values()], len(run.judgements))
    return used


def _role_usage(known: Sequence[Usage], episodes: int) -> RoleUsage:
    if len(known) < episodes:
        return RoleUsage()
    total = RoleUsage(requests=sum(usage.requests for usage in known))
    costs = [usage.cost for usage in known if usage.cost is not None]
    if len(costs) == len(known):
        total.cost = fsum(costs)
    if all(usage.prompt_tokens or not usage.requests for usage in known):  # every request has a prompt
        total.prompt_tokens = sum(usage.prompt_tokens for usage in known)
        total.completion_tokens = sum(usage.completion_tokens for usage in known)
    if all(usage.finish_reasons or not usage.requests for usage in known):  # older records have none
        total.cut_off = sum(usage.cut_off for usage in known)
        counts = sum((Counter(usage.finish_reasons) for usage in known), Counter[str]())
        total.finish_reasons = dict(sorted(counts.items()))
    return total


def _spreads(run: RecordedRun) -> dict[str, Spread]:
    """Return the distributions of turns (texts between the sides), steps, tool calls, seconds and dollars."""
    records = run.records.values()
    counts: dict[str, Sequence[float]] = {
        "turns": [
            sum(isinstance(each, AssistantMessage | UserMessage) and not each.tool_calls for each in record.messages)
            for record in records
        ],
        "steps": [record.steps for record in records],
        "tool calls": [record.tool_calls for record in records],
        "seconds": list(run.seconds.values()),
        "dollars": _dollars(run),
    }
    return {name: _spread(values) for name, values in counts.items() if values}


def _dollars(run: RecordedRun) -> Sequence[float]:
    """Return the cost of each episode with its judge; [] if no model took part or a price is unknown."""
    judges = {slot: [judgement.usage] for slot, judgement in run.judgements.items()}
    costs = [
        [usage.cost for usage in (*record.usage.values(), *judges.get(slot, []))]
        for slot, record in run.records.items()
    ]
    known = [fsum(cost for cost in each if cost is not None) for each in costs if each and None not in each]
    return known if len(known) == len(costs) else []


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
