"""What plays rows: the interface of rollout processors, and the one that leaves rows as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from tau2_core.records.journal import Journal
from tau2_core.testing.exceptions import ExceptionHandlerConfig
from tau2_core.testing.rows import Code, EvaluationRow, Status

DEFAULT_STEPS = 200


@dataclass
class RolloutProcessorConfig:
    """What a processor is told of an experiment; `run` counts from 0, `journal` is the folder that keeps it."""

    completion_params: dict[str, Any]
    semaphore: asyncio.Semaphore
    journal: Journal
    server_script_path: str | None = None
    mcp_config_path: str | None = None
    steps: int = DEFAULT_STEPS
    logger: Any = None
    kwargs: dict[str, Any] = field(default_factory=dict)
    exception_handler_config: ExceptionHandlerConfig = field(default_factory=ExceptionHandlerConfig)
    num_runs: int = 1
    run: int = 0
    concurrency: int = 1
    all_rows: Sequence[EvaluationRow] = ()


@runtime_checkable
class RolloutProcessor(Protocol):
    """Plays rows: called with those of one run, or with one that is tried again; returns a task a row, in order."""

    def setup(self) -> None:
        """Be told that an experiment begins."""

    def __call__(self, rows: list[EvaluationRow], config: RolloutProcessorConfig) -> list[asyncio.Task[EvaluationRow]]:
        """Begin to play."""

    async def acleanup(self) -> None:
        """Let go of everything, after all runs."""

    def cleanup(self) -> None:
        """Let go of everything where no event loop is there any more."""


class NoOpRolloutProcessor:
    """Plays nothing: for rows that hold what was said and done, graded or not."""

    def setup(self) -> None:
        """Nothing is needed."""

    def __call__(
        self,
        rows: list[EvaluationRow],
        config: RolloutProcessorConfig,  # noqa: ARG002 - the interface's
    ) -> list[asyncio.Task[EvaluationRow]]:
        return [asyncio.create_task(_as_it_is(row)) for row in rows]

    async def acleanup(self) -> None:
        """Nothing is held."""

    def cleanup(self) -> None:
        """Nothing is held."""


async def _as_it_is(row: EvaluationRow) -> EvaluationRow:
    if row.rollout_status.code == Code.RUNNING:
        row.rollout_status = Status.finished()
    return row
