"""Calling a test's body: with a row, with the rows of all models for one id, or with all rows of a run."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from tau2_core.errors import UsageError
from tau2_core.testing.experiment import Experiment, OnRow
from tau2_core.testing.overrides import raises_evaluation_errors
from tau2_core.testing.parameters import Parameters, Rows
from tau2_core.testing.processors import RolloutProcessor
from tau2_core.testing.rows import Code, EvaluateResult, EvaluationRow, Status


async def run_body(body: Callable[..., Any], *arguments: Any, **kwargs: Any) -> Any:
    """Call a body; one that is no coroutine runs in a thread, so that rollouts go on while it works."""
    if inspect.iscoroutinefunction(body):
        return await body(*arguments, **kwargs)
    result = await asyncio.to_thread(body, *arguments, **kwargs)
    return await result if isinstance(result, Awaitable) else result


class Evaluation:
    """Plays and evaluates experiments that one test node runs: one, or in mode groupwise one a model."""

    def __init__(
        self,
        test: Parameters,
        body: Callable[..., Any],
        kwargs: Mapping[str, Any],
        processor: RolloutProcessor,
        on_row: OnRow,
    ) -> None:
        self.test = test
        self.body = body
        self.kwargs = kwargs
        self.processor = processor
        self.on_row = on_row

    async def run(self, experiments: Sequence[Experiment]) -> None:
        """Do all runs side by side, and leave every experiment its evaluated rows. What a body raises is raised on."""
        self.processor.setup()
        try:
            async with asyncio.TaskGroup() as group:
                runs = [group.create_task(self._run(experiments, run)) for run in range(self.test.num_runs)]
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        finally:
            await self.processor.acleanup()
        for done in runs:
            for experiment, rows in zip(experiments, done.result(), strict=True):
                experiment.runs.append(rows)

    async def _run(self, experiments: Sequence[Experiment], run: int) -> list[Rows]:
        """Return the evaluated rows of one run, by experiment."""
        turn = asyncio.Semaphore(self.test.max_concurrent_evaluations)
        rollouts = [experiment.play(run, self.processor) for experiment in experiments]
        by_row_id = [list(group) for group in zip(*rollouts, strict=True)]
        groups = rollouts if self.test.mode == "all" else by_row_id
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._evaluated(experiments, each, turn)) for each in groups]
        finally:
            left = [task for each in rollouts for task in each if not task.done()]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)  # nobody may use a server that is about to end
        done = [task.result() for task in tasks]
        return [done[0]] if self.test.mode == "all" else [list(rows) for rows in zip(*done, strict=True)]

    async def _evaluated(
        self,
        experiments: Sequence[Experiment],
        rollouts: Sequence[asyncio.Task[EvaluationRow]],
        turn: asyncio.Semaphore,
    ) -> Rows:
        rows = []
        for rollout in rollouts:
            rows.append(await rollout)
            self.on_row(rows[-1])
        async with turn:
            started = time.perf_counter()
            rows = await self._judged(rows)
        seconds = time.perf_counter() - started
        places = {experiment.id: place for place, experiment in enumerate(experiments)}
        try:
            rows.sort(key=lambda row: places[str(row.execution_metadata.experiment_id)])
        except KeyError as error:
            raise UsageError(f"{_name(self.body)} returned a row that it was not given") from error
        for row in rows:
            row.execution_metadata.eval_duration_seconds = seconds
            experiments[places[str(row.execution_metadata.experiment_id)]].evaluated(row)
        return rows

    async def _judged(self, rows: Rows) -> Rows:
        """Return what the body makes of rows."""
        pointwise = self.test.mode == "pointwise"
        try:
            made = await run_body(self.body, rows[0] if pointwise else rows, **self.kwargs)
        except Exception as error:
            if raises_evaluation_errors():
                raise
            why = f"{type(error).__name__}: {error}"
            for row in rows:
                row.evaluation_result = EvaluateResult(score=0.0, is_score_valid=False, reason=why, error=why)
                if row.eval_metadata is not None:
                    row.eval_metadata.status = Status(code=Code.INTERNAL, message=why)
            return rows
        name = _name(self.body)
        if pointwise and not isinstance(made, EvaluationRow):
            raise UsageError(f"{name} returned {made!r}; it should return the row")
        if not pointwise and not (isinstance(made, list) and all(isinstance(row, EvaluationRow) for row in made)):
            raise UsageError(f"{name} returned {made!r}; it should return the list of rows")
        judged = [made] if pointwise else made
        if len(judged) != len(rows):
            raise UsageError(f"{name} returned {len(judged)} rows of {len(rows)}; it should return all")
        return judged


def _name(body: Callable[..., Any]) -> str:
    return str(getattr(body, "__name__", "the test"))


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first exception that is no group of others."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
