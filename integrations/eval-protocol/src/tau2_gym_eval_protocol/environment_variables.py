"""eval-protocol's environment variables, which override the decorator's arguments (spec/evaluation_test.md, 7)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tau2_core.errors import UsageError

from tau2_gym_eval_protocol.rollout_processors import NoOpRolloutProcessor

if TYPE_CHECKING:
    from tau2_gym_eval_protocol.arguments import Arguments

COUNTS = {
    "EP_NUM_RUNS": "num_runs",
    "EP_MAX_CONCURRENT_ROLLOUTS": "max_concurrent_rollouts",
    "EP_MAX_CONCURRENT_EVALUATIONS": "max_concurrent_evaluations",
}


def override(arguments: Arguments) -> None:
    """Apply the environment variables to arguments. Raises UsageError for invalid values."""
    for variable, name in COUNTS.items():
        if text := os.environ.get(variable):
            setattr(arguments, name, _whole(variable, text))
    if text := os.environ.get("EP_MAX_DATASET_ROWS"):
        arguments.max_dataset_rows = None if text == "all" else _whole("EP_MAX_DATASET_ROWS", text)
    if text := os.environ.get("EP_PASSED_THRESHOLD"):
        arguments.passed_threshold = _json("EP_PASSED_THRESHOLD", text)
    if text := os.environ.get("EP_JSONL_PATH"):
        arguments.input_dataset = [text]
        arguments.input_messages = arguments.input_rows = arguments.data_loaders = None
    if text := os.environ.get("EP_COMPLETION_PARAMS"):
        given = _json("EP_COMPLETION_PARAMS", text)
        arguments.completion_params = given if isinstance(given, list) else [given]
    if text := os.environ.get("EP_INPUT_PARAMS_JSON"):
        more = _json("EP_INPUT_PARAMS_JSON", text)
        if not isinstance(more, dict):
            raise UsageError(f"EP_INPUT_PARAMS_JSON={text}: should be a JSON object")
        arguments.completion_params = [_merged(each or {}, more) for each in arguments.completion_params or [None]]
    if os.environ.get("EP_USE_NO_OP_ROLLOUT_PROCESSOR") == "1":
        arguments.rollout_processor = NoOpRolloutProcessor()


def raises_evaluation_errors() -> bool:
    """Return whether an exception in the test's function fails the test; if not, its rows get no valid score."""
    return os.environ.get("EP_RAISE_EVAL_EXCEPTIONS", "true").lower() != "false"


def _whole(variable: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise UsageError(f"{variable}={text}: should be a whole number") from error


def _json(variable: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"{variable}={text}: should be JSON: {error}") from error


def _merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in more.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return merged
