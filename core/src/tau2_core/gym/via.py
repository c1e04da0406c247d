"""Playing a run through the server: every tool call goes over HTTP, through the SDK's client, and back."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NoReturn

import uvicorn
from anyio import to_thread
from mcp.client.client import Client
from mcp_types import TextContent

from tau2_core.episode.conversation import Limits
from tau2_core.episode.play import Cast, OpenStage
from tau2_core.episode.setting import Setting
from tau2_core.episode.stage import BrokenOffError, Stage
from tau2_core.gym.application import build_application
from tau2_core.gym.data_plane import FAILURE_KEY
from tau2_core.gym.hosted import EXTERNAL, Blueprint, HostedEpisode
from tau2_core.gym.registry import Registry
from tau2_core.gym.serve import bind, uvicorn_config
from tau2_core.gym.settings import Settings
from tau2_core.model.episodes import Termination
from tau2_core.model.messages import ToolCall, ToolMessage
from tau2_core.model.tasks import Task
from tau2_core.model.tools import Failure, ToolResult
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.runs.execute import Finished, RunResult, execute
from tau2_core.runs.plan import Plan

UNLIMITED = Limits(max_steps=2**31, max_errors=2**31)  # the run's own conversation counts and ends


class RemoteStage:
    """A world behind the server, acted on with one MCP client a side."""

    def __init__(self, episode: HostedEpisode, clients: dict[str, Client]) -> None:
        self.episode = episode
        self.clients = clients

    async def call(self, call: ToolCall) -> ToolResult:
        result = await self.clients[call.requestor].call_tool(call.name, call.arguments)
        conversation = self.episode.conversation
        if conversation.termination is Termination.INFRASTRUCTURE_ERROR:
            raise BrokenOffError(conversation.error or "the episode behind the server broke off")
        content = result.content[0]
        text = content.text if isinstance(content, TextContent) else ""
        failure = (result.meta or {}).get(FAILURE_KEY) if result.is_error else None
        return ToolResult(text, Failure(failure) if failure else None, skipped=self._skipped())

    def _skipped(self) -> bool:
        """Tell whether a plugin answered the last call in the world's place, of which the answer must say nothing."""
        last = self.episode.conversation.messages[-1]
        return isinstance(last, ToolMessage) and bool(last.skipped)

    async def settle(self) -> None:
        """Nothing to do here: the server settles its worlds itself."""

    async def digests(self) -> dict[str, str]:
        return (await self.episode.record()).digests


class _QuietServer(uvicorn.Server):
    """Leaves Ctrl-C to the run."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(registry: Registry, settings: Settings) -> AsyncIterator[str]:
    """Run the server in this event loop for as long as the block lasts; the value is its address."""
    listeners = bind(settings.host, 0, settings.token)
    settings.port = listeners[0].getsockname()[1]
    server = _QuietServer(uvicorn_config(build_application(registry, settings)))
    task = asyncio.create_task(server.serve(listeners))
    try:
        yield settings.base_url
    finally:
        server.should_exit = True
        await task


def stage_through(registry: Registry, address: str) -> OpenStage:
    """Return what opens a stage behind a running server, for `play`."""

    @asynccontextmanager
    async def open_stage(setting: Setting, task: Task, cast: Cast, seed: int) -> AsyncIterator[Stage]:
        faults = [make(f"{task.id}/{seed}") for make in cast.faults]
        behind = Cast(EXTERNAL, registry.catalogue.user("none"), UNLIMITED, [*cast.wrappers, *faults])
        episode = await to_thread.run_sync(registry.create, Blueprint(setting, task, behind, seed))
        episode.kept = True  # the run keeps the record
        try:
            async with AsyncExitStack() as stack:
                clients = {"assistant": await stack.enter_async_context(_client(address, episode.agent_key))}
                if episode.blueprint.two_sided:
                    clients["user"] = await stack.enter_async_context(_client(address, episode.user_key))
                yield RemoteStage(episode, clients)
        finally:
            await registry.close(episode.id)

    return open_stage


def _client(address: str, key: str) -> AbstractAsyncContextManager[Any]:
    return Client(f"{address}/episodes/{key}/mcp")


async def execute_via_mcp(
    plan: Plan,
    catalogue: Catalogue,
    folder: Path,
    *,
    resume: bool = False,
    on_finished: Callable[[Finished], None] | None = None,
) -> RunResult:
    """Execute a plan with every tool call going through a server of its own on loopback; else as `execute`."""
    registry = Registry(catalogue, _nothing_to_keep, max_episodes=plan.concurrency + 1, idle_seconds=24 * 3600)
    settings = Settings(
        catalogue, [plan.setting.domain], max_body_bytes=sys.maxsize, max_result_chars=sys.maxsize
    )  # as there are no such limits in process
    async with serving(registry, settings) as address:
        open_stage = stage_through(registry, address)
        return await execute(plan, catalogue, folder, resume=resume, on_finished=on_finished, open_stage=open_stage)


def _nothing_to_keep() -> NoReturn:
    raise AssertionError("a run keeps its own records")
