"""Refusing options of `tau2-gym serve` that would have no effect, with the reason."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from tau2_core.errors import UsageError
from tau2_core.gym.composition import STARTS_A_RUN, serves_a_run
from tau2_core.runs.executors.processes import processors
from tau2_core.runs.options import Options, RoleOptions

YEAR = 365 * 24 * 3600
OF_A_SLOT = ("slot_timeout", "slot_attempts", "run_timeout", "max_infrastructure_errors", "resume")
OF_AN_EPISODE = ("seed", "shard", "variant", "variant_option", "solo", "mode")
OF_RUN_ALONE = {
    "min_coverage": "a server's end is not a gate; `tau2-gym report` shows the coverage of the served run",
    "judge_calibration": "`tau2-gym grade` and `tau2-gym report` take it for the served run",
    "min_judge_accuracy": "a server's end is not a gate; `tau2-gym report` takes it for the served run",
    "max_customer_faults": "a server's end is not a gate; `tau2-gym report` takes it for the served run",
    "fail_under": "a server's end is not a gate; `tau2-gym report` shows the mean reward of the served run",
}
MOST_A_PROCESSOR = 8
OF_THE_AGENT = {
    "agent": "agents are clients; --agent-name sets their name in reports",
    "user_first": "an agent decides itself what its model sees",
    "via": "agents always use MCP",
    "executor": "the server plays no agent",
    "executor_option": "the server plays no agent",
    "concurrency": "every agent plays its own episode; --max-episodes limits them",
}


def refuse_without_effect(options: Options) -> None:
    """Refuse options without effect, and invalid values. Raises UsageError."""
    for name, why in OF_RUN_ALONE.items():
        if _is_said(options, name):
            raise UsageError(f"{_flag(name)} is an option of `tau2-gym run` only: {why}")
    for name in ("idle_timeout", "slot_timeout"):
        if not 0 < getattr(options, name) <= YEAR:
            what = f"should be more than 0 and at most {YEAR} seconds, not {getattr(options, name)}"
            raise UsageError(f"{_flag(name)} {what}")
    if options.transport == "stdio":
        several = [name for name in STARTS_A_RUN if name != "task"]
        _refuse(options, [*several, *OF_A_SLOT, "max_cost", "workers"], "stdio serves one episode, to one client")
    elif not serves_a_run(options):
        said = "it is for a served run: also give --split, --task, --num-tasks, --sample, --trials or --name"
        _refuse(options, [*OF_A_SLOT, *OF_AN_EPISODE], said)


def worker_count(options: Options) -> int:
    """Return the number of worker processes. Raises UsageError for more than make sense."""
    count, most = options.workers or 1, MOST_A_PROCESSOR * processors()
    if count > most:
        what = f"{processors()} processors are busy with as many, and each takes memory"
        raise UsageError(f"--workers {count}: {what}; give at most {most}")
    if count > 1 and not hasattr(socket, "send_fds"):
        raise UsageError(f"--workers {count}: this system cannot pass connections between processes; serve with one")
    return count


def left_to_run(options: Options) -> list[str]:
    """Return messages about options for `run` that concern its agent and have no effect on a server."""
    return [f"{name} has no effect: {why}" for name, why in OF_THE_AGENT.items() if _is_said(options, name)]


def _refuse(options: Options, names: Sequence[str], why: str) -> None:
    for name in names:
        if _is_said(options, name):
            raise UsageError(f"{_flag(name)} would have no effect: {why}")


def _is_said(options: Options, name: str) -> bool:
    value = getattr(options, name)
    if isinstance(value, RoleOptions):
        return value != RoleOptions()
    return name in options.model_fields_set and value != type(options).model_fields[name].get_default(
        call_default_factory=True
    )


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
