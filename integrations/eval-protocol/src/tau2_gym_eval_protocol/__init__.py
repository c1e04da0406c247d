"""eval-protocol's interface over runs of tau2-gym: its pytest decorator, rows and processors, imported on first use."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tau2_gym_eval_protocol.datasets import dataset_rows as dataset_rows
    from tau2_gym_eval_protocol.datasets import system_prompt as system_prompt
    from tau2_gym_eval_protocol.decorator import evaluation_test as evaluation_test
    from tau2_gym_eval_protocol.retries import BackoffConfig as BackoffConfig
    from tau2_gym_eval_protocol.retries import ExceptionHandlerConfig as ExceptionHandlerConfig
    from tau2_gym_eval_protocol.retries import RolloutError as RolloutError
    from tau2_gym_eval_protocol.rollout_processors import InProcessRolloutProcessor as InProcessRolloutProcessor
    from tau2_gym_eval_protocol.rollout_processors import MCPGymRolloutProcessor as MCPGymRolloutProcessor
    from tau2_gym_eval_protocol.rollout_processors import McpGymRolloutProcessor as McpGymRolloutProcessor
    from tau2_gym_eval_protocol.rollout_processors import NoOpRolloutProcessor as NoOpRolloutProcessor
    from tau2_gym_eval_protocol.rollout_processors import RecordedRolloutProcessor as RecordedRolloutProcessor
    from tau2_gym_eval_protocol.rollout_processors import RolloutProcessor as RolloutProcessor
    from tau2_gym_eval_protocol.rollout_processors import RolloutProcessorConfig as RolloutProcessorConfig
    from tau2_gym_eval_protocol.rows import CompletionUsage as CompletionUsage
    from tau2_gym_eval_protocol.rows import EvalMetadata as EvalMetadata
    from tau2_gym_eval_protocol.rows import EvaluateResult as EvaluateResult
    from tau2_gym_eval_protocol.rows import EvaluationRow as EvaluationRow
    from tau2_gym_eval_protocol.rows import EvaluationThreshold as EvaluationThreshold
    from tau2_gym_eval_protocol.rows import ExecutionMetadata as ExecutionMetadata
    from tau2_gym_eval_protocol.rows import InputMetadata as InputMetadata
    from tau2_gym_eval_protocol.rows import Message as Message
    from tau2_gym_eval_protocol.rows import MetricResult as MetricResult
    from tau2_gym_eval_protocol.rows import Status as Status

_HOMES = {
    "datasets": ["dataset_rows", "system_prompt"],
    "decorator": ["evaluation_test"],
    "retries": ["BackoffConfig", "ExceptionHandlerConfig", "RolloutError"],
    "rollout_processors": [
        "InProcessRolloutProcessor",
        "MCPGymRolloutProcessor",
        "McpGymRolloutProcessor",
        "NoOpRolloutProcessor",
        "RecordedRolloutProcessor",
        "RolloutProcessor",
        "RolloutProcessorConfig",
    ],
    "rows": [
        "CompletionUsage",
        "EvalMetadata",
        "EvaluateResult",
        "EvaluationRow",
        "EvaluationThreshold",
        "ExecutionMetadata",
        "InputMetadata",
        "Message",
        "MetricResult",
        "Status",
    ],
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*_MODULES, "server_script"])


def server_script() -> Path:
    """Return a script that serves the gym: `python SCRIPT --port N [--domain NAME]`, or with the port in `PORT`."""
    return Path(__file__).with_name("server_script.py")
