"""For the tests of others: evaluations in pytest, and helpers for authors of packs; imported when first used."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tau2_core.testing.contract import assert_pack_contract as assert_pack_contract
    from tau2_core.testing.datasets import dataset_rows as dataset_rows
    from tau2_core.testing.datasets import system_prompt as system_prompt
    from tau2_core.testing.decorator import evaluation_test as evaluation_test
    from tau2_core.testing.exceptions import BackoffConfig as BackoffConfig
    from tau2_core.testing.exceptions import ExceptionHandlerConfig as ExceptionHandlerConfig
    from tau2_core.testing.exceptions import RolloutError as RolloutError
    from tau2_core.testing.gold_script import GoldScript as GoldScript
    from tau2_core.testing.gym_rollouts import MCPGymRolloutProcessor as MCPGymRolloutProcessor
    from tau2_core.testing.gym_rollouts import McpGymRolloutProcessor as McpGymRolloutProcessor
    from tau2_core.testing.in_process import InProcessRolloutProcessor as InProcessRolloutProcessor
    from tau2_core.testing.in_process import RecordedRolloutProcessor as RecordedRolloutProcessor
    from tau2_core.testing.processors import NoOpRolloutProcessor as NoOpRolloutProcessor
    from tau2_core.testing.processors import RolloutProcessor as RolloutProcessor
    from tau2_core.testing.processors import RolloutProcessorConfig as RolloutProcessorConfig
    from tau2_core.testing.rows import CompletionUsage as CompletionUsage
    from tau2_core.testing.rows import EvalMetadata as EvalMetadata
    from tau2_core.testing.rows import EvaluateResult as EvaluateResult
    from tau2_core.testing.rows import EvaluationRow as EvaluationRow
    from tau2_core.testing.rows import EvaluationThreshold as EvaluationThreshold
    from tau2_core.testing.rows import ExecutionMetadata as ExecutionMetadata
    from tau2_core.testing.rows import InputMetadata as InputMetadata
    from tau2_core.testing.rows import Message as Message
    from tau2_core.testing.rows import MetricResult as MetricResult
    from tau2_core.testing.rows import Status as Status
    from tau2_core.testing.scripted_endpoint import Asked as Asked
    from tau2_core.testing.scripted_endpoint import ScriptedEndpoint as ScriptedEndpoint
    from tau2_core.testing.scripted_endpoint import call as call
    from tau2_core.testing.scripted_endpoint import say as say
    from tau2_core.testing.worlds import World as World
    from tau2_core.testing.worlds import open_world as open_world

_HOMES = {
    "contract": ["assert_pack_contract"],
    "datasets": ["dataset_rows", "system_prompt"],
    "decorator": ["evaluation_test"],
    "exceptions": ["BackoffConfig", "ExceptionHandlerConfig", "RolloutError"],
    "gold_script": ["GoldScript"],
    "gym_rollouts": ["MCPGymRolloutProcessor", "McpGymRolloutProcessor"],
    "in_process": ["InProcessRolloutProcessor", "RecordedRolloutProcessor"],
    "processors": ["NoOpRolloutProcessor", "RolloutProcessor", "RolloutProcessorConfig"],
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
    "scripted_endpoint": ["Asked", "ScriptedEndpoint", "call", "say"],
    "worlds": ["World", "open_world"],
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
