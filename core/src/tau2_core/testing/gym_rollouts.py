"""Rollout processors that play rows in our worlds: in process, or through a server over MCP."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NoReturn

from tau2_core.episode.play import OpenStage, local_stage, play
from tau2_core.gym.registry import Registry
from tau2_core.gym.settings import Settings
from tau2_core.gym.via import serving, stage_through
from tau2_core.model.episodes import EpisodeRecord, EpisodeStart, Slot
from tau2_core.runs.journal import EPISODES, TIMINGS
from tau2_core.runs.models import dismiss
from tau2_core.testing.children import server_of
from tau2_core.testing.exceptions import RolloutError
from tau2_core.testing.gym_client import GymClient
from tau2_core.testing.processors import RolloutProcessorConfig
from tau2_core.testing.rows import EvaluationRow
from tau2_core.testing.tables import Table, open_table
from tau2_core.testing.transcripts import as_record, as_result, fill

MORE_THAN_NEEDED = 100_000


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
            open_stage = await self.stage(table, config)
            slot = Slot(table.tasks[row.row_id].id, config.run)
            started = time.perf_counter()
            record = await self._play(table, row, slot, open_stage)
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

    async def _play(self, table: Table, row: EvaluationRow, slot: Slot, open_stage: OpenStage) -> EpisodeRecord:
        task, seed = table.tasks_by_id[slot.task_id], table.plan.seeds()[slot.trial]
        for listen in table.catalogue.listeners("tau2_episode_started"):
            listen(EpisodeStart(table.setting.domain, slot, seed))
        record = await play(table.setting, task, table.cast_for(row), slot, seed, open_stage)
        table.journal.append(EPISODES, record.line())
        for listen in table.catalogue.listeners("tau2_episode_finished"):
            listen(record)
        return record

    async def stage(self, table: Table, config: RolloutProcessorConfig) -> OpenStage:  # noqa: ARG002 - others need them
        """Return what opens a world."""
        return local_stage

    async def acleanup(self) -> None:
        lines = [line for table in self._tables.values() for line in table.all_lines()]
        self.cleanup()
        await dismiss(lines)

    def cleanup(self) -> None:
        """Write the figures of each table."""
        while self._tables:
            self._tables.popitem()[1].close()


class RecordedRolloutProcessor(InProcessRolloutProcessor):
    """Plays nothing: takes what rows hold as what was said and done, grades it, and keeps a run folder."""

    async def _play(self, table: Table, row: EvaluationRow, slot: Slot, open_stage: OpenStage) -> EpisodeRecord:  # noqa: ARG002
        setting = table.setting
        record = as_record(row, setting.domain, slot, setting.mode, solo=setting.solo, variant=setting.variant)
        table.journal.append(EPISODES, record.line())
        return record


class McpGymRolloutProcessor(InProcessRolloutProcessor):
    """As in process, but each tool call goes to a server, over MCP.

    The server is ours, on a free port of loopback, for as long as the experiment lasts; or what `server_script_path`
    starts, as a child that ends with this process; or one that runs already, at the `url` of the processor's kwargs
    (with its `token`). A script's or a running server's own limits apply besides ours.
    """

    def __init__(self) -> None:
        super().__init__()
        self._servers = AsyncExitStack()
        self._opened: dict[Path, asyncio.Future[OpenStage]] = {}

    async def stage(self, table: Table, config: RolloutProcessorConfig) -> OpenStage:
        folder = config.journal.folder
        if folder not in self._opened:
            self._opened[folder] = asyncio.ensure_future(self._servers.enter_async_context(_server(table, config)))
        return await asyncio.shield(self._opened[folder])

    async def acleanup(self) -> None:
        for opening in self._opened.values():  # a server that is just starting is let start, then ended
            await asyncio.wait([opening])
        self._opened.clear()
        await self._servers.aclose()
        await super().acleanup()


def _server(table: Table, config: RolloutProcessorConfig) -> AbstractAsyncContextManager[OpenStage]:
    kwargs, domain = config.kwargs, table.setting.domain
    if kwargs.get("url"):
        return _running(str(kwargs["url"]), kwargs.get("token"))
    if config.server_script_path:
        return _script(Path(config.server_script_path), domain, kwargs.get("port"), config.journal.folder)
    return _own(table)


@asynccontextmanager
async def _own(table: Table) -> AsyncIterator[OpenStage]:
    """Our server, in this event loop: no child can be left behind, and no port can be taken by another meanwhile."""
    registry = Registry(table.catalogue, _nothing_to_keep, max_episodes=MORE_THAN_NEEDED, idle_seconds=24 * 3600)
    settings = Settings(
        table.catalogue, [table.setting.domain], max_body_bytes=sys.maxsize, max_result_chars=sys.maxsize
    )
    async with serving(registry, settings) as address:
        yield stage_through(registry, address)


@asynccontextmanager
async def _running(url: str, token: str | None) -> AsyncIterator[OpenStage]:
    client = GymClient(url, token)
    await client.wait_until_ready()
    yield client.stage


@asynccontextmanager
async def _script(script: Path, domain: str, port: int | None, folder: Path) -> AsyncIterator[OpenStage]:
    async with server_of(script, domain, port, folder / "server.log") as client:
        yield client.stage


def _nothing_to_keep() -> NoReturn:
    raise AssertionError("an evaluation keeps its own records")
