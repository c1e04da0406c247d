"""Call the test's function: with a row, with the rows of all models for one id, or with all rows of a run."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from tau2_core.errors import UsageError

from tau2_gym_eval_protocol.arguments import Arguments, Rows
from tau2_gym_eval_protocol.environment_variables import raises_evaluation_errors
from tau2_gym_eval_protocol.experiment import Experiment
from tau2_gym_eval_protocol.rollout_processors import InProcessRolloutProcessor
from tau2_gym_eval_protocol.rows import Code, EvaluateResult, EvaluationRow, RowStatus

Place = tuple[int, int]  # the numbers of an experiment and of a row in it


async def call_function(function: Callable[..., Any], *arguments: Any, **kwargs: Any) -> Any:
    """Call a test's function; a synchronous one runs in a thread, so that rollouts continue meanwhile."""
    if inspect.iscoroutinefunction(function):
        return await function(*arguments, **kwargs)
    result = await asyncio.to_thread(function, *arguments, **kwargs)
    return await result if isinstance(result, Awaitable) else result


class Scoring:
    """Plays the experiments of one test (one, or one per model in mode groupwise) and scores their rows.

    The function is called as soon as all rows of a call have been played.
    """

    def __init__(
        self,
        test: Arguments,
        function: Callable[..., Any],
        kwargs: Mapping[str, Any],
        experiments: Sequence[Experiment],
        on_row: Callable[[EvaluationRow], None],
    ) -> None:
        self.test = test
        self.function = function
        self.kwargs = kwargs
        self.experiments = experiments
        self.on_row = on_row
        self._turns = [asyncio.Semaphore(test.max_concurrent_evaluations) for _ in range(test.num_runs)]
        self._places = {name: place for place, name in enumerate(experiments[0].row_ids)}  # the same for all
        self._waiting: dict[tuple[int, str], dict[Place, EvaluationRow]] = {}
        self._group: asyncio.TaskGroup
        self._failed = False

    async def run(self) -> None:
        """Play and score all rows. Raises what the function raises."""
        processor = self.test.rollout_processor
        foreign = None if processor is None or isinstance(processor, InProcessRolloutProcessor) else processor
        if foreign is not None:
            foreign.setup()
        try:
            async with asyncio.TaskGroup() as self._group:
                for index, experiment in enumerate(self.experiments):
                    self._group.create_task(experiment.play(partial(self._take, index)))
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        finally:
            if foreign is not None:
                await foreign.acleanup()

    def _take(self, index: int, run: int, row: EvaluationRow) -> None:
        """Add a row whose rollout has ended; score its group if that is complete."""
        self.on_row(row)
        if self._failed:  # everything is being cancelled
            return
        key, size = {
            "pointwise": ((run, f"{index} {row.row_id}"), 1),
            "groupwise": ((run, row.row_id), len(self.experiments)),
            "all": ((run, ""), len(self._places)),
        }[self.test.mode]
        group = self._waiting.setdefault(key, {})
        group[index, self._places[row.row_id]] = row
        if len(group) == size:
            del self._waiting[key]
            self._group.create_task(self._score(run, [group[place] for place in sorted(group)]))

    async def _score(self, run: int, rows: Rows) -> None:
        try:
            async with self._turns[run]:
                started = time.perf_counter()
                rows = await self._scored(rows)
            self._keep(run, rows, time.perf_counter() - started)
        except BaseException:
            self._failed = True
            raise

    def _keep(self, run: int, rows: Rows, seconds: float) -> None:
        by_id = {experiment.id: experiment for experiment in self.experiments}
        for row in rows:
            experiment = by_id.get(str(row.execution_metadata.experiment_id))
            if experiment is None:
                raise UsageError(f"{_name(self.function)} returned a row that it was not given")
            row.execution_metadata.eval_duration_seconds = seconds
            experiment.keep(run, row)

    async def _scored(self, rows: Rows) -> Rows:
        """Call the function and return its rows."""
        pointwise = self.test.mode == "pointwise"
        try:
            made = await call_function(self.function, rows[0] if pointwise else rows, **self.kwargs)
        except Exception as error:
            if raises_evaluation_errors():
                raise
            why = f"{type(error).__name__}: {error}"
            for row in rows:
                row.evaluation_result = EvaluateResult(score=0.0, is_score_valid=False, reason=why, error=why)
                if row.eval_metadata is not None:
                    row.eval_metadata.status = RowStatus(code=Code.INTERNAL, message=why)
            return rows
        name = _name(self.function)
        if pointwise and not isinstance(made, EvaluationRow):
            raise UsageError(f"{name} returned {made!r}; it should return the row")
        if not pointwise and not (isinstance(made, list) and all(isinstance(row, EvaluationRow) for row in made)):
            raise UsageError(f"{name} returned {made!r}; it should return the list of rows")
        scored = [made] if pointwise else made
        if len(scored) != len(rows):
            raise UsageError(f"{name} returned {len(scored)} rows of {len(rows)}; it should return all")
        return scored


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", "the test"))


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first exception in nested groups."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
