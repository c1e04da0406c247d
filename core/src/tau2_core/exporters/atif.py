"""`tau2-gym export --to atif`: a run's episodes as trajectories in Harbor's Agent Trajectory Interchange Format.

A trajectory is the agent's view: its steps hold the policy, what the customer said, and the agent's texts and calls
with their results. What the customer's own tools did is in `extra` of the customer's steps.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tau2_core.errors import RunError, UsageError
from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.exports import Export, ExportedEpisode, ExportedRun
from tau2_core.model.messages import AssistantMessage, ParticipantMessage, ToolMessage, UserMessage

VERSION = "ATIF-v1.7"


def write(export: Export, out: Path) -> int:
    """Write a trajectory per episode: JSON lines if the name ends in .jsonl, else a folder of files; return the number.

    Raises UsageError for tasks, RunError if it cannot be written.
    """
    if export.run is None:
        raise UsageError("--to atif is for runs: a trajectory is what happened in an episode")
    try:
        if out.suffix == ".jsonl":
            with out.open("xb") as file:
                for trajectory in trajectories(export, export.run):
                    file.write(_json(trajectory) + b"\n")
        else:
            out.mkdir(parents=True)
            for number, trajectory in enumerate(trajectories(export, export.run), 1):
                (out / f"{number:06}.json").write_bytes(_json(trajectory))  # ids of tasks may be too long for a name
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror}; choose another place") from error
    return len(export.run.episodes)


def trajectories(export: Export, run: ExportedRun) -> Iterator[dict[str, Any]]:
    """Yield each episode as a trajectory."""
    configuration = run.configuration
    model = (configuration.get("models") or {}).get("agent") or {}
    agent = {
        "name": configuration["agent"]["name"],
        "version": configuration["versions"]["tau2-core"],
        **({"model_name": model["model"]} if model else {}),
        "tool_definitions": [tool.chat_function() for tool in export.tools],
    }
    for episode in run.episodes:
        yield _trajectory(export, run, agent, episode)


def _trajectory(export: Export, run: ExportedRun, agent: dict[str, Any], episode: ExportedEpisode) -> dict[str, Any]:
    record, grade = episode.record, episode.grade
    first = [{"source": "system", "message": export.policy}]
    ticket = export.tasks[record.task_id].ticket
    if record.solo and ticket:
        first.append({"source": "user", "message": ticket})
    steps = [{"step_id": number, **step} for number, step in enumerate([*first, *_steps(record)], 1)]
    extra: dict[str, Any] = {
        "domain": record.domain,
        "task_id": record.task_id,
        "trial": record.trial,
        "seed": record.seed,
        "termination": record.termination.value,
    }
    if record.error:
        extra["error"] = record.error
    if grade is not None:
        extra["grade"] = grade.model_dump(mode="json")
    return {
        "schema_version": VERSION,
        "session_id": run.name,
        "trajectory_id": f"{run.name}:{record.slot}",
        "agent": agent,
        "steps": steps,
        **({"notes": grade.note} if grade is not None and grade.note else {}),
        "final_metrics": _final_metrics(record, len(steps)),
        "extra": extra,
    }


def _steps(record: EpisodeRecord) -> Iterator[dict[str, Any]]:
    """Yield a step for each message of a side, with the results of its calls."""
    step: dict[str, Any] | None = None
    calls: list[str] = []
    for message in record.messages:
        if isinstance(message, ToolMessage):
            if step is not None and calls:
                _add_result(step, message, calls.pop(0))
            continue
        if step is not None:
            yield step
        calls = []
        step = {"source": "system", "message": message.content or ""}
        if isinstance(message, AssistantMessage | UserMessage):
            step["source"] = "agent" if isinstance(message, AssistantMessage) else "user"
            calls = _add_calls(step, message)
    if step is not None:
        yield step


def _add_calls(step: dict[str, Any], message: ParticipantMessage) -> list[str]:
    """Add a message's calls and metrics to its step; return the ids of the calls."""
    calls = message.tool_calls or []
    ids = [call.id or f"call_{number}" for number, call in enumerate(calls, 1)]
    made = [
        {"tool_call_id": call_id, "function_name": call.name, "arguments": call.arguments}
        for call_id, call in zip(ids, calls, strict=True)
    ]
    if isinstance(message, UserMessage):  # the format knows only the agent's calls
        if made:
            step["extra"] = {"customer_calls": made}
        return ids
    if made:
        step["tool_calls"] = made
        step["observation"] = {"results": []}
    if metrics := _metrics(message):
        step["metrics"] = metrics
    thinking = (message.provider_message or {}).get("reasoning_content")
    if isinstance(thinking, str) and thinking:
        step["reasoning_content"] = thinking
    if message.finish_reason:
        step["extra"] = {"finish_reason": message.finish_reason}
    return ids


def _add_result(step: dict[str, Any], message: ToolMessage, call_id: str) -> None:
    result: dict[str, Any] = {"source_call_id": call_id, "content": message.content or ""}
    if message.error:
        result["extra"] = {"error": True}
    if step["source"] == "agent":
        step["observation"]["results"].append(result)
    else:
        step["extra"].setdefault("customer_results", []).append(result)


def _metrics(message: ParticipantMessage) -> dict[str, Any]:
    usage = message.usage or {}
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
    metrics = {
        "prompt_tokens": usage.get("prompt_tokens"),
        "completion_tokens": usage.get("completion_tokens"),
        "cached_tokens": cached,
        "cost_usd": message.cost if usage else None,
    }
    return {name: value for name, value in metrics.items() if value is not None}


def _final_metrics(record: EpisodeRecord, steps: int) -> dict[str, Any]:
    """Return the sums of the agent's model; those of the customer's are in `extra`."""
    metrics: dict[str, Any] = {"total_steps": steps}
    if (used := record.usage.get("agent")) is not None:
        metrics |= {"total_prompt_tokens": used.prompt_tokens, "total_completion_tokens": used.completion_tokens}
        if used.cost is not None:
            metrics["total_cost_usd"] = used.cost
    others: Mapping[str, Any] = {
        role: {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens, "cost": usage.cost}
        for role, usage in record.usage.items()
        if role != "agent"
    }
    return metrics | ({"extra": {"other_models": dict(others)}} if others else {})


def _json(trajectory: Mapping[str, Any]) -> bytes:
    return json.dumps(trajectory, ensure_ascii=False).encode("utf-8", "backslashreplace")
