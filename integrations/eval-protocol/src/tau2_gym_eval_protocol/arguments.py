"""The arguments of `@evaluation_test`, checked (spec/evaluation_test.md, 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from tau2_core.errors import UsageError

from tau2_gym_eval_protocol.environment_variables import override
from tau2_gym_eval_protocol.retries import ExceptionHandlerConfig
from tau2_gym_eval_protocol.rollout_processors import DEFAULT_STEPS, InProcessRolloutProcessor, RolloutProcessor
from tau2_gym_eval_protocol.rows import EvaluationRow, EvaluationThreshold, Message
from tau2_gym_eval_protocol.thresholds import Aggregation, read_threshold

Mode = Literal["pointwise", "groupwise", "all"]
Rows = list[EvaluationRow]
INPUTS = ("input_dataset", "input_messages", "input_rows", "data_loaders")
COUNTS = ("num_runs", "max_dataset_rows", "max_concurrent_rollouts", "max_concurrent_evaluations", "steps")


@dataclass(kw_only=True, eq=False)
class Arguments:
    """The arguments; exactly one of the inputs must be given. Raises UsageError for invalid ones.

    Args:
        completion_params: an experiment for each item: `model` and its arguments, or `agent` if it needs no model.
        input_dataset: JSONL files or http(s) URLs.
        input_messages: payloads, each a list of conversations.
        input_rows: lists of rows.
        data_loaders: functions, or objects with a `load`, that return rows.
        dataset_adapter: turns a dataset's lines into rows; the default reads lines that are rows or tasks.
        rollout_processor: plays the rows; in process by default.
        rollout_processor_kwargs: options of `tau2_core.evaluate`, such as `domain`, `user` and `judge`, and those of
            the processor, such as `url`.
        evaluation_test_kwargs: further arguments of the test's function, an experiment for each item.
        aggregation_method: combines the runs' means into one score; `bootstrap` uses all scores.
        passed_threshold: a score from 0 to 1, or `{"success": …, "standard_error": …}`.
        num_runs: how often every row is played and evaluated.
        filtered_row_ids: use only rows with these ids.
        max_dataset_rows: use at most this many lines of a dataset.
        mode: what the function gets: one row, the rows of all models for one row id, or all rows of a run.
        combine_datasets: whether all files make one experiment, or one each.
        split_rows: whether each row is a separate test, which can be selected and run by another worker.
        max_concurrent_rollouts: how many rollouts of an experiment run at once.
        max_concurrent_evaluations: how many calls of the function run at once.
        server_script_path: the script of a server, for `McpGymRolloutProcessor`.
        mcp_config_path: passed to the processor.
        steps: the limit of an episode, in steps of the conversation.
        preprocess_fn: changes the rows after loading; it takes and returns a list of rows.
        logger: its `log(row)` is called with every row before and after it is played.
        exception_handler_config: which failed rollouts are retried, and when.
        disable_browser_open: ignored; there is no browser to open.
    """

    completion_params: list[dict[str, Any] | None] | None = None
    input_dataset: Sequence[str | Path] | None = None
    input_messages: Sequence[Sequence[Sequence[Message]]] | None = None
    input_rows: Sequence[Rows] | None = None
    data_loaders: Any = None
    dataset_adapter: Callable[[list[dict[str, Any]]], Rows] | None = None
    rollout_processor: RolloutProcessor | InProcessRolloutProcessor | None = None
    rollout_processor_kwargs: Mapping[str, Any] | None = None
    evaluation_test_kwargs: Sequence[Mapping[str, Any]] | None = None
    aggregation_method: Aggregation = "mean"
    passed_threshold: EvaluationThreshold | Mapping[str, float] | float | None = None
    num_runs: int = 1
    filtered_row_ids: Sequence[str] | None = None
    max_dataset_rows: int | None = None
    mode: Mode = "pointwise"
    combine_datasets: bool = True
    split_rows: bool = False
    max_concurrent_rollouts: int = 96
    max_concurrent_evaluations: int = 96
    server_script_path: str | Path | None = None
    mcp_config_path: str | None = None
    steps: int = DEFAULT_STEPS
    preprocess_fn: Callable[[Rows], Rows] | None = None
    logger: Any = None
    exception_handler_config: ExceptionHandlerConfig = field(default_factory=ExceptionHandlerConfig)
    disable_browser_open: bool = False

    def __post_init__(self) -> None:
        override(self)
        given = [name for name in INPUTS if getattr(self, name) is not None]
        if len(given) != 1:
            raise UsageError(f"evaluation_test: give one of {', '.join(INPUTS)}, not {' and '.join(given) or 'none'}")
        if self.preprocess_fn is not None and self.data_loaders is not None:
            raise UsageError("evaluation_test: preprocess_fn does not work with data_loaders; preprocess in the loader")
        if self.completion_params is not None and not isinstance(self.completion_params, list):
            raise UsageError('evaluation_test: completion_params must be a list, such as [{"model": …}]')
        if self.completion_params == []:
            raise UsageError("evaluation_test: completion_params is empty, so there is nothing to evaluate")
        for name, known in (("mode", get_args(Mode)), ("aggregation_method", get_args(Aggregation))):
            if getattr(self, name) not in known:
                raise UsageError(f"evaluation_test: {name} {getattr(self, name)!r} should be one of {', '.join(known)}")
        for name in COUNTS:
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise UsageError(f"evaluation_test: {name} {value!r} should be a whole number, at least 1")
        self.passed_threshold = read_threshold(self.passed_threshold)

    @property
    def threshold(self) -> EvaluationThreshold | None:
        """The threshold to reach."""
        assert self.passed_threshold is None or isinstance(self.passed_threshold, EvaluationThreshold)
        return self.passed_threshold
