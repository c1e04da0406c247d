"""One experiment: the rows of one input, played with one model in all runs, and their run folder."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from tau2_core.api.evaluate import play_composed
from tau2_core.episode.setting import Setting
from tau2_core.episode.tool_lists import Unlocked, agent_tools
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.llm import ModelSettings
from tau2_core.records.journal import Journal
from tau2_core.redaction import run_redactor
from tau2_core.runs.execute import FinishedEpisode

from tau2_gym_eval_protocol.arguments import Arguments, Rows
from tau2_gym_eval_protocol.episodes_as_rows import as_result, fill
from tau2_gym_eval_protocol.rollout_processors import (
    InProcessRolloutProcessor,
    RolloutProcessor,
    RolloutProcessorConfig,
)
from tau2_gym_eval_protocol.rows import Code, EvalMetadata, EvaluateResult, EvaluationRow, RowStatus
from tau2_gym_eval_protocol.run_of_rows import RunSettings, compose_rows

ROWS = "rows.jsonl"
OnRow = Callable[[int, EvaluationRow], None]  # receives the number of a run, from 0, and a row whose rollout has ended


class Experiment:
    """Plays rows with one model in a run folder of its own.

    `suite` is the name of the test's function; `index` is the model's position among several that share a test.
    """

    def __init__(
        self,
        test: Arguments,
        suite: str,
        model: str,
        params: Mapping[str, Any] | None,
        rows: Rows,
        folder: Path,
        index: int | None = None,
    ) -> None:
        self.test = test
        self.suite = suite
        self.model = model
        self.params = dict(params or {})
        self.folder = folder
        self.redactor = run_redactor([self.params, test.rollout_processor_kwargs or {}])
        self.id = uuid.uuid4().hex
        self.evaluated: dict[tuple[int, str], EvaluationRow] = {}
        self._index = index
        self._journal: Journal | None = None
        self._rows = [self._with_metadata(row) for row in rows]
        self._config = RolloutProcessorConfig(
            completion_params=self.params,
            semaphore=asyncio.Semaphore(test.max_concurrent_rollouts),
            server_script_path=str(test.server_script_path) if test.server_script_path else None,
            mcp_config_path=test.mcp_config_path,
            steps=test.steps,
            logger=test.logger,
            kwargs=dict(test.rollout_processor_kwargs or {}),
            exception_handler_config=test.exception_handler_config,
        )

    @property
    def row_ids(self) -> list[str]:
        return [row.row_id for row in self._rows]

    @property
    def runs(self) -> list[Rows]:
        """The evaluated rows, run by run."""
        return [
            [self.evaluated[run, name] for name in self.row_ids if (run, name) in self.evaluated]
            for run in range(self.test.num_runs)
        ]

    def _with_metadata(self, row: EvaluationRow) -> EvaluationRow:
        test = self.test
        row = row.model_copy(deep=True)
        row.input_metadata.row_id = row.row_id  # first, because it may be derived from the content
        row.input_metadata.completion_params = _public(self.params)
        row.input_metadata.session_data = {**(row.input_metadata.session_data or {}), "mode": test.mode}
        row.eval_metadata = EvalMetadata(
            name=self.suite,
            status=RowStatus(code=Code.RUNNING, message="Evaluation is running"),
            num_runs=test.num_runs,
            aggregation_method=test.aggregation_method,
            passed_threshold=test.threshold,
        )
        about = row.execution_metadata
        about.invocation_id, about.experiment_id = invocation_id(), self.id
        row.pid = os.getpid()
        return row

    def _of_run(self, run_id: str) -> Rows:
        """Return copies of the rows, to be played in one run."""
        rows = [row.model_copy(deep=True) for row in self._rows]
        for row in rows:
            about = row.execution_metadata
            about.run_id, about.rollout_id = run_id, uuid.uuid4().hex
            if self._index is not None:
                about.rollout_id = f"{about.rollout_id}_{self._index}"
            self._log(row)
        return rows

    async def play(self, on_row: OnRow) -> None:
        """Play all rows of all runs; errors of a rollout are recorded in its row.

        Raises UsageError, PackError, DatasetError, RunError or RolloutError for errors that concern all of them.
        """
        processor = self.test.rollout_processor or InProcessRolloutProcessor()
        if isinstance(processor, InProcessRolloutProcessor):
            await self._play_as_run(processor, on_row)
        else:
            await self._play_with(processor, on_row)

    async def _play_as_run(self, processor: InProcessRolloutProcessor, on_row: OnRow) -> None:
        """Play the rows' tasks as one run of tau2-gym; its trials are the test's runs."""
        test, config = self.test, self._config
        settings = RunSettings(
            self.params, config.kwargs, test.steps, test.num_runs, test.max_concurrent_rollouts, self.folder
        )
        run = compose_rows(self._rows, settings)
        setting, handler = run.composed.plan.setting, test.exception_handler_config
        copies = [self._of_run(uuid.uuid4().hex) for _ in range(test.num_runs)]
        waiting = {
            Slot(task_id, trial): row
            for trial, rows in enumerate(copies)
            for task_id, row in zip(run.rows, rows, strict=True)
        }

        def finished(episode: FinishedEpisode, _done: int, _all: int) -> None:
            slot = episode.record.slot
            row = waiting.pop(slot)
            fill(row, episode.record, episode.seconds)
            row.tools, row.evaluation_result = _tools_at_the_end(setting, episode.record), as_result(episode.grade)
            self._rollout_ended(slot.trial, row, on_row)

        try:
            async with processor.playing(setting.domain, run.rows, config, self.folder) as how:
                episodes = run.play_episode(how, handler)
                result = await play_composed(
                    run.composed, via=how.via, resume=False, on_finished=finished, play_episode=episodes
                )
        finally:
            await run.close()
        task = asyncio.current_task()
        if task is not None and task.cancelling():  # the runner has summarised the finished episodes
            raise asyncio.CancelledError
        for slot, row in waiting.items():
            row.rollout_status = RowStatus.failed(f"not played: {result.stopped}")
            self._rollout_ended(slot.trial, row, on_row)

    async def _play_with(self, processor: RolloutProcessor, on_row: OnRow) -> None:
        """Play the rows with an object that has eval-protocol's interface, all runs concurrently."""
        with ExitStack() as stack:
            self._journal = Journal(self.folder, redactor=self.redactor)
            stack.enter_context(self._journal.alone())
            async with asyncio.TaskGroup() as group:
                for number in range(self.test.num_runs):
                    rows, config = self._of_run(uuid.uuid4().hex), replace(self._config, run=number)
                    for row, rollout in zip(rows, processor(rows, config), strict=True):
                        group.create_task(self._finish_rollout(row, rollout, processor, config, on_row))

    async def _finish_rollout(
        self,
        row: EvaluationRow,
        rollout: asyncio.Task[EvaluationRow],
        processor: RolloutProcessor,
        config: RolloutProcessorConfig,
        on_row: OnRow,
    ) -> None:
        handler = self.test.exception_handler_config
        retries = 0
        while True:
            try:
                row = await rollout
                break
            except Exception as error:  # noqa: BLE001 - a rollout may raise anything; the row records it
                if retries >= handler.backoff_config.max_tries or not handler.is_worth_retrying(error):
                    row.rollout_status = RowStatus.failed(f"{type(error).__name__}: {error}")
                    break
            await asyncio.sleep(handler.backoff_config.wait(retries))
            retries += 1
            [rollout] = processor([row], replace(config, kwargs={**config.kwargs, "start_server": False}))
        if row.rollout_status.code == Code.RUNNING:
            row.rollout_status = RowStatus.finished()
        self._rollout_ended(config.run, row, on_row)

    def _rollout_ended(self, run: int, row: EvaluationRow, on_row: OnRow) -> None:
        if row.rollout_status.is_error and row.evaluation_result is None:
            why = row.rollout_status.message
            row.evaluation_result = EvaluateResult(score=0.0, is_score_valid=False, reason=why, error=why)
        self._log(row)
        on_row(run, row)

    def _log(self, row: EvaluationRow) -> None:
        if self.test.logger is not None:
            self.test.logger.log(row)

    @property
    def journal(self) -> Journal:
        """The run folder, which exists once something has been played. Raises RunError."""
        if self._journal is None:
            self._journal = Journal(self.folder, resume=True, redactor=self.redactor)
        return self._journal

    def keep(self, run: int, row: EvaluationRow) -> None:
        """Store an evaluated row. Raises RunError."""
        if row.eval_metadata is not None and row.eval_metadata.status and row.eval_metadata.status.code == Code.RUNNING:
            row.eval_metadata.status = RowStatus(code=Code.FINISHED, message="Evaluation finished")
        self.evaluated[run, row.row_id] = row
        self.journal.append(ROWS, self.line(row))
        self._log(row)

    def line(self, row: EvaluationRow) -> dict[str, Any]:
        """Return a row as a line of a results file, without secrets in its errors and reasons."""
        content = row.line()
        said = {"rollout_status", "evaluation_result", "eval_metadata", "eval_details"} & content.keys()
        return content | {name: self.redactor.errors(content[name]) for name in said}


def _tools_at_the_end(setting: Setting, record: EpisodeRecord) -> list[dict[str, Any]]:
    """Return the agent's tools as functions, with those that it unlocked if the variant lists them."""
    found = record.unlocked or {}
    unlocked: Unlocked = {"agent": found.get("agent", ()), "user": found.get("user", ())}
    return [tool.chat_function() for tool in agent_tools(setting, unlocked)]


def _public(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return completion parameters without secrets; an agent object is represented by its name."""
    agent = params.get("agent")
    named = {} if agent is None or isinstance(agent, str) else {"agent": str(getattr(agent, "__name__", type(agent)))}
    return ModelSettings(model="-", args={**params, **named}).public_args()


@lru_cache
def invocation_id() -> str:
    """Return the id shared by all rows of this process."""
    return os.environ.get("EP_INVOCATION_ID") or uuid.uuid4().hex
