"""Conversion of episodes and grades to rows with chat-completions messages, and of rows to episode records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tau2_core.adapters.chat_messages import recorded_messages
from tau2_core.model.episodes import ArgumentMode, EpisodeRecord, Slot, Termination
from tau2_core.model.evaluation import Grade, Outcome, Status, Verdict
from tau2_core.model.messages import Message as RecordedMessage
from tau2_core.model.messages import SystemMessage, ToolMessage
from tau2_core.records.reasons import reasons

from tau2_gym_eval_protocol.rows import (
    CompletionUsage,
    EvaluateResult,
    EvaluationRow,
    ExecutionMetadata,
    Message,
    MetricResult,
    RowStatus,
)

REASONS = 5


def as_messages(messages: Sequence[RecordedMessage]) -> list[Message]:
    """Return an episode's messages as chat-completions messages. Requestor and error flags are stored as extra keys."""
    return [_as_message(message) for message in messages]


def _as_message(message: RecordedMessage) -> Message:
    if isinstance(message, ToolMessage):
        extra: dict[str, Any] = {} if message.requestor == "assistant" else {"requestor": message.requestor}
        if message.error:
            extra["error"] = True
        if message.skipped:
            extra["skipped"] = True
        return Message(role="tool", content=message.content or "", tool_call_id=message.id, **extra)
    if isinstance(message, SystemMessage):
        return Message(role="system", content=message.content or "")
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": json.dumps(call.arguments)}}
        for call in message.tool_calls or []
    ]
    return Message(role=message.role, content=message.content or "", tool_calls=calls or None)


def as_record(row: EvaluationRow, domain: str, slot: Slot, mode: ArgumentMode, **more: Any) -> EpisodeRecord:
    """Return a row's messages, without system messages, as an episode record that can be graded.

    A rollout without a termination reason, as in rows made elsewhere, counts as ended by the agent.
    """
    status, reason = row.rollout_status, row.rollout_status.termination_reason
    known = {each.value for each in Termination}
    termination = Termination(reason) if reason in known else Termination.AGENT_STOP
    if reason == "max_steps":
        termination = Termination.MAX_STEPS
    elif status.is_error:
        termination = Termination.INFRASTRUCTURE_ERROR
    messages = recorded_messages(message.model_dump() for message in row.messages)
    return EpisodeRecord(
        domain=domain,
        task_id=slot.task_id,
        trial=slot.trial,
        seed=int((row.execution_metadata.extra or {}).get("seed", 0)),
        termination=termination,
        error=status.message if status.is_error else None,
        mode=mode,
        tool_calls=sum(isinstance(message, ToolMessage) for message in messages),
        messages=messages,
        **more,
    )


def fill(row: EvaluationRow, record: EpisodeRecord, seconds: float) -> None:
    """Write an episode into a row, after the row's own system messages; `seconds` is its duration."""
    row.messages = [message for message in row.messages if message.role == "system"] + as_messages(record.messages)
    if record.termination is Termination.INFRASTRUCTURE_ERROR:
        row.rollout_status = RowStatus.failed(record.error or record.termination.value)
    else:
        row.rollout_status = RowStatus.finished(record.termination.value)
    usage = list(record.usage.values())
    prompt, completion = sum(u.prompt_tokens for u in usage), sum(u.completion_tokens for u in usage)
    about: ExecutionMetadata = row.execution_metadata
    about.usage = CompletionUsage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)
    costs = [u.cost for u in usage]
    if usage and None not in costs:
        about.cost_metrics = {"total_cost_dollar": sum(cost or 0.0 for cost in costs)}
    about.tool_call_count = record.tool_calls
    about.finish_reason = record.termination.value
    about.rollout_duration_seconds = seconds
    about.extra = {**(about.extra or {}), "task_id": record.task_id, "trial": record.trial, "seed": record.seed}
    if record.unlocked:
        about.extra["unlocked"] = record.unlocked


def as_result(grade: Grade) -> EvaluateResult:
    """Return a grade as a row's result: the score, the reasons if it is below 1, and each criterion as a metric.

    Without a reward (if the judge or the infrastructure failed) the score is 0 and invalid.
    """
    why = reasons(grade, REASONS)
    if grade.outcome is Outcome.PENDING:
        why.append(f"pending: {', '.join(grade.pending)} await a judge")
    return EvaluateResult(
        score=grade.reward or 0.0,
        is_score_valid=grade.reward is not None,
        reason="; ".join(why) or "all criteria are met",
        error=grade.note or None if grade.reward is None else None,
        metrics={name: _metric(verdict, name in grade.basis) for name, verdict in grade.verdicts.items()},
        trajectory_info={
            "outcome": grade.outcome.value,
            "reward": grade.reward,
            "basis": grade.basis,
            "evaluators": grade.evaluators,
        },
    )


def _metric(verdict: Verdict, counts: bool) -> MetricResult:
    unmet = [f"{check.what}: {check.why}" for check in verdict.checks if not check.met]
    reason = "; ".join(unmet[:REASONS]) or ("nothing is asked" if verdict.status is Status.VACUOUS else "met")
    return MetricResult(
        score=verdict.reward or 0.0,
        is_score_valid=verdict.reward is not None,
        reason=reason,
        data={"status": verdict.status.value, "in_basis": counts},
    )
