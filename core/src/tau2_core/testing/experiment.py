"""One experiment: the rows of a case with one model, played so many times, with the folder that keeps it."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from tau2_core.model.llm import ModelSettings
from tau2_core.records.journal import Journal
from tau2_core.testing.parameters import Parameters, Rows
from tau2_core.testing.processors import RolloutProcessor, RolloutProcessorConfig
from tau2_core.testing.rows import Code, EvalMetadata, EvaluateResult, EvaluationRow, Status

ROWS = "rows.jsonl"


class Experiment:
    """Plays the rows of one model; `runs` holds them, run by run, as far as they are evaluated.

    `suite` is the name of the test's function, `index` the model's place among several that share a test.
    """

    def __init__(
        self,
        test: Parameters,
        suite: str,
        model: str,
        params: Mapping[str, Any] | None,
        rows: Rows,
        journal: Journal,
        index: int | None = None,
    ) -> None:
        self.test = test
        self.suite = suite
        self.model = model
        self.params = dict(params or {})
        self.journal = journal
        self.runs: list[Rows] = []
        self._index = index
        self.id = uuid.uuid4().hex
        self._rows = [self._with_metadata(row) for row in rows]
        self._config = RolloutProcessorConfig(
            completion_params=self.params,
            semaphore=asyncio.Semaphore(test.max_concurrent_rollouts),
            journal=journal,
            server_script_path=str(test.server_script_path) if test.server_script_path else None,
            mcp_config_path=test.mcp_config_path,
            steps=test.steps,
            logger=test.logger,
            kwargs=dict(test.rollout_processor_kwargs or {}),
            exception_handler_config=test.exception_handler_config,
            num_runs=test.num_runs,
            concurrency=test.max_concurrent_rollouts,
            all_rows=self._rows,
        )

    @property
    def row_ids(self) -> list[str]:
        return [row.row_id for row in self._rows]

    def _with_metadata(self, row: EvaluationRow) -> EvaluationRow:
        test = self.test
        row = row.model_copy(deep=True)
        row.input_metadata.row_id = row.row_id  # before the rest, as it may be made from the content
        row.input_metadata.completion_params = ModelSettings(model="-", args=self.params).public_args()
        row.input_metadata.session_data = {**(row.input_metadata.session_data or {}), "mode": test.mode}
        row.eval_metadata = EvalMetadata(
            name=self.suite,
            status=Status(code=Code.RUNNING, message="Evaluation is running"),
            num_runs=test.num_runs,
            aggregation_method=test.aggregation_method,
            passed_threshold=test.threshold,
        )
        about = row.execution_metadata
        about.invocation_id, about.experiment_id = invocation_id(), self.id
        row.pid = os.getpid()
        return row

    def play(self, run: int, processor: RolloutProcessor) -> list[asyncio.Task[EvaluationRow]]:
        """Begin the rollouts of a run (from 0); a task a row, which ends with the row whatever went wrong."""
        rows = [row.model_copy(deep=True) for row in self._rows]
        run_id = uuid.uuid4().hex
        for row in rows:
            about = row.execution_metadata
            about.run_id, about.rollout_id = run_id, uuid.uuid4().hex
            if self._index is not None:
                about.rollout_id = f"{about.rollout_id}_{self._index}"
            self._log(row)
        config = replace(self._config, run=run)
        begun = processor(rows, config)
        return [
            asyncio.create_task(self._to_the_end(row, task, processor, config))
            for row, task in zip(rows, begun, strict=True)
        ]

    async def _to_the_end(
        self,
        row: EvaluationRow,
        task: asyncio.Task[EvaluationRow],
        processor: RolloutProcessor,
        config: RolloutProcessorConfig,
    ) -> EvaluationRow:
        handler = self.test.exception_handler_config
        retries = 0
        while True:
            try:
                row = await task
                break
            except Exception as error:  # noqa: BLE001 - a rollout may fail in any way; the row says how
                if retries >= handler.backoff_config.max_tries or not handler.is_worth_retrying(error):
                    row.rollout_status = Status.failed(f"{type(error).__name__}: {error}")
                    break
            await asyncio.sleep(handler.backoff_config.wait(retries))
            retries += 1
            again = replace(config, kwargs={**config.kwargs, "start_server": False})
            [task] = processor([row], again)
        if row.rollout_status.code == Code.RUNNING:
            row.rollout_status = Status.finished()
        if row.rollout_status.is_error and row.evaluation_result is None:
            why = row.rollout_status.message
            row.evaluation_result = EvaluateResult(score=0.0, is_score_valid=False, reason=why, error=why)
        self._log(row)
        return row

    def _log(self, row: EvaluationRow) -> None:
        if self.test.logger is not None:
            self.test.logger.log(row)

    def evaluated(self, row: EvaluationRow) -> None:
        """Keep a row that is evaluated."""
        if row.eval_metadata is not None and row.eval_metadata.status and row.eval_metadata.status.code == Code.RUNNING:
            row.eval_metadata.status = Status(code=Code.FINISHED, message="Evaluation finished")
        self.journal.append(ROWS, row.line())
        self._log(row)


@lru_cache
def invocation_id() -> str:
    """Return the id that all rows of this process's tests share."""
    return os.environ.get("EP_INVOCATION_ID") or uuid.uuid4().hex


OnRow = Callable[[EvaluationRow], None]
