"""Writing official result files: our runs for official tools (spec/evaluation.md, 5 and 8)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

from tau2_core.adapters.tau2_bench.official_ends import official_end
from tau2_core.adapters.tau2_bench.results import SOLO_AGENT, SOLO_USER
from tau2_core.episode.solo import DONE
from tau2_core.errors import RunError
from tau2_core.model.episodes import EpisodeRecord, Termination
from tau2_core.model.evaluation import Check, Grade, Status, Verdict
from tau2_core.model.messages import AssistantMessage, ToolMessage, UserMessage
from tau2_core.model.participants import STOP
from tau2_core.model.tasks import RewardType, Task

Format = Literal["json", "dir"]
NAMES = {"llm": {"agent": "llm_agent", "user": "user_simulator"}}
_STEP = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Exported:
    """The information about a run in an official file. `started` is used for all times, which our records lack.

    `retrieval_options` are those of a variant that selects how documents are retrieved; tau2-bench does not put it
    in the domain's name.
    """

    domain: str
    variant: str
    solo: bool
    mode: str
    policy: str
    started: datetime
    trials: int
    max_steps: int
    max_errors: int
    seed: int | None
    agent: str
    user: str
    models: Mapping[str, Mapping[str, Any]]
    tool_kinds: Mapping[str, str]
    guidelines: str | None = None
    retrieval_options: Mapping[str, Any] | None = None

    def info(self) -> dict[str, Any]:
        """Return the file's `info`. `argument_mode` is our addition, needed for replaying the calls."""
        retrieves = self.retrieval_options is not None
        return {
            "git_commit": "unknown",
            "num_trials": self.trials,
            "max_steps": self.max_steps,
            "max_errors": self.max_errors,
            "user_info": {**self._side("user", self.user, SOLO_USER), "global_simulation_guidelines": self.guidelines},
            "agent_info": self._side("agent", self.agent, SOLO_AGENT),
            "environment_info": {
                "domain_name": f"{self.domain}-{self.variant}" if self.variant and not retrieves else self.domain,
                "policy": self.policy,
                "tool_defs": None,
                "argument_mode": self.mode,
            },
            "seed": self.seed,
            "text_streaming_config": {"chunk_by": "words", "chunk_size": 1},
            "speech_complexity": None,
            "audio_native_config": None,
            "retrieval_config": self.variant if retrieves else None,
            "retrieval_config_kwargs": dict(self.retrieval_options) if self.retrieval_options else None,
        }

    def _side(self, role: str, name: str, solo: str) -> dict[str, Any]:
        model = self.models.get(role) or {}
        implementation = solo if self.solo else NAMES.get(name, {}).get(role, name)
        return {
            "implementation": implementation,
            "llm": model.get("model"),
            "llm_args": dict(model.get("args") or {}),
            "voice_settings": None,
        }


def simulation(run: Exported, record: EpisodeRecord, task: Task, grade: Grade | None, seconds: float) -> dict[str, Any]:
    """Return one episode as an official SimulationRun; `reward_info` is null if nothing could be graded."""
    name = f"{run.started.isoformat()}/{run.domain}/{record.task_id}/{record.trial}/{record.seed}"
    termination, doubt = official_end(record, run.max_steps)
    failed = record.termination is Termination.INFRASTRUCTURE_ERROR
    error = record.error or (grade.note if grade is not None and grade.reward is None else None)
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
        "task_id": record.task_id,
        "timestamp": run.started.isoformat(),
        "start_time": run.started.isoformat(),
        "end_time": (run.started + timedelta(seconds=seconds)).isoformat(),
        "duration": seconds,
        "termination_reason": termination.value,
        "agent_cost": _cost(record, AssistantMessage),
        "user_cost": _cost(record, UserMessage),
        "reward_info": None if grade is None else _unclaimed(grade, doubt) or reward_info(grade, task, run.tool_kinds),
        "messages": _messages(run, record),
        "ticks": None,
        "trial": record.trial,
        "seed": record.seed,
        "mode": "half_duplex",
        "info": {"error": error, **({"failed_after_attempts": 1} if failed else {})} if error else None,
        "hallucination_retries_used": 0,
        "policy": run.policy,
    }


def _unclaimed(grade: Grade, doubt: str) -> dict[str, Any] | None:
    """Return the official reward of an episode that would not have ended normally; None if it would."""
    if not doubt:
        return None
    info = {"evaluators": grade.evaluators, "note": f"not graded by tau2-bench: {doubt}", "own_reward": grade.reward}
    return {"reward": 0.0, "reward_basis": None, "info": info}


def _cost(record: EpisodeRecord, side: type[AssistantMessage] | type[UserMessage]) -> float | None:
    costs = [message.cost for message in record.messages if isinstance(message, side)]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None


def _messages(run: Exported, record: EpisodeRecord) -> list[dict[str, Any]]:
    """Return the messages in the official format, with a solo agent's `done` as a stop token."""
    written: list[dict[str, Any]] = []
    answered: list[str] = []  # the names of the calls whose results follow
    for message in record.messages:
        content = message.model_dump(mode="json", exclude={"turn_idx", "provider_message", "skipped"})
        if isinstance(message, ToolMessage):
            if record.solo and answered and answered.pop(0) == DONE:
                continue
            if message.skipped:
                content["skipped"] = True  # our addition: a plugin answered, so there is nothing to replay
        elif isinstance(message, AssistantMessage | UserMessage):
            calls = content["tool_calls"] or []
            answered = [call["name"] for call in calls]
            left = [call for call in calls if not (record.solo and call["name"] == DONE)]
            if calls and not left:
                continue
            content |= {"tool_calls": left or None, "raw_data": message.provider_message}
        written.append(content)
    if record.solo and record.termination is Termination.AGENT_STOP:
        written.append({"role": "assistant", "content": STOP, "tool_calls": None, "cost": None, "usage": None})
    for position, content in enumerate(written):
        content |= {"turn_idx": position, "timestamp": (run.started + position * _STEP).isoformat()}
    return written


def reward_info(grade: Grade, task: Task, tool_kinds: Mapping[str, str]) -> dict[str, Any] | None:
    """Return a grade as an official RewardInfo; None if there is no reward.

    Non-official criteria (such as OUTCOME) are in `info`, as other keys would make the file invalid.
    """
    if grade.reward is None:
        return None
    official = get_args(RewardType)
    info: dict[str, Any] = {"evaluators": grade.evaluators}
    if grade.note:
        info["note"] = grade.note
    if not grade.verdicts:
        return {"reward": grade.reward, "reward_basis": None, "info": info}
    if "NL_ASSERTION" in grade.pending:
        info["nl_assertion"] = "pending"
    own = {name: verdict for name, verdict in grade.model_dump(mode="json")["verdicts"].items() if name not in official}
    info |= {name.lower(): verdict for name, verdict in own.items() if verdict["checks"]}
    basis = [name for name in grade.basis if name in official]
    rewards = {name: grade.verdicts[name].reward for name in basis if name in grade.verdicts}
    criteria = task.evaluation_criteria
    return {
        "reward": grade.reward,
        "db_check": _db_check(grade.verdicts.get("DB")),
        "env_assertions": [
            {
                "env_assertion": assertion.model_dump(mode="json"),
                "met": bool(check.met),
                "reward": float(bool(check.met)),
            }
            for assertion, check in zip(
                (criteria and criteria.env_assertions) or [], _checks(grade, "ENV_ASSERTION"), strict=False
            )
        ],
        "action_checks": [
            {
                "action": action.model_dump(mode="json"),
                "action_match": bool(check.met),
                "action_reward": float(bool(check.met)),
                "tool_type": tool_kinds.get(action.name),
            }
            for action, check in zip(task.gold(), _checks(grade, "ACTION"), strict=False)
        ]
        or None,
        "nl_assertions": _statements(grade),
        "communicate_checks": [
            {"info": check.what, "met": bool(check.met), "justification": check.why}
            for check in _checks(grade, "COMMUNICATE")
        ]
        or None,
        "reward_basis": basis,
        "reward_breakdown": {name: reward for name, reward in rewards.items() if reward is not None},
        "info": info,
    }


def _db_check(verdict: Verdict | None) -> dict[str, Any] | None:
    if verdict is None or verdict.reward is None:
        return None
    return {"db_match": verdict.met, "db_reward": verdict.reward}


def _statements(grade: Grade) -> list[dict[str, Any]] | None:
    verdict = grade.verdicts.get("NL_ASSERTION")
    if verdict is None or verdict.status is Status.PENDING:
        return None
    return [
        {"nl_assertion": check.what, "met": bool(check.met), "justification": check.why} for check in verdict.checks
    ]


def _checks(grade: Grade, criterion: str) -> list[Check]:
    verdict = grade.verdicts.get(criterion)
    return [] if verdict is None else verdict.checks


def write_results(
    target: Path, layout: Format, run: Exported, tasks: Iterable[Task], simulations: list[dict[str, Any]]
) -> Path:
    """Write a result file (`json`) or folder (`dir`) and return its results file. Raises RunError."""
    results = target / "results.json" if layout == "dir" or not target.suffix else target
    content: dict[str, Any] = {
        "timestamp": run.started.isoformat(),
        "info": run.info(),
        "tasks": [task.model_dump(mode="json") for task in tasks],
    }
    stray = results.parent / "simulations"
    if results.exists() or stray.exists():
        there = results if results.exists() else stray
        raise RunError(f"{there} already exists; choose another place, or remove it")  # official readers mix them up
    try:
        results.parent.mkdir(parents=True, exist_ok=True)
        if layout == "dir":
            stray.mkdir()
            content["simulation_index"] = [_index_entry(each) for each in simulations]
            for each in simulations:
                _write(stray / f"{each['id']}.json", each)
            _write(results, content)
        else:
            _write(results, {**content, "simulations": simulations})
    except OSError as error:
        raise RunError(f"cannot write {results}: {error.strerror}; choose another place") from error
    return results


def _index_entry(simulation: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("id", "task_id", "trial", "termination_reason", "agent_cost", "duration")
    reward = (simulation["reward_info"] or {}).get("reward")
    return {**{key: simulation[key] for key in keys}, "reward": reward}


def _write(file: Path, content: Any) -> None:
    file.write_bytes(json.dumps(content, indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace"))
