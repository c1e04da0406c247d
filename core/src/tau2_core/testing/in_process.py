"""Rollout processors that need no server: play rows in worlds of this process, or grade what was played before."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tau2_core.episode.play import OpenBackend, in_process, play
from tau2_core.model.episodes import EpisodeRecord, EpisodeStart, Slot
from tau2_core.records.journal import EPISODES, TIMINGS
from tau2_core.runs.model_clients import close_models
from tau2_core.testing.exceptions import RolloutError
from tau2_core.testing.processors import RolloutProcessorConfig
from tau2_core.testing.rows import EvaluationRow
from tau2_core.testing.tables import Table, open_table
from tau2_core.testing.transcripts import as_record, as_result, fill


class InProcessRolloutProcessor:
    """Plays each row's task in a world of this process, grades it, and keeps a run folder."""

    def __init__(self) -> None:
        self._tables: dict[Path, Table] = {}

    def setup(self) -> None:
        """Nothing is needed before the first row."""

    def __call__(self, rows: list[EvaluationRow], config: RolloutProcessorConfig) -> list[asyncio.Task[EvaluationRow]]:
        folder = config.journal.folder
        if folder not in self._tables:
            self._tables[folder] = open_table(config)
        table = self._tables[folder]
        return [asyncio.create_task(self._rollout(table, row, config)) for row in rows]

    async def _rollout(self, table: Table, row: EvaluationRow, config: RolloutProcessorConfig) -> EvaluationRow:
        async with config.semaphore:
            await table.probe()
            open_backend = await self.backend(table, config)
            slot = Slot(table.tasks[row.row_id].id, config.run)
            started = time.perf_counter()
            record = await self._play(table, row, slot, open_backend)
            played = time.perf_counter() - started
            grade = await table.grade(record)
            seconds = time.perf_counter() - started
            timing = {"task_id": slot.task_id, "trial": slot.trial, "play_seconds": played, "seconds": seconds}
            table.journal.append(TIMINGS, timing)
        fill(row, record, slot, played)
        row.tools = [tool.chat_function() for tool in table.setting.tools("agent").values()]
        row.evaluation_result = as_result(grade)
        if row.rollout_status.is_error:
            raise RolloutError(row.rollout_status.message)
        return row

    async def _play(self, table: Table, row: EvaluationRow, slot: Slot, open_backend: OpenBackend) -> EpisodeRecord:
        task, seed = table.tasks_by_id[slot.task_id], table.plan.seeds()[slot.trial]
        await table.listeners.notify("episode_started", EpisodeStart(table.setting.domain, slot, seed))
        record = await play(table.setting, task, table.cast_for(row), slot, seed, open_backend)
        table.journal.append(EPISODES, record.line())
        await table.listeners.notify("episode_finished", record)
        return record

    async def backend(self, table: Table, config: RolloutProcessorConfig) -> OpenBackend:  # noqa: ARG002 - others need them
        """Return what opens a world."""
        return in_process

    async def acleanup(self) -> None:
        role_models = [role_model for table in self._tables.values() for role_model in table.all_lines()]
        self.cleanup()
        await close_models(role_models)

    def cleanup(self) -> None:
        """Write the figures of each table."""
        while self._tables:
            self._tables.popitem()[1].close()


class RecordedRolloutProcessor(InProcessRolloutProcessor):
    """Plays nothing: takes what rows hold as what was said and done, grades it, and keeps a run folder."""

    async def _play(self, table: Table, row: EvaluationRow, slot: Slot, open_backend: OpenBackend) -> EpisodeRecord:  # noqa: ARG002
        setting = table.setting
        record = as_record(row, setting.domain, slot, setting.mode, solo=setting.solo, variant=setting.variant)
        table.journal.append(EPISODES, record.line())
        return record
