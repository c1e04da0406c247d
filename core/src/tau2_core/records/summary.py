"""The summary of a run, which is written when it ends."""

from __future__ import annotations

from tau2_core.model.runs import Inventory, RunSummary
from tau2_core.records.tally import Tally


def summarise(inventory: Inventory, name: str, folder: str, tally: Tally, seconds: float) -> RunSummary:
    """Return the summary of a run with its duration in seconds."""
    return RunSummary(
        name=name,
        folder=folder,
        domain=inventory.domain,
        agent=inventory.agent,
        user=inventory.user,
        evaluators=inventory.evaluators,
        dataset=inventory.dataset,
        split=inventory.split,
        slots=tally.slots,
        finished=tally.finished,
        evaluable=tally.rewarded,
        coverage=tally.coverage,
        mean_reward=tally.mean_reward,
        pass_hat_k=tally.pass_hat_k,
        outcomes=tally.outcomes,
        tool_calls=tally.tool_calls,
        tool_errors=sum(tally.tool_errors.values()),
        pending=tally.pending,
        usage=tally.usage,
        duration_seconds=seconds,
        solved_tasks=[task_id for task_id, count in tally.solved.items() if count == inventory.trials],
        failed=tally.failed,
        customer_faults=tally.faults.totals(),
    )
