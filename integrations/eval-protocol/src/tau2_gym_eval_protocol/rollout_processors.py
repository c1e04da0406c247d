"""Rollout processors: play in process or over MCP, or grade recorded rows; and eval-protocol's interface."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Protocol, runtime_checkable

from tau2_core.episode.participants import Participants
from tau2_core.episode.play import OnSidecar, OpenBackend, OpenEpisode, play, with_backends
from tau2_core.episode.setting import Setting
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.tasks import Task
from tau2_core.runs.executors.players import PlayEpisode

from tau2_gym_eval_protocol.episodes_as_rows import as_record
from tau2_gym_eval_protocol.retries import ExceptionHandlerConfig
from tau2_gym_eval_protocol.rows import Code, EvaluationRow, RowStatus

DEFAULT_STEPS = 200


@dataclass
class RolloutProcessorConfig:
    """The configuration of an experiment that a processor receives; `run` counts from 0."""

    completion_params: dict[str, Any]
    semaphore: asyncio.Semaphore
    server_script_path: str | None = None
    mcp_config_path: str | None = None
    steps: int = DEFAULT_STEPS
    logger: Any = None
    kwargs: dict[str, Any] = field(default_factory=dict)
    exception_handler_config: ExceptionHandlerConfig = field(default_factory=ExceptionHandlerConfig)
    run: int = 0


@runtime_checkable
class RolloutProcessor(Protocol):
    """Plays rows. Called with the rows of a run, or one row to retry; returns an asyncio task per row, in order."""

    def setup(self) -> None:
        """Prepare for an experiment."""

    def __call__(self, rows: list[EvaluationRow], config: RolloutProcessorConfig) -> list[asyncio.Task[EvaluationRow]]:
        """Start playing."""

    async def acleanup(self) -> None:
        """Release all resources, after all runs."""

    def cleanup(self) -> None:
        """Release all resources without an event loop."""


class NoOpRolloutProcessor:
    """Plays nothing: for rows that already contain a conversation, graded or not."""

    def setup(self) -> None:
        """Do nothing."""

    def __call__(
        self,
        rows: list[EvaluationRow],
        config: RolloutProcessorConfig,  # noqa: ARG002 - the interface's
    ) -> list[asyncio.Task[EvaluationRow]]:
        return [asyncio.create_task(_unchanged(row)) for row in rows]

    async def acleanup(self) -> None:
        """Do nothing: it holds no resources."""

    def cleanup(self) -> None:
        """Do nothing: it holds no resources."""


async def _unchanged(row: EvaluationRow) -> EvaluationRow:
    if row.rollout_status.code == Code.RUNNING:
        row.rollout_status = RowStatus.finished()
    return row


@dataclass(frozen=True)
class Playing:
    """How the episodes of a run are played; `via` says where tool calls are made, as in `tau2-gym run`.

    `can_repeat`: whether a failed episode can end differently when it is played again.
    """

    play_episode: PlayEpisode = play
    via: Literal["process", "mcp"] = "process"
    can_repeat: bool = True


class InProcessRolloutProcessor:
    """Plays each row's task as `tau2-gym run` does, in environments of this process, and grades it."""

    @asynccontextmanager
    async def playing(
        self,
        domain: str,  # noqa: ARG002 - subclasses need them
        rows: Mapping[str, EvaluationRow],  # noqa: ARG002
        config: RolloutProcessorConfig,  # noqa: ARG002
        folder: Path,  # noqa: ARG002
    ) -> AsyncIterator[Playing]:
        """Provide what an experiment needs within the block. Raises UsageError, RolloutError.

        `rows` are by the id of their task; the run creates its `folder` within the block.
        """
        yield Playing()


class McpGymRolloutProcessor(InProcessRolloutProcessor):
    """Plays as in process, but each tool call goes to a server over MCP.

    The server is our own on a free loopback port, as with `--via mcp`; or a child process that runs the script
    `server_script_path`; or one that is already running at the `url` of the processor's kwargs, with its `token`. The
    limits of such a server apply in addition to ours.
    """

    @asynccontextmanager
    async def playing(
        self,
        domain: str,
        rows: Mapping[str, EvaluationRow],  # noqa: ARG002 - the interface's
        config: RolloutProcessorConfig,
        folder: Path,
    ) -> AsyncIterator[Playing]:
        from tau2_gym_eval_protocol.running_server import RunningServer  # MCP takes long to import
        from tau2_gym_eval_protocol.server_process import server_of

        kwargs = config.kwargs
        if kwargs.get("url"):
            server = RunningServer(str(kwargs["url"]), kwargs.get("token"))
            await server.wait_until_ready()
            yield Playing(_through(server.backend))
        elif config.server_script_path:
            script = Path(config.server_script_path)
            with TemporaryDirectory() as place:
                log = Path(place) / "server.log"
                try:
                    async with server_of(script, domain, kwargs.get("port"), log) as server:
                        yield Playing(_through(server.backend))
                finally:
                    if folder.is_dir():
                        shutil.copy(log, folder)
        else:
            yield Playing(via="mcp")


MCPGymRolloutProcessor = McpGymRolloutProcessor  # eval-protocol's spelling


class RecordedRolloutProcessor(InProcessRolloutProcessor):
    """Plays nothing: grades the conversations that the rows contain, and keeps a run folder."""

    @asynccontextmanager
    async def playing(
        self,
        domain: str,
        rows: Mapping[str, EvaluationRow],
        config: RolloutProcessorConfig,  # noqa: ARG002 - the interface's
        folder: Path,  # noqa: ARG002
    ) -> AsyncIterator[Playing]:
        async def take(
            setting: Setting,
            task: Task,
            _participants: Participants,
            slot: Slot,
            _seed: int,
            _open_episode: OpenEpisode,
            _on_sidecar: OnSidecar | None,
        ) -> EpisodeRecord:
            about = {"solo": setting.solo, "variant": setting.variant}
            return as_record(rows[task.id], domain, slot, setting.mode, **about)

        yield Playing(take, can_repeat=False)


def _through(open_backend: OpenBackend) -> PlayEpisode:
    """Return a function that plays an episode with another backend."""

    async def play_there(
        setting: Setting,
        task: Task,
        participants: Participants,
        slot: Slot,
        seed: int,
        _open_episode: OpenEpisode,
        on_sidecar: OnSidecar | None,
    ) -> EpisodeRecord:
        return await play(setting, task, participants, slot, seed, with_backends(open_backend), on_sidecar)

    return play_there
