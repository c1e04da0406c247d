"""Figures of a run, from its grades. A slot without a usable result counts as reward 0, so no failure raises a rate."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import comb

from tau2_core.model.episodes import EpisodeRecord, Usage
from tau2_core.model.evaluation import Grade, Judgement, Outcome
from tau2_core.model.runs import Inventory, RunSummary
from tau2_core.records.reasons import reasons


def pass_hat_k(successes: Sequence[int], trials: int) -> dict[int, float]:
    """Return pass^k for k = 1 to `trials`: the mean over tasks of C(c, k) / C(n, k) for c successes in n trials."""
    if not successes:
        return {}
    return {k: sum(comb(c, k) for c in successes) / comb(trials, k) / len(successes) for k in range(1, trials + 1)}


def figures(
    inventory: Inventory,
    name: str,
    folder: str,
    records: Sequence[EpisodeRecord],
    grades: Sequence[Grade],
    seconds: float,
    judgements: Sequence[Judgement] = (),
) -> RunSummary:
    """Sum up a run; slots that were never finished count in the inventory."""
    solved: dict[str, int] = dict.fromkeys(inventory.tasks, 0)
    rewards: dict[str, float] = defaultdict(float)
    failed: dict[str, str] = {}
    for grade in grades:
        rewards[grade.task_id] += grade.reward or 0.0
        if grade.solved:
            solved[grade.task_id] += 1
        else:
            failed.setdefault(grade.task_id, "; ".join(reasons(grade)[:3]))
    slots = len(inventory.tasks) * inventory.trials
    evaluable = sum(grade.reward is not None for grade in grades)
    return RunSummary(
        name=name,
        folder=folder,
        domain=inventory.domain,
        agent=inventory.agent,
        user=inventory.user,
        evaluators=inventory.evaluators,
        dataset=inventory.dataset,
        split=inventory.split,
        slots=slots,
        finished=len(grades),
        evaluable=evaluable,
        coverage=evaluable / slots,
        mean_reward=sum(rewards.values()) / slots,
        pass_hat_k=pass_hat_k(list(solved.values()), inventory.trials),
        outcomes=dict(Counter(grade.outcome.value for grade in grades)),
        tool_calls=sum(record.tool_calls for record in records),
        tool_errors=sum(sum(record.tool_errors.values()) for record in records),
        pending=sum(grade.outcome is Outcome.PENDING for grade in grades),
        usage=_usage(records, judgements),
        duration_seconds=seconds,
        solved_tasks=[task_id for task_id, count in solved.items() if count == inventory.trials],
        failed=failed,
    )


def _usage(records: Sequence[EpisodeRecord], judgements: Sequence[Judgement]) -> dict[str, Usage]:
    used: dict[str, Usage] = {}
    parts = [(role, usage) for record in records for role, usage in sorted(record.usage.items())]
    for role, usage in [*parts, *(("judge", judgement.usage) for judgement in judgements)]:
        used.setdefault(role, Usage.nothing()).add(usage)
    return used
